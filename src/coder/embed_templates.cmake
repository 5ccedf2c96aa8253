# cmake -DOUTPUT=x.cpp -DFILES="a.cuh;b.cuh" -P embed_templates.cmake
# Writes the template files as string constants, by their plain file names.
set(text "// Written by embed_templates.cmake from templates/.\n#include \"coder/templates.hpp\"\n\n")
string(APPEND text "namespace mtmc::coder {\n\nconst std::vector<TemplateFile>& template_files() {\n")
string(APPEND text "  static const std::vector<TemplateFile> files = {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND text "      {\"${name}\", R\"cuda(${content})cuda\"},\n")
endforeach()
string(APPEND text "  };\n  return files;\n}\n\n}  // namespace mtmc::coder\n")
file(WRITE ${OUTPUT} "${text}")
