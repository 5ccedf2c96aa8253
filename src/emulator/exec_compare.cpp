// setp, testp and predicate logic. A predicate is one mask for the warp, so its logic costs
// nothing; selp and slct are in decode's hands because they mix predicates with values.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using n::Compare;

template <Compare C, class T, class Widen>
void one(InstructionTable& t, const std::string& op, const std::string& type, Widen) {
  t.add("setp." + op + "." + type,
        predicate_entry<T, T>([](T a, T b) { return n::compare<C>(Widen{}(a), Widen{}(b)); }));
}

template <class T, class Widen>
void ordered(InstructionTable& t, const std::string& type, Widen w) {
  one<Compare::eq, T>(t, "eq", type, w);
  one<Compare::ne, T>(t, "ne", type, w);
  one<Compare::lt, T>(t, "lt", type, w);
  one<Compare::le, T>(t, "le", type, w);
  one<Compare::gt, T>(t, "gt", type, w);
  one<Compare::ge, T>(t, "ge", type, w);
}

template <class T, class Widen>
void unordered(InstructionTable& t, const std::string& type, Widen w) {
  ordered<T>(t, type, w);
  one<Compare::equ, T>(t, "equ", type, w);
  one<Compare::neu, T>(t, "neu", type, w);
  one<Compare::ltu, T>(t, "ltu", type, w);
  one<Compare::leu, T>(t, "leu", type, w);
  one<Compare::gtu, T>(t, "gtu", type, w);
  one<Compare::geu, T>(t, "geu", type, w);
  one<Compare::num, T>(t, "num", type, w);
  one<Compare::nan, T>(t, "nan", type, w);
}

template <class T>
void integers(InstructionTable& t, const std::string& type) {
  const auto same = [](T a) { return a; };
  ordered<T>(t, type, same);
  if constexpr (std::is_unsigned_v<T>) {
    one<Compare::lt, T>(t, "lo", type, same);
    one<Compare::le, T>(t, "ls", type, same);
    one<Compare::gt, T>(t, "hi", type, same);
    one<Compare::ge, T>(t, "hs", type, same);
  }
}

template <class T>
void equality(InstructionTable& t, const std::string& type) {
  const auto same = [](T a) { return a; };
  one<Compare::eq, T>(t, "eq", type, same);
  one<Compare::ne, T>(t, "ne", type, same);
}

template <class T>
void tests(InstructionTable& t, const std::string& type) {
  t.add("testp.finite." + type, predicate_entry<T, T>([](T a, T) { return n::is_finite(a); }));
  t.add("testp.infinite." + type, predicate_entry<T, T>([](T a, T) { return n::is_infinite(a); }));
  t.add("testp.number." + type, predicate_entry<T, T>([](T a, T) { return n::is_number(a); }));
  t.add("testp.notanumber." + type,
        predicate_entry<T, T>([](T a, T) { return n::is_not_a_number(a); }));
  t.add("testp.normal." + type, predicate_entry<T, T>([](T a, T) { return n::is_normal(a); }));
  t.add("testp.subnormal." + type,
        predicate_entry<T, T>([](T a, T) { return n::is_subnormal(a); }));
}

}  // namespace

void add_compare_instructions(InstructionTable& t) {
  integers<int16_t>(t, "s16");
  integers<uint16_t>(t, "u16");
  equality<uint16_t>(t, "b16");
  integers<int32_t>(t, "s32");
  integers<uint32_t>(t, "u32");
  equality<uint32_t>(t, "b32");
  integers<int64_t>(t, "s64");
  integers<uint64_t>(t, "u64");
  equality<uint64_t>(t, "b64");
  unordered<float>(t, "f32", [](float a) { return a; });
  unordered<float>(t, "ftz.f32", [](float a) { return n::flush(a); });
  unordered<double>(t, "f64", [](double a) { return a; });
  unordered<uint16_t>(t, "f16", [](uint16_t a) { return n::f16_to_f32(a); });
  unordered<uint16_t>(t, "ftz.f16", [](uint16_t a) { return n::f16_to_f32(n::flush_f16(a)); });
  unordered<uint16_t>(t, "bf16", [](uint16_t a) { return n::bf16_to_f32(a); });
  tests<float>(t, "f32");
  tests<double>(t, "f64");
}

}  // namespace mtmc::emulator
