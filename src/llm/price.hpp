// What an exchange cost, from a table of prices that is data (src/llm/prices.tsv, or a user's
// file).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::llm {

// US dollars for a million tokens.
struct Price {
  std::string model;  // or the beginning of a model's name
  double input = 0, cached_input = 0, output = 0;
};

class PriceTable {
 public:
  // The table that the program was built with, then `file` in front of it where one is named.
  // bad_input names the file and line.
  static Result<PriceTable> load(const std::string& file);
  static Result<PriceTable> parse(std::string_view text, const std::string& name);

  // The longest name that the model's name begins with; the user's file first. Null: not known, as
  // for a server of one's own.
  const Price* find(std::string_view model) const;
  // Absent where the model is not in the table. The model is the one that was asked for, or else
  // the one that answered.
  std::optional<double> usd(const std::string& asked, const Exchange& exchange) const;

 private:
  std::vector<Price> own_, known_;
};

}  // namespace mtmc::llm
