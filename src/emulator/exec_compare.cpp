// setp, set, testp and predicate logic. A predicate is one mask for the warp, so its logic costs
// nothing; selp and slct are in decode's hands because they mix predicates with values.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using n::Compare;

template <Compare C, class T, class Widen>
void one(InstructionTable& t, InstructionClass kind, const std::string& op, const std::string& type,
         Widen) {
  t.add("setp." + op + "." + type, predicate_entry<T, T>(kind, [](T a, T b) {
          return n::compare<C>(Widen{}(a), Widen{}(b));
        }));
  t.add("set." + op + ".u32." + type, entry<uint32_t, T, T>(kind, [](T a, T b) {
          return n::compare<C>(Widen{}(a), Widen{}(b)) ? ~uint32_t{0} : uint32_t{0};
        }));
  t.add("set." + op + ".s32." + type, entry<uint32_t, T, T>(kind, [](T a, T b) {
          return n::compare<C>(Widen{}(a), Widen{}(b)) ? ~uint32_t{0} : uint32_t{0};
        }));
  t.add("set." + op + ".f32." + type, entry<float, T, T>(kind, [](T a, T b) {
          return n::compare<C>(Widen{}(a), Widen{}(b)) ? 1.0f : 0.0f;
        }));
}

template <class T, class Widen>
void ordered(InstructionTable& t, InstructionClass kind, const std::string& type, Widen w) {
  one<Compare::eq, T>(t, kind, "eq", type, w);
  one<Compare::ne, T>(t, kind, "ne", type, w);
  one<Compare::lt, T>(t, kind, "lt", type, w);
  one<Compare::le, T>(t, kind, "le", type, w);
  one<Compare::gt, T>(t, kind, "gt", type, w);
  one<Compare::ge, T>(t, kind, "ge", type, w);
}

template <class T, class Widen>
void unordered(InstructionTable& t, InstructionClass kind, const std::string& type, Widen w) {
  ordered<T>(t, kind, type, w);
  one<Compare::equ, T>(t, kind, "equ", type, w);
  one<Compare::neu, T>(t, kind, "neu", type, w);
  one<Compare::ltu, T>(t, kind, "ltu", type, w);
  one<Compare::leu, T>(t, kind, "leu", type, w);
  one<Compare::gtu, T>(t, kind, "gtu", type, w);
  one<Compare::geu, T>(t, kind, "geu", type, w);
  one<Compare::num, T>(t, kind, "num", type, w);
  one<Compare::nan, T>(t, kind, "nan", type, w);
}

template <class T>
void integers(InstructionTable& t, const std::string& type) {
  const auto same = [](T a) { return a; };
  ordered<T>(t, InstructionClass::integer, type, same);
  if constexpr (std::is_unsigned_v<T>) {
    one<Compare::lt, T>(t, InstructionClass::integer, "lo", type, same);
    one<Compare::le, T>(t, InstructionClass::integer, "ls", type, same);
    one<Compare::gt, T>(t, InstructionClass::integer, "hi", type, same);
    one<Compare::ge, T>(t, InstructionClass::integer, "hs", type, same);
  }
}

template <class T>
void tests(InstructionTable& t, InstructionClass kind, const std::string& type) {
  t.add("testp.finite." + type,
        predicate_entry<T, T>(kind, [](T a, T) { return n::is_finite(a); }));
  t.add("testp.infinite." + type,
        predicate_entry<T, T>(kind, [](T a, T) { return n::is_infinite(a); }));
  t.add("testp.number." + type,
        predicate_entry<T, T>(kind, [](T a, T) { return n::is_number(a); }));
  t.add("testp.notanumber." + type,
        predicate_entry<T, T>(kind, [](T a, T) { return n::is_not_a_number(a); }));
  t.add("testp.normal." + type,
        predicate_entry<T, T>(kind, [](T a, T) { return n::is_normal(a); }));
  t.add("testp.subnormal." + type,
        predicate_entry<T, T>(kind, [](T a, T) { return n::is_subnormal(a); }));
}

}  // namespace

void add_compare_instructions(InstructionTable& t) {
  integers<int16_t>(t, "s16");
  integers<uint16_t>(t, "u16");
  integers<uint16_t>(t, "b16");
  integers<int32_t>(t, "s32");
  integers<uint32_t>(t, "u32");
  integers<uint32_t>(t, "b32");
  integers<int64_t>(t, "s64");
  integers<uint64_t>(t, "u64");
  integers<uint64_t>(t, "b64");
  unordered<float>(t, InstructionClass::fp32, "f32", [](float a) { return a; });
  unordered<float>(t, InstructionClass::fp32, "ftz.f32", [](float a) { return n::flush(a); });
  unordered<double>(t, InstructionClass::fp64, "f64", [](double a) { return a; });
  unordered<uint16_t>(t, InstructionClass::fp16, "f16",
                      [](uint16_t a) { return n::f16_to_f32(a); });
  unordered<uint16_t>(t, InstructionClass::fp16, "bf16",
                      [](uint16_t a) { return n::bf16_to_f32(a); });
  tests<float>(t, InstructionClass::fp32, "f32");
  tests<double>(t, InstructionClass::fp64, "f64");
}

}  // namespace mtmc::emulator
