// Reading JSON that may be hostile: every access is checked, and the first thing that is wrong becomes one error that
// names the place ("recipe.run[2].grid: expected a list"). Used by the from_json functions of this folder.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"

namespace mtmc::kernel {

// Collects the first error of a read; readers go on with defaults, and the caller asks `error()` at the end.
class JsonReader {
 public:
  explicit JsonReader(std::string where) : where_(std::move(where)) {}

  const std::optional<Error>& error() const { return error_; }
  void fail(const std::string& place, const std::string& expected) {
    if (!error_) error_ = Error{ErrorCode::bad_input, where_ + "." + place + ": expected " + expected};
  }

  // The member, or null where it is absent or `object` is no object.
  const nlohmann::json& member(const nlohmann::json& object, const char* key) {
    static const nlohmann::json kNull;
    if (!object.is_object()) return kNull;
    auto it = object.find(key);
    return it == object.end() ? kNull : *it;
  }

  std::string text(const nlohmann::json& object, const char* key, std::size_t max = 256) {
    const auto& v = member(object, key);
    if (!v.is_string() || v.get_ref<const std::string&>().size() > max) {
      fail(key, "a text of at most " + std::to_string(max) + " characters");
      return {};
    }
    return v.get<std::string>();
  }
  // A plain name: letters, digits, '_', '.' and '-', not beginning with '.'.
  std::string name(const nlohmann::json& object, const char* key) {
    std::string s = text(object, key, 128);
    bool good = !s.empty() && s[0] != '.';
    for (char c : s)
      good = good && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                      c == '_' || c == '.' || c == '-');
    if (!good) fail(key, "a plain name");
    return good ? s : std::string();
  }
  std::int64_t integer(const nlohmann::json& object, const char* key, std::int64_t otherwise) {
    const auto& v = member(object, key);
    if (v.is_null()) return otherwise;
    if (!v.is_number_integer()) {
      fail(key, "an integer");
      return otherwise;
    }
    return v.get<std::int64_t>();
  }
  double number(const nlohmann::json& object, const char* key, double otherwise) {
    const auto& v = member(object, key);
    if (v.is_null()) return otherwise;
    if (!v.is_number()) {
      fail(key, "a number");
      return otherwise;
    }
    return v.get<double>();
  }
  bool flag(const nlohmann::json& object, const char* key, bool otherwise) {
    const auto& v = member(object, key);
    if (v.is_null()) return otherwise;
    if (!v.is_boolean()) {
      fail(key, "true or false");
      return otherwise;
    }
    return v.get<bool>();
  }
  Expr expression(const nlohmann::json& v, const std::string& place) {
    if (v.is_number_integer()) return Expr(v.get<std::int64_t>());
    if (!v.is_string()) {
      fail(place, "an integer or an expression in a text");
      return {};
    }
    auto e = Expr::parse(v.get_ref<const std::string&>());
    if (!e) {
      fail(place, "an expression (" + e.error().message + ")");
      return {};
    }
    return *e;
  }
  Expr expression_member(const nlohmann::json& object, const char* key, Expr otherwise) {
    const auto& v = member(object, key);
    return v.is_null() ? otherwise : expression(v, key);
  }
  std::vector<Expr> expressions(const nlohmann::json& object, const char* key, std::size_t max) {
    std::vector<Expr> list;
    for (const auto& v : items(object, key, max)) list.push_back(expression(v, key));
    return list;
  }
  // The elements of a list member; an absent list is empty.
  const nlohmann::json::array_t& items(const nlohmann::json& object, const char* key, std::size_t max) {
    static const nlohmann::json::array_t kEmpty;
    const auto& v = member(object, key);
    if (v.is_null()) return kEmpty;
    if (!v.is_array() || v.size() > max) {
      fail(key, "a list of at most " + std::to_string(max));
      return kEmpty;
    }
    return v.get_ref<const nlohmann::json::array_t&>();
  }

 private:
  std::string where_;
  std::optional<Error> error_;
};

// An expression as JSON: a number where it is one, its text otherwise.
inline nlohmann::json expression_json(const Expr& e) {
  if (e.is_constant()) return e.value();
  return e.text();
}
inline nlohmann::json expressions_json(const std::vector<Expr>& list) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& e : list) out.push_back(expression_json(e));
  return out;
}

// A word of an enum's table, by position.
template <class Enum, std::size_t N>
Enum word(JsonReader& r, const nlohmann::json& object, const char* key, const char* const (&words)[N],
          Enum otherwise) {
  const auto& v = r.member(object, key);
  if (v.is_null()) return otherwise;
  std::string all;
  for (std::size_t i = 0; i < N; ++i) {
    if (v.is_string() && v.get_ref<const std::string&>() == words[i]) return static_cast<Enum>(i);
    all += (i ? " | " : "") + std::string(words[i]);
  }
  r.fail(key, all);
  return otherwise;
}

}  // namespace mtmc::kernel
