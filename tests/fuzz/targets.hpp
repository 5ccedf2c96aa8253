// What the fuzz targets do with one input, shared with the default test suite, which feeds it the
// committed corpus. Any text must give a value, an error or a fault, quickly: no crash, no
// undefined behaviour, no memory beyond a small multiple of the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace mtmc::emulator {

void fuzz_parse(std::string_view text);   // parse_module and survey
void fuzz_decode(std::string_view text);  // decode of every kernel
// One block of every kernel, with a small budget and bounds checked, on arguments that point to
// buffers.
void fuzz_run(std::string_view text);

}  // namespace mtmc::emulator
