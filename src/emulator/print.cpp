// printf and assert. A call of printf arrives as vprintf(format, arguments): two generic addresses;
// the arguments lie one after the other, each aligned to its size (CUDA C++ Programming Guide,
// "Formatted Output"). Widths and precisions are kept small, so that no text outgrows its record.
#include "emulator/print.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "emulator/executor.hpp"
#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

constexpr size_t max_string = 4096;       // characters of a format or of one %s
constexpr size_t max_record = 64 * 1024;  // characters of one printf
constexpr int max_width = 1024;
constexpr size_t record_bytes = 16;  // what a record costs beside its text: empty ones do, too

// One thread's view of memory through generic addresses.
class LaneMemory {
 public:
  LaneMemory(const Op& op, Warp& warp, int lane) : op_(op), warp_(warp), lane_(lane) {}

  // Bytes that can be read at an address; nullptr when there are none.
  const char* at(uint64_t address, uint64_t& bytes) const {
    const auto window = [&](uint64_t base, const char* memory, uint64_t size) -> const char* {
      const uint64_t offset = address - base;
      if (offset >= size) return nullptr;
      bytes = size - offset;
      return memory + offset;
    };
    if (address - shared_window < window_bytes) {
      return window(shared_window, warp_.shared, warp_.shared_bytes);
    }
    if (address - local_window < window_bytes) {
      return window(local_window, warp_.local + static_cast<size_t>(lane_) * warp_.local_bytes,
                    warp_.local_bytes);
    }
    const Allocation* found = warp_.executor->memory().find(address);
    if (found == nullptr) return nullptr;
    return window(found->address, found->host, found->bytes);
  }

  std::string string(uint64_t address, const char* what) const {
    uint64_t bytes = 0;
    const char* text = at(address, bytes);
    if (text == nullptr) fail(address, what, "is not in any memory");
    const size_t limit = std::min<uint64_t>(bytes, max_string);
    const size_t length = strnlen(text, limit);
    if (length == limit && limit == bytes) fail(address, what, "has no end in its memory");
    return std::string(text, length);
  }

  void read(uint64_t address, char* to, size_t size, const char* what) const {
    uint64_t bytes = 0;
    const char* from = at(address, bytes);
    if (from == nullptr || bytes < size) fail(address, what, "is not in any memory");
    std::memcpy(to, from, size);
  }

  [[noreturn]] void fail(uint64_t address, const char* what, const char* why) const {
    raise(FaultKind::out_of_bounds, op_, static_cast<int>(warp_.index * lanes) + lane_, address,
          fmt::format("{} at 0x{:x} {}", what, address, why));
  }

 private:
  const Op& op_;
  Warp& warp_;
  int lane_;
};

