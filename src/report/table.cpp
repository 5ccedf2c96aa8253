#include "report/table.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "report/format.hpp"

namespace mtmc::report {

namespace {

std::string padded(const std::string& cell, std::size_t width, bool right) {
  const std::size_t used = width_of(cell);
  const std::string blanks(width > used ? width - used : 0, ' ');
  return right ? blanks + cell : cell + blanks;
}

}  // namespace

std::string coloured_outcome(const std::string& word, const TextOptions& options) {
  if (!options.colour || word.empty() || word == "-") return word;
  static constexpr char kGreen[] = "\x1b[32m", kRed[] = "\x1b[31m", kYellow[] = "\x1b[33m",
                        kPlain[] = "\x1b[0m";
  const bool open = word == "running" || word == "pending" || word == "refused";
  return (word == "correct" || word == "finished" ? kGreen : open ? kYellow : kRed) + word + kPlain;
}

void Table::add(std::vector<std::string> cells) {
  MTMC_CHECK(cells.size() == columns_.size(), "a row has a cell for each column");
  rows_.push_back(std::move(cells));
}

std::string Table::text(const TextOptions& options, int indent) const {
  std::vector<std::size_t> shown, widths(columns_.size(), 0);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    bool has_something = !columns_[c].hide_if_empty;
    widths[c] = width_of(columns_[c].title);
    for (const auto& row : rows_) {
      widths[c] = std::max(widths[c], width_of(row[c]));
      has_something = has_something || (!row[c].empty() && row[c] != "-");
    }
    if (has_something) shown.push_back(c);
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>* row) {
    std::string text(static_cast<std::size_t>(indent), ' ');
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const std::size_t c = shown[i];
      const std::string& cell = row ? (*row)[c] : columns_[c].title;
      const bool right = columns_[c].kind == Column::Kind::number;
      std::string field = padded(cell, widths[c], right);
      if (row && columns_[c].kind == Column::Kind::outcome && !cell.empty())
        field.replace(0, cell.size(), coloured_outcome(cell, options));
      text += (i ? "  " : "") + field;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line(nullptr);
  for (const auto& row : rows_) line(&row);
  return out;
}

}  // namespace mtmc::report
