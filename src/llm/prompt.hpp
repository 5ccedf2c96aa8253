// Building prompts: the texts of prompts/ (embedded in the binary), and data made safe to stand in
// them.
//
// Whatever did not come from this program's own prompt files (operator lines, sources, logs, hints,
// earlier answers) is data: it goes through `fence` or `one_line` and never through a placeholder
// raw.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace mtmc::llm {

// The text of a file of prompts/, by its path there ("planner.md", "actions/fuse.md"); empty where
// there is none.
std::string_view prompt_page(std::string_view path);

// The text with every broken UTF-8 sequence replaced by U+FFFD, and nothing else changed.
std::string valid_utf8(std::string_view data);

// Valid UTF-8 of at most about `max_bytes`: broken sequences become U+FFFD; control characters (all
// but tab and newline), direction overrides and zero-width characters go; what is too long
// loses its middle, and says how much.
std::string clean(std::string_view data, std::size_t max_bytes);
// The same on one line, without backticks.
std::string one_line(std::string_view data, std::size_t max_bytes = 200);
// A fenced block with a label, whose fence is longer than any run of backticks in the data: nothing
// in the data can close it. `label` is cut to letters, digits and " _.-".
std::string fence(std::string_view label, std::string_view data, std::size_t max_bytes);
// "   1| text" lines, cleaned.
std::string numbered(std::string_view source, std::size_t max_bytes);

// Replaces each {{name}} of a prompt page in one pass, so that a value's text is never read as a
// placeholder. A name without a value is a mistake in the page (CHECK).
std::string fill(std::string_view page,
                 const std::map<std::string, std::string, std::less<>>& values);

}  // namespace mtmc::llm
