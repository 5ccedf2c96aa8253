// A text table with aligned columns. Cells are single lines of printable UTF-8 (report::one_line).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mtmc::report {

struct TextOptions {
  bool colour = false;  // ANSI colours for outcomes; for terminals only
};

struct Column {
  enum class Kind { text, number, outcome };  // numbers stand right, outcomes may be coloured
  std::string title;
  Kind kind = Kind::text;
  bool hide_if_empty = false;  // leave the column out where every cell is "" or "-"
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: as many cells as columns.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // A title line and a line for each row, all indented by `indent` spaces. Lines have no blanks at their
  // end.
  std::string text(const TextOptions& options, int indent = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// An outcome's word in its colour (green: correct; red: the others), or as it is.
std::string coloured_outcome(const std::string& word, const TextOptions& options);

}  // namespace mtmc::report
