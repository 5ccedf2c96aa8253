// Frames over file descriptors; base64 by OpenSSL's EVP block functions.

#include "base/frame.hpp"

#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

namespace mtmc {
namespace {

constexpr std::size_t kHeaderBytes = 4;

std::uint32_t read_length(std::string_view header) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < kHeaderBytes; ++i)
    length |= static_cast<std::uint32_t>(static_cast<unsigned char>(header[i])) << (8 * i);
  return length;
}

tl::unexpected<Error> too_long(std::size_t bytes) {
  return bad_input("frame of " + std::to_string(bytes) + " bytes is longer than " +
                   std::to_string(kMaxFrameBytes));
}

// Reads until `size` bytes or end of file; -1 on error.
ssize_t read_fully(int fd, char* out, std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = read(fd, out + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(have);
}

}  // namespace

std::string frame_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::string> encode_frame(std::string_view text) {
  if (text.size() > kMaxFrameBytes) return too_long(text.size());
  std::string frame;
  frame.reserve(kHeaderBytes + text.size());
  for (std::size_t i = 0; i < kHeaderBytes; ++i)
    frame += static_cast<char>((text.size() >> (8 * i)) & 0xff);
  frame += text;
  return frame;
}

Result<std::optional<std::string>> FrameReader::next() {
  if (buffer_.size() < kHeaderBytes) return std::nullopt;
  const std::size_t length = read_length(buffer_);
  if (length > kMaxFrameBytes) return too_long(length);
  if (buffer_.size() < kHeaderBytes + length) return std::nullopt;
  std::string text = buffer_.substr(kHeaderBytes, length);
  buffer_.erase(0, kHeaderBytes + length);
  return text;
}

Result<std::optional<std::string>> read_frame(int fd) {
  char header[kHeaderBytes];
  const ssize_t got = read_fully(fd, header, sizeof header);
  if (got == 0) return std::nullopt;
  if (got != static_cast<ssize_t>(sizeof header))
    return bad_input("the stream ended in a frame header");
  const std::size_t length = read_length({header, sizeof header});
  if (length > kMaxFrameBytes) return too_long(length);
  std::string text(length, '\0');
  if (read_fully(fd, text.data(), length) != static_cast<ssize_t>(length))
    return bad_input("the stream ended in a frame of " + std::to_string(length) + " bytes");
  return text;
}

Result<void> write_frame(int fd, std::string_view text) {
  const auto frame = encode_frame(text);
  if (!frame) return tl::unexpected(frame.error());
  std::string_view rest = *frame;
  while (!rest.empty()) {
    const ssize_t put = write(fd, rest.data(), rest.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return unavailable(std::string("cannot write a frame: ") + strerror(errno));
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

std::string to_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP adds a NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  if (text.empty()) return std::string();
  if (text.size() % 4 != 0 || text.size() > kMaxFrameBytes)
    return bad_input("base64 of odd length");
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return bad_input("not base64");
  std::size_t padding = 0;  // EVP counts padding as zero bytes
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  bytes.resize(static_cast<std::size_t>(length) - padding);
  if (to_base64(bytes) != text) return bad_input("not canonical base64");
  return bytes;
}

}  // namespace mtmc
