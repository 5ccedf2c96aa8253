// NVIDIA does not document its ELF attributes. What is used here was found by compiling kernels for
// sm_75 to sm_121 and agrees with -v on all of them:
//   .text.<kernel>      one section per function; only those with a .nv.info.<kernel> are kernels
//   .nv.info            records over symbols: 0x2f registers, 0x11 frame size, 0x12 least stack
//   .nv.info.<kernel>   0x05 max threads (x, y, z), 0x4c barriers
//   .nv.shared.<kernel> its size; from sm_90 on with 1,024 bytes that the system reserves
// A record is {format, attribute, 16-bit value or size}; format 4 is followed by `size` bytes.
// Before attribute 0x4c barriers were bits 20 to 26 of the text section's flags.

#include "compiler/cubin.hpp"

#include <elf.h>

#include <charconv>
#include <cstring>
#include <map>
#include <optional>

namespace mtmc::compiler {
namespace {

constexpr int kRegisters = 0x2f;
constexpr int kFrameSize = 0x11;
constexpr int kMaxThreads = 0x05;
constexpr int kBarriers = 0x4c;
constexpr std::int64_t kReservedShared = 1024;
constexpr int kFirstReservingSm = 90;

class Elf {
 public:
  static std::optional<Elf> open(std::string_view bytes) {
    Elf elf(bytes);
    const auto header = elf.read<Elf64_Ehdr>(0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64) {
      return std::nullopt;
    }
    elf.header_ = *header;
    for (unsigned i = 0; i < header->e_shnum; ++i) {
      const auto section = elf.read<Elf64_Shdr>(header->e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) return std::nullopt;
      elf.sections_.push_back(*section);
    }
    return header->e_shstrndx < elf.sections_.size() ? std::optional(elf) : std::nullopt;
  }

  const std::vector<Elf64_Shdr>& sections() const { return sections_; }
  std::string name(const Elf64_Shdr& section) const {
    return text(sections_[header_.e_shstrndx], section.sh_name);
  }
  std::string_view data(const Elf64_Shdr& section) const {
    if (section.sh_type == SHT_NOBITS || section.sh_offset > bytes_.size() ||
        section.sh_size > bytes_.size() - section.sh_offset) {
      return {};
    }
    return bytes_.substr(section.sh_offset, section.sh_size);
  }
  std::string symbol_name(std::uint32_t index) const {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections_.size()) continue;
      Elf64_Sym symbol;
      const std::string_view table = data(section);
      if (index >= table.size() / sizeof symbol) return {};
      std::memcpy(&symbol, table.data() + index * sizeof symbol, sizeof symbol);
      return text(sections_[section.sh_link], symbol.st_name);
    }
    return {};
  }
  // The SM number sits in bits 8 to 15 of the flags from ABI version 8 on, before that in 0 to 7.
  int sm() const {
    const int shift = header_.e_ident[EI_ABIVERSION] >= 8 ? 8 : 0;
    return static_cast<int>((header_.e_flags >> shift) & 0xff);
  }

 private:
  explicit Elf(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  std::optional<T> read(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(const Elf64_Shdr& table, std::uint64_t offset) const {
    const std::string_view all = data(table);
    if (offset >= all.size()) return {};
    const auto end = all.find('\0', offset);
    return std::string(all.substr(offset, end == std::string_view::npos ? end : end - offset));
  }

  std::string_view bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
};

struct Attribute {
  int format;
  int number;
  std::uint32_t value;       // of formats without data
  std::string_view payload;  // of format 4
  std::uint32_t word(std::size_t index) const {
    std::uint32_t word = 0;
    if (payload.size() >= 4 * (index + 1)) std::memcpy(&word, payload.data() + 4 * index, 4);
    return word;
  }
};

std::vector<Attribute> attributes(std::string_view data) {
  std::vector<Attribute> found;
  while (data.size() >= 4) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(data[i]); };
    Attribute attribute{byte(0), byte(1), byte(2) | static_cast<std::uint32_t>(byte(3)) << 8, {}};
    data.remove_prefix(4);
    if (attribute.format == 4) {
      if (attribute.value > data.size()) break;
      attribute.payload = data.substr(0, attribute.value);
      data.remove_prefix(attribute.value);
    }
    found.push_back(attribute);
  }
  return found;
}

bool take_prefix(std::string& text, std::string_view prefix) {
  if (text.rfind(prefix, 0) != 0) return false;
  text.erase(0, prefix.size());
  return true;
}

using Kernels = std::map<std::string, KernelFacts>;

void read_kernel_attributes(std::string_view data, KernelFacts& kernel) {
  for (const Attribute& attribute : attributes(data)) {
    if (attribute.number == kMaxThreads && attribute.payload.size() >= 12) {
      const std::uint64_t threads = std::uint64_t{attribute.word(0)} * attribute.word(1);
      kernel.max_threads = static_cast<int>(threads * attribute.word(2));
    }
    if (attribute.number == kBarriers && attribute.format != 4)
      kernel.barriers = static_cast<int>(attribute.value & 0xff);
  }
}

void read_symbol_attributes(const Elf& elf, std::string_view data, Kernels& kernels) {
  for (const Attribute& attribute : attributes(data)) {
    if (attribute.payload.size() < 8) continue;
    const auto kernel = kernels.find(elf.symbol_name(attribute.word(0)));
    if (kernel == kernels.end()) continue;
    if (attribute.number == kRegisters)
      kernel->second.registers = static_cast<int>(attribute.word(1));
    if (attribute.number == kFrameSize) kernel->second.stack_bytes = attribute.word(1);
  }
}