bool is_flag(char c) { return c == '-' || c == '+' || c == ' ' || c == '#' || c == '0'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// One conversion of a format: "%[flags][width][.precision][size]type".
struct Conversion {
  std::string flags;
  int width = -1, precision = -1;
  bool star_width = false, star_precision = false;
  bool wide = false;  // l, ll, j, z, t: 64 bits
  char type = 0;
  size_t length = 0;  // characters of the format
};

bool parse_conversion(std::string_view text, Conversion& out) {
  size_t i = 1;
  const auto peek = [&] { return i < text.size() ? text[i] : '\0'; };
  const auto number = [&] {
    int value = 0;
    for (; is_digit(peek()); ++i) value = std::min(value * 10 + (peek() - '0'), max_width);
    return value;
  };
  while (is_flag(peek())) out.flags += text[i++];
  if (peek() == '*') {
    out.star_width = true;
    ++i;
  } else if (is_digit(peek())) {
    out.width = number();
  }
  if (peek() == '.') {
    ++i;
    if (peek() == '*') {
      out.star_precision = true;
      ++i;
    } else {
      out.precision = number();
    }
  }
  for (; peek() == 'h' || peek() == 'l' || peek() == 'j' || peek() == 'z' || peek() == 't'; ++i) {
    out.wide = out.wide || peek() != 'h';
  }
  out.type = peek();
  if (out.type == 0 || std::strchr("diouxXcspfFeEgGaA%", out.type) == nullptr) return false;
  out.length = i + 1;
  out.flags = out.flags.substr(0, 8);
  return true;
}

template <class... Value>
void print(std::string& out, const Conversion& c, const char* size, Value... value) {
  std::string spec = "%" + c.flags;
  if (c.width >= 0) spec += std::to_string(c.width);
  if (c.precision >= 0) spec += "." + std::to_string(c.precision);
  spec += size;
  spec += c.type;
  char small[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  const int length = std::snprintf(small, sizeof(small), spec.c_str(), value...);
  if (length >= static_cast<int>(sizeof(small))) {
    std::string large(static_cast<size_t>(length) + 1, '\0');
    std::snprintf(large.data(), large.size(), spec.c_str(), value...);
    large.pop_back();
    out += large;
  } else if (length > 0) {
    out.append(small, static_cast<size_t>(length));
  }
#pragma GCC diagnostic pop
}

std::string printed_text(const LaneMemory& memory, const std::string& format, uint64_t arguments,
                         int& count) {
  uint64_t next = 0;
  const auto take = [&](size_t bytes) {
    next = (next + bytes - 1) / bytes * bytes;
    uint64_t value = 0;
    memory.read(arguments + next, reinterpret_cast<char*>(&value), bytes, "an argument of printf");
    next += bytes;
    ++count;
    return value;
  };
  const auto star = [&](bool given, int& field) {
    if (!given) return;
    const auto value = static_cast<int32_t>(take(4));
    field = std::clamp(value, -1, max_width);
  };
  std::string out;
  for (size_t i = 0; i < format.size() && out.size() < max_record;) {
    Conversion c;
    if (format[i] != '%' || !parse_conversion(std::string_view(format).substr(i), c)) {
      out += format[i++];
      continue;
    }
    i += c.length;
    star(c.star_width, c.width);
    star(c.star_precision, c.precision);
    switch (c.type) {
      case '%':
        out += '%';
        break;
      case 'd':
      case 'i':
        if (c.wide) {
          print(out, c, "ll", static_cast<long long>(take(8)));
        } else {
          print(out, c, "", static_cast<int>(take(4)));
        }
        break;
      case 'o':
      case 'u':
      case 'x':
      case 'X':
        if (c.wide) {
          print(out, c, "ll", static_cast<unsigned long long>(take(8)));
        } else {
          print(out, c, "", static_cast<unsigned>(take(4)));
        }
        break;
      case 'c':
        print(out, c, "", static_cast<int>(take(4)));
        break;
      case 'p':
        c.type = 'x';
        c.flags = "#";
        print(out, c, "ll", static_cast<unsigned long long>(take(8)));
        break;
      case 's': {
        const uint64_t address = take(8);
        print(out, c, "",
              address == 0 ? "(null)" : memory.string(address, "a string of printf").c_str());
        break;
      }
      default: {
        const uint64_t bits = take(8);
        double value = 0;
        std::memcpy(&value, &bits, 8);
        print(out, c, "", value);
      }
    }
  }
  if (out.size() > max_record) out.resize(max_record);
  return out;
}

// A pointer or number that the call's frame holds at one of the op's places.
template <class T>
T passed(const Op& op, Warp& warp, int lane, size_t index) {
  const uint64_t frame = reinterpret_cast<const uint64_t*>(warp.registers + op.a)[lane];
  const auto place = static_cast<uint64_t>(warp.list(op)[index]);
  T value;
  std::memcpy(&value, warp.local + static_cast<size_t>(lane) * warp.local_bytes + frame + place,
              sizeof(T));
  return value;
}

void printf_op(const Op& op, Warp& warp) {
  PrintLog& log = warp.executor->printed();
  const std::vector<int32_t>& places = warp.list(op);
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    int32_t count = 0;
    if (!log.is_open()) {
      log.drop();
    } else {
      const LaneMemory memory(op, warp, l);
      const uint64_t format = passed<uint64_t>(op, warp, l, 0);
      log.add(warp.place->linear,
              printed_text(memory, memory.string(format, "the format of printf"),
                           passed<uint64_t>(op, warp, l, 1), count));
    }
    if (places.size() > 2) {
      const uint64_t frame = reinterpret_cast<const uint64_t*>(warp.registers + op.a)[l];
      std::memcpy(warp.local + static_cast<size_t>(l) * warp.local_bytes + frame +
                      static_cast<uint64_t>(places[2]),
                  &count, sizeof(count));
    }
  }
}

// __assertfail(message, file, line, function, size of a character)
void assert_op(const Op& op, Warp& warp) {
  const int l = __builtin_ctz(warp.mask);
  const LaneMemory memory(op, warp, l);
  const auto text = [&](size_t index) {
    return memory.string(passed<uint64_t>(op, warp, l, index), "a text of assert");
  };
  raise(FaultKind::assertion_failed, op, static_cast<int>(warp.index * lanes) + l, 0,
        fmt::format("`{}` in {}:{}, {}", text(0), text(1), passed<uint32_t>(op, warp, l, 2),
                    text(3)));
}

}  // namespace

void PrintLog::add(uint64_t block, std::string text) {
  const size_t cost = text.size() + record_bytes;
  if (bytes_ + cost > printed_limit_bytes) {
    open_ = false;
    return drop();
  }
  bytes_ += cost;
  records_.push_back({block, std::move(text)});
}

std::string PrintLog::merge(const std::vector<const PrintLog*>& logs, uint64_t& dropped) {
  std::vector<const Record*> records;
  dropped = 0;
  for (const PrintLog* log : logs) {
    dropped += log->dropped_;
    for (const Record& record : log->records_) records.push_back(&record);
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const Record* a, const Record* b) { return a->block < b->block; });
  std::string out;
  size_t kept = 0;
  size_t bytes = 0;
  for (; kept < records.size(); ++kept) {
    bytes += records[kept]->text.size() + record_bytes;
    if (bytes > printed_limit_bytes) break;
    out += records[kept]->text;
  }
  dropped += records.size() - kept;
  return out;
}

std::array<Handler, 2> printf_handler() { return {printf_op, printf_op}; }
std::array<Handler, 2> assert_handler() { return {assert_op, assert_op}; }

}  // namespace mtmc::emulator
