// ELF64, little endian. The image comes from the compiler, so offsets are trusted.
#include <elf.h>

#include <algorithm>
#include <cstring>

#include "device/fake_driver/gpu.hpp"

namespace mtmc::fake {

std::string ptx_of_cubin(const void* image, std::size_t& size, int& sm) {
  const auto* bytes = static_cast<const char*>(image);
  size = 0;
  sm = 0;
  if (std::memcmp(bytes, ELFMAG, SELFMAG) != 0) return {};
  Elf64_Ehdr header;
  std::memcpy(&header, bytes, sizeof header);
  sm = static_cast<int>(header.e_flags >> 8 & 0xff);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), bytes + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  size = std::max<std::size_t>(header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize,
                               header.e_phoff + std::size_t{header.e_phnum} * header.e_phentsize);
  std::string text;
  const char* names = bytes + sections[header.e_shstrndx].sh_offset;
  for (const auto& s : sections) {
    if (s.sh_type != SHT_NOBITS) size = std::max<std::size_t>(size, s.sh_offset + s.sh_size);
    if (std::string(names + s.sh_name) == ".nv_debug_ptx_txt")
      text.assign(bytes + s.sh_offset, s.sh_size);
  }
  std::replace(text.begin(), text.end(), '\0', '\n');
  return text;
}

}  // namespace mtmc::fake
