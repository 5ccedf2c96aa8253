// The table of opcode_test.cpp: instruction forms with an independent scalar model of each.
//
// A form is PTX text over the registers %a, %b, %c (operands) and %d (result), and a function of
// the operands' bits. Registers take their types from the model's: an integer or half is .bN, float
// and double are .f32 and .f64, a bool result is a predicate. Bodies may also use %sa (a 32-bit
// shared address with 16 bytes of this thread's own), %ga (the same, generic) and %la (local).
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mtmc::emulator::forms {

struct Form {
  std::string text;
  std::vector<std::string> operands;  // register types of %a, %b, %c
  std::string result;                 // register type of %d
  std::function<std::uint64_t(const std::uint64_t*)> model;
  double ulps = 0.0;  // > 0: an f32 result may differ by this much
};

template <class T>
T from_bits(std::uint64_t bits) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<double>(bits);
  } else {
    return static_cast<T>(bits);
  }
}

template <class T>
std::uint64_t to_bits(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return value != value ? 0x7fffffffu : std::bit_cast<std::uint32_t>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(value);
  } else {
    return static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
  }
}
template <>
inline std::uint64_t to_bits<bool>(bool value) {
  return value ? 1 : 0;
}

template <class T>
std::string register_type() {
  if constexpr (std::is_same_v<T, bool>) return "pred";
  if constexpr (std::is_same_v<T, float>) return "f32";
  if constexpr (std::is_same_v<T, double>) return "f64";
  return "b" + std::to_string(sizeof(T) * 8);
}

template <class D, class A, class F>
Form form1(std::string text, F f, double ulps = 0.0) {
  return {std::move(text),
          {register_type<A>()},
          register_type<D>(),
          [f](const std::uint64_t* x) { return to_bits<D>(static_cast<D>(f(from_bits<A>(x[0])))); },
          ulps};
}
template <class D, class A, class B, class F>
Form form2(std::string text, F f, double ulps = 0.0) {
  return {std::move(text),
          {register_type<A>(), register_type<B>()},
          register_type<D>(),
          [f](const std::uint64_t* x) {
            return to_bits<D>(static_cast<D>(f(from_bits<A>(x[0]), from_bits<B>(x[1]))));
          },
          ulps};
}
template <class D, class A, class B, class C, class F>
Form form3(std::string text, F f, double ulps = 0.0) {
  return {std::move(text),
          {register_type<A>(), register_type<B>(), register_type<C>()},
          register_type<D>(),
          [f](const std::uint64_t* x) {
            return to_bits<D>(
                static_cast<D>(f(from_bits<A>(x[0]), from_bits<B>(x[1]), from_bits<C>(x[2]))));
          },
          ulps};
}

std::vector<Form> integer_forms();
std::vector<Form> float_forms();
std::vector<Form> conversion_forms();
std::vector<Form> memory_forms();

}  // namespace mtmc::emulator::forms
