// Framed messages between a parent and its worker: a 4-byte little-endian length, then that many
// bytes of JSON text. Binary values travel as base64 strings inside.
//
// Protocol (version kProtocolVersion): the child speaks first, {"protocol": N, "role": "...",
// "facts": {...}} or, when it cannot serve, {"protocol": N, "role": "...", "unavailable": "why"}.
// Then each request frame is answered by one frame, {"answer": ...} or {"error": "..."}. End of
// file ends the child.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace mtmc {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxFrameBytes = std::size_t{256} << 20;

// A value as the text of a frame; what is not UTF-8 in it becomes U+FFFD.
std::string frame_text(const nlohmann::json& value);

// Errors: bad_input when the text is longer than kMaxFrameBytes.
Result<std::string> encode_frame(std::string_view text);

// Cuts a byte stream into frames.
class FrameReader {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame; nullopt when more bytes are needed.
  // Errors: bad_input when a length is above kMaxFrameBytes: the stream is not one of frames.
  Result<std::optional<std::string>> next();
  bool empty() const { return buffer_.empty(); }

 private:
  std::string buffer_;
};

// Blocking forms for the child. read_frame answers nullopt at a clean end of file.
Result<std::optional<std::string>> read_frame(int fd);
Result<void> write_frame(int fd, std::string_view text);

std::string to_base64(std::string_view bytes);
// Errors: bad_input when the text is not canonical base64.
Result<std::string> from_base64(std::string_view text);

}  // namespace mtmc
