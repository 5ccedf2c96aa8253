// How numbers, times and ids look in reports. Texts from outside (operator lines, messages, names of
// models) may hold anything: one_line makes them safe for a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mtmc::report {

// "812 ns", "12.4 us", "3.21 ms", "1.50 s": three digits. "-" where there is none.
std::string format_ns(std::optional<double> ns);
// "15.3x"; "-" for 0 and for what is no ratio.
std::string format_ratio(double ratio);
// old / new where both are there and new is above 0; otherwise 0.
double ratio_of(std::optional<double> numerator, std::optional<double> denominator);
// "2026-01-31 12:59" in UTC; "-" for 0.
std::string format_time(std::int64_t at_ms);
// The first 12 digits: enough to find it again.
std::string short_id(const std::string& id);

// Printable UTF-8 on one line: control characters become spaces, broken UTF-8 '?'. Longer than
// `most` characters it is cut and ends in "..."; 0: not cut.
std::string one_line(std::string_view text, std::size_t most = 0);
// Characters, not bytes. REQUIRES: UTF-8.
std::size_t width_of(std::string_view text);

}  // namespace mtmc::report
