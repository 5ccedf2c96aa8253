// Files in and out: gzip, atomic writing, and JSON that Python or a killed tuner left behind.
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unordered_set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tuner/recording.hpp"

namespace mtmc::tuner {

namespace {

using nlohmann::json;
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;

Result<std::string> inflate_text(const std::string& path, const std::string& packed,
                                 std::vector<std::string>* notes) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return internal_error("zlib does not start");
  std::string text;
  std::vector<char> block(1 << 18);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK || status == Z_STREAM_END) {
    if (status == Z_STREAM_END) {  // gzip members may follow each other
      if (stream.avail_in == 0) break;
      inflateReset(&stream);
    }
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    status = inflate(&stream, Z_NO_FLUSH);
    text.append(block.data(), block.size() - stream.avail_out);
    if (text.size() > kMaxBytes) break;
  }
  inflateEnd(&stream);
  if (text.size() > kMaxBytes)
    return bad_input(fmt::format("{}: more than {} bytes when inflated", path, kMaxBytes));
  if (status == Z_BUF_ERROR) {
    notes->push_back(fmt::format("{}: the gzip ends early; what was there is used", path));
  } else if (status != Z_STREAM_END) {
    return bad_input(fmt::format("{}: damaged gzip after {} bytes", path, text.size()));
  }
  return text;
}

struct Scan {
  std::string text;       // with null for what JSON does not know
  std::size_t whole = 0;  // length up to the end of the last whole entry
  std::string closing;    // what closes the text there
  std::size_t nulls = 0;
  std::string twice;  // a key that stands twice among the entries
  bool balanced = false;
};

// One pass over brackets and strings. Entries are what lies two levels deep: rows of a cache,
// results of a T4 file.
Scan scan(const std::string& text) {
  Scan s;
  s.text.reserve(text.size());
  std::string open;
  bool quoted = false;
  std::size_t string_start = 0;
  std::unordered_set<std::string> keys;  // of the object whose members are entries
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    s.text += c;
    if (quoted) {
      if (c == '\\' && i + 1 < text.size())
        s.text += text[++i];
      else if (c == '"')
        quoted = false;
      continue;
    }
    switch (c) {
      case '"':
        quoted = true;
        string_start = s.text.size();
        break;
      case ':':
        if (open == "}}" && s.twice.empty()) {
          const std::size_t end = s.text.rfind('"');
          if (end == std::string::npos || end < string_start) break;
          std::string key = s.text.substr(string_start, end - string_start);
          if (!keys.insert(key).second) s.twice = std::move(key);
        }
        break;
      case '{':
        open += '}';
        if (open.size() == 2) keys.clear();
        break;
      case '[':
        open += ']';
        break;
      case '}':
      case ']':
        if (!open.empty()) open.pop_back();
        if (open.size() == 2) {
          s.whole = s.text.size();
          s.closing = {open.rbegin(), open.rend()};
        }
        s.balanced = open.empty();
        break;
      case 'N':
      case 'I': {
        const std::string_view word = c == 'N' ? "NaN" : "Infinity";
        if (text.compare(i, word.size(), word) != 0) break;
        s.text.pop_back();
        if (!s.text.empty() && s.text.back() == '-') s.text.pop_back();
        s.text += "null";
        i += word.size() - 1;
        ++s.nulls;
        break;
      }
      default:
        break;
    }
  }
  s.balanced &= !quoted;
  return s;
}

}  // namespace

Result<std::string> read_text(const std::string& path, std::vector<std::string>* notes) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return bad_input(fmt::format("{} is a folder", path));
  std::ifstream file(path, std::ios::binary);
  if (!file) return bad_input(fmt::format("cannot read {}", path));
  std::string text;
  std::vector<char> block(1 << 18);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    text.append(block.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxBytes)
      return bad_input(fmt::format("{}: more than {} bytes", path, kMaxBytes));
  }
  if (text.size() >= 2 && text[0] == '\x1f' && text[1] == '\x8b')
    return inflate_text(path, text, notes);
  return text;
}

Result<void> write_text(const std::string& path, const std::string& text) {
  const std::string part = fmt::format("{}.part{}", path, ::getpid());
  bool ok = false;
  if (path.ends_with(".gz")) {
    if (gzFile file = gzopen(part.c_str(), "wb9")) {
      ok = text.empty() || gzfwrite(text.data(), 1, text.size(), file) == text.size();
      ok &= gzclose(file) == Z_OK;
    }
  } else {
    std::ofstream file(part, std::ios::binary);
    file << text;
    file.close();
    ok = file.good();
  }
  std::error_code error;
  if (ok) std::filesystem::rename(part, path, error);
  if (ok && !error) return {};
  std::filesystem::remove(part, error);
  return unavailable(fmt::format("cannot write {}", path));
}

Result<json> lenient_json(std::string text, std::vector<std::string>* notes) {
  Scan s = scan(text);
  text = std::string();
  json form = s.balanced ? json::parse(s.text, nullptr, false) : json(json::value_t::discarded);
  if (form.is_discarded() && s.whole > 0) {
    const std::size_t lost = s.text.size() - s.whole;
    s.text.resize(s.whole);
    form = json::parse(s.text + s.closing, nullptr, false);
    if (!form.is_discarded())
      notes->push_back(fmt::format(
          "the text ends early; {} bytes after the last whole entry are left out", lost));
  }
  if (form.is_discarded()) return bad_input("not JSON, nor the beginning of any");
  if (s.nulls)
    notes->push_back(fmt::format("{} numbers are NaN or infinite and count as missing", s.nulls));
  if (!s.twice.empty())
    notes->push_back(fmt::format("the key '{}' stands twice; the last one counts", s.twice));
  return form;
}

}  // namespace mtmc::tuner
