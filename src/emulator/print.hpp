// Internal: what kernels print. Each host thread keeps its blocks' texts; merged in the order of
// blocks they are the same for any number of threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mtmc::emulator {

// As large as the device's buffer of printf by default.
inline constexpr size_t printed_limit_bytes = size_t{1} << 20;

class PrintLog {
 public:
  struct Record {
    uint64_t block;
    std::string text;
  };

  // False once a text did not fit: from then on texts are only counted, by drop().
  bool is_open() const { return open_; }
  void add(uint64_t block, std::string text);
  void drop() { ++dropped_; }

  // The texts of all logs in the order of blocks, up to the limit; the number of texts left out.
  static std::string merge(const std::vector<const PrintLog*>& logs, uint64_t& dropped);

 private:
  std::vector<Record> records_;
  size_t bytes_ = 0;
  uint64_t dropped_ = 0;
  bool open_ = true;
};

}  // namespace mtmc::emulator
