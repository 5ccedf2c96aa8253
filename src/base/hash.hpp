// Identity by content: SHA-256 (OpenSSL), as 64 lower-case hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace mtmc {

std::string sha256(std::string_view bytes);

}  // namespace mtmc
