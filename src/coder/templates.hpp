// The files of templates/ as they were when the program was built.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace mtmc::coder {

struct TemplateFile {
  std::string_view name;  // "row.cuh"
  std::string_view text;
};

// All of them; a file comes after those that it includes.
const std::vector<TemplateFile>& template_files();
// templates/host_check.hpp: the host side of exported files.
std::string_view host_check_text();
// The named files and what they include, in that order.
std::vector<TemplateFile> template_closure(const std::set<std::string>& names);

}  // namespace mtmc::coder
