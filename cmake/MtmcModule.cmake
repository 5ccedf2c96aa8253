# mtmc_module(NAME SOURCES a.cpp ... DEPENDS mtmc::base fmt::fmt ...)
#
# One folder of the house as one static library with the alias mtmc::NAME. Headers are included
# relative to src/ ("op/graph.hpp") or, for tuner/, to the repository root ("tuner/space.hpp").
add_library(mtmc_warnings INTERFACE)
# g++ 12 sees overlapping copies in "text" + string where there are none (GCC bug 105651).
target_compile_options(mtmc_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-restrict)
if(MTMC_WERROR)
  target_compile_options(mtmc_warnings INTERFACE -Werror)
endif()

function(mtmc_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(mtmc_${name} STATIC ${ARG_SOURCES})
  add_library(mtmc::${name} ALIAS mtmc_${name})
  target_include_directories(mtmc_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_link_libraries(mtmc_${name} PUBLIC ${ARG_DEPENDS} PRIVATE mtmc_warnings)
endfunction()

# mtmc_test(NAME SOURCES a_test.cpp ... DEPENDS mtmc::op ...) makes the executable test-NAME and
# registers it with CTest as NAME. An executable without a test case fails: Catch2 is told so.
function(mtmc_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(test-${name} ${ARG_SOURCES})
  target_include_directories(test-${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(test-${name} PRIVATE MTMC_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                                  MTMC_TOOL="${CMAKE_BINARY_DIR}/bin/mtmc")
  # Assertion macros are slow to optimise and not what is under test.
  target_compile_options(test-${name} PRIVATE $<$<CONFIG:Release>:-O0>)
  target_link_libraries(test-${name} PRIVATE ${ARG_DEPENDS} mtmc_test_main mtmc_warnings)
  add_test(NAME ${name} COMMAND test-${name} --warn NoTests)
endfunction()
