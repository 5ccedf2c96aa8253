# mtmc_embed_text(OUTPUT file.cpp NAMESPACE mtmc::llm FUNCTION embedded_prompts BASE dir FILES a.md ...)
#
# Writes a source that defines, in NAMESPACE,
#   std::span<const std::pair<std::string_view, std::string_view>> FUNCTION();
# with the path (relative to BASE) and the text of each file, in the order given. The source is made
# at build time and again whenever a file changes. The same file is the script that writes it.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(MTMC_EMBED_TEXT_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  function(mtmc_embed_text)
    cmake_parse_arguments(ARG "" "OUTPUT;NAMESPACE;FUNCTION;BASE" "FILES" ${ARGN})
    # "|" instead of ";", because a list does not survive a command line.
    string(REPLACE ";" "|" files "${ARG_FILES}")
    add_custom_command(
      OUTPUT ${ARG_OUTPUT}
      COMMAND ${CMAKE_COMMAND} -DOUTPUT=${ARG_OUTPUT} -DNAMESPACE=${ARG_NAMESPACE}
              -DFUNCTION=${ARG_FUNCTION} -DBASE=${ARG_BASE} "-DFILES=${files}"
              -P ${MTMC_EMBED_TEXT_SCRIPT}
      DEPENDS ${ARG_FILES} ${MTMC_EMBED_TEXT_SCRIPT}
      COMMENT "Embedding text into ${ARG_FUNCTION}"
      VERBATIM)
  endfunction()
  return()
endif()

string(REPLACE "|" ";" FILES "${FILES}")
set(rows "")
foreach(file IN LISTS FILES)
  file(RELATIVE_PATH name "${BASE}" "${file}")
  file(READ "${file}" text)
  string(FIND "${text}" ")mtmc_text\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} holds the raw string delimiter )mtmc_text\"")
  endif()
  string(APPEND rows "    {\"${name}\", R\"mtmc_text(${text})mtmc_text\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "\
#include <span>
#include <string_view>
#include <utility>

namespace ${NAMESPACE} {
namespace {
constexpr std::pair<std::string_view, std::string_view> kFiles[] = {
${rows}};
}
std::span<const std::pair<std::string_view, std::string_view>> ${FUNCTION}() { return kFiles; }
}  // namespace ${NAMESPACE}
")