// The number that stands before `mark`: number_before("Used 10 registers,", " registers") is 10.
std::optional<std::int64_t> number_before(std::string_view line, std::string_view mark) {
  const auto end = line.find(mark);
  if (end == std::string_view::npos) return std::nullopt;
  auto begin = end;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(line.data() + begin, line.data() + end, number);
  return parsed.ec == std::errc() ? std::optional(number) : std::nullopt;
}

std::string between_quotes(std::string_view line) {
  const auto begin = line.find('\'');
  if (begin == std::string_view::npos) return {};
  const auto end = line.find('\'', begin + 1);
  return std::string(line.substr(begin + 1, end == std::string_view::npos ? end : end - begin - 1));
}

}  // namespace

Result<std::vector<KernelFacts>> facts_from_cubin(std::string_view cubin) {
  const auto elf = Elf::open(cubin);
  if (!elf) return bad_input("the machine code is not a 64-bit ELF file");
  Kernels kernels;
  for (const Elf64_Shdr& section : elf->sections()) {
    std::string name = elf->name(section);
    if (take_prefix(name, ".nv.info.")) kernels[name].name = name;
  }
  for (const Elf64_Shdr& section : elf->sections()) {
    std::string name = elf->name(section);
    if (!take_prefix(name, ".text.")) continue;
    const auto kernel = kernels.find(name);
    if (kernel == kernels.end()) continue;
    kernel->second.code_bytes = static_cast<std::int64_t>(section.sh_size);
    kernel->second.barriers = static_cast<int>((section.sh_flags >> 20) & 0x7f);
  }
  for (const Elf64_Shdr& section : elf->sections()) {
    std::string name = elf->name(section);
    if (name == ".nv.info") {
      read_symbol_attributes(*elf, elf->data(section), kernels);
    } else if (take_prefix(name, ".nv.info.")) {
      read_kernel_attributes(elf->data(section), kernels[name]);
    } else if (take_prefix(name, ".nv.shared.")) {
      const auto kernel = kernels.find(name);
      if (kernel == kernels.end()) continue;
      const std::int64_t reserved = elf->sm() >= kFirstReservingSm ? kReservedShared : 0;
      const auto size = static_cast<std::int64_t>(section.sh_size);
      kernel->second.static_shared_bytes = std::max<std::int64_t>(0, size - reserved);
    }
  }
  std::vector<KernelFacts> facts;
  for (auto& [name, kernel] : kernels)
    if (kernel.code_bytes > 0) facts.push_back(std::move(kernel));
  return facts;
}

// Source: ptxas as NVRTC calls it. A stack line belongs to the function named last (which may be a
// device function), a "Used" line to the kernel named last.
std::vector<KernelFacts> facts_from_log(std::string_view log) {
  constexpr std::string_view kProperties = "Function properties for ";
  Kernels kernels;
  KernelFacts* kernel = nullptr;
  std::string function;
  while (!log.empty()) {
    const auto end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (line.rfind("ptxas", 0) != 0) continue;
    if (line.find("Compiling entry function '") != std::string_view::npos) {
      const std::string name = between_quotes(line);
      kernel = &kernels[name];
      kernel->name = name;
    } else if (const auto at = line.find(kProperties); at != std::string_view::npos) {
      function = line.substr(at + kProperties.size());
    } else if (line.find(" bytes stack frame") != std::string_view::npos) {
      if (kernel == nullptr || kernel->name != function) continue;
      kernel->stack_bytes = number_before(line, " bytes stack frame").value_or(0);
      kernel->spill_store_bytes = number_before(line, " bytes spill stores").value_or(0);
      kernel->spill_load_bytes = number_before(line, " bytes spill loads").value_or(0);
    } else if (const auto registers = number_before(line, " registers"); registers && kernel) {
      kernel->registers = static_cast<int>(*registers);
      kernel->barriers = static_cast<int>(number_before(line, " barriers").value_or(0));
      kernel->static_shared_bytes = number_before(line, " bytes smem").value_or(0);
    }
  }
  std::vector<KernelFacts> facts;
  for (auto& [name, found] : kernels) facts.push_back(std::move(found));
  return facts;
}

void merge_log_facts(std::vector<KernelFacts>& kernels, const std::vector<KernelFacts>& from_log,
                     std::string& remarks) {
  for (KernelFacts& kernel : kernels) {
    const KernelFacts* said = nullptr;
    for (const KernelFacts& candidate : from_log)
      if (candidate.name == kernel.name) said = &candidate;
    if (said == nullptr) {
      remarks += "mtmc: the log does not speak of kernel " + kernel.name + "\n";
      continue;
    }
    kernel.spill_store_bytes = said->spill_store_bytes;
    kernel.spill_load_bytes = said->spill_load_bytes;
    const auto compare = [&](const char* what, std::int64_t code, std::int64_t log) {
      if (code == log) return;
      remarks += "mtmc: " + std::string(what) + " of kernel " + kernel.name + ": " +
                 std::to_string(code) + " in the machine code, " + std::to_string(log) +
                 " in the log\n";
    };
    compare("registers", kernel.registers, said->registers);
    compare("stack bytes", kernel.stack_bytes, said->stack_bytes);
    compare("static shared bytes", kernel.static_shared_bytes, said->static_shared_bytes);
    compare("barriers", kernel.barriers, said->barriers);
  }
}

}  // namespace mtmc::compiler
