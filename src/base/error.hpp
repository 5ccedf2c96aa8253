// Operational failures as values.
//
// Three channels, never mixed: outcomes of experiments are enum values (harness/verdict.hpp);
// operational failures (input, I/O, HTTP, SQLite, missing parts) are Result<T>; broken invariants
// are CHECKs (base/check.hpp). Exceptions cross no module border.
//
// Messages are one line, lower case, without a final full stop; they say actual against expected
// and what to do next.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace mtmc {

// The code decides the exit status of the tool.
enum class ErrorCode {
  bad_input,    // what the user said cannot be used              -> exit 2
  unavailable,  // something the run needs is not there           -> exit 3
  internal,     // our own mistake, reported rather than aborted  -> exit 4
};

struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;

  // The same failure seen from further out: "context: message".
  Error with(const std::string& context) const { return {code, context + ": " + message}; }
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> bad_input(std::string message) {
  return tl::unexpected<Error>(Error{ErrorCode::bad_input, std::move(message)});
}
inline tl::unexpected<Error> unavailable(std::string message) {
  return tl::unexpected<Error>(Error{ErrorCode::unavailable, std::move(message)});
}
inline tl::unexpected<Error> internal_error(std::string message) {
  return tl::unexpected<Error>(Error{ErrorCode::internal, std::move(message)});
}

}  // namespace mtmc
