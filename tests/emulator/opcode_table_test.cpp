// Every row of the instruction table against the oracle: a row without a model is a failure, so a
// new instruction cannot come without one. Then what lowering builds from several rows.
#include <catch2/catch.hpp>

#include "emulator/code.hpp"
#include "emulator/fixture.hpp"
#include "emulator/oracle_bench.hpp"

using namespace mtmc::emulator;
using oracle::Bits;
using oracle::Form;
using oracle::Opcode;

namespace {

std::optional<Form> form_of(const std::string& key) {
  const Opcode op(key);
  for (const auto family : {oracle::helper_form, oracle::conversion_form, oracle::compare_form,
                            oracle::float_form, oracle::integer_form}) {
    auto form = family(op);
    if (!form) continue;
    const bool written = form->text.empty() || form->text == key;
    if (written) form->text = oracle::plain_text(key, form->types.size());
    return form;
  }
  return std::nullopt;
}

void hold(const std::vector<Form>& forms) {
  for (const std::string& line : oracle::differences(forms)) FAIL_CHECK(line);
}

// Does decode take this form?
bool is_supported(const Form& form) {
  std::string text =
      ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k()\n{\n.reg ." +
      form.result + " %d;\n";
  static const char* const names[] = {"%a", "%b", "%c", "%e"};
  for (size_t i = 0; i < form.types.size(); ++i) {
    text += ".reg ." + form.types[i] + " " + names[i] + ";\n";
  }
  const auto module = parse_module(text + form.text + "\nret;\n}\n");
  return module && decode(*module, "k");
}

const std::string float_order[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                   "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
const std::string integer_order[] = {"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"};

}  // namespace

TEST_CASE("every row of the instruction table has a model and equals it", "[opcode]") {
  const std::vector<std::string> opcodes = InstructionTable::get().opcodes();
  REQUIRE(opcodes.size() > 900);
  std::vector<Form> forms;
  for (const std::string& key : opcodes) {
    if (auto form = form_of(key)) {
      forms.push_back(std::move(*form));
    } else {
      FAIL_CHECK("no model of " << key);
    }
  }
  hold(forms);
}

TEST_CASE("every conversion that decode takes equals its model", "[opcode]") {
  const std::string types[] = {"u8",  "s8",  "u16", "s16",  "u32", "s32",
                               "u64", "s64", "f16", "bf16", "f32", "f64"};
  std::vector<Form> forms;
  for (const std::string& to : types) {
    for (const std::string& from : types) {
      for (const std::string r : {"", ".rn", ".rz", ".rm", ".rp", ".rni", ".rzi", ".rmi", ".rpi"}) {
        for (const std::string ftz : {"", ".ftz"}) {
          for (const std::string sat : {"", ".sat"}) {
            auto form =
                oracle::conversion_form(Opcode("cvt" + r + ftz + sat + "." + to + "." + from));
            if (form && is_supported(*form)) forms.push_back(std::move(*form));
          }
        }
      }
    }
  }
  REQUIRE(forms.size() > 860);
  hold(forms);
}

TEST_CASE("set gives one or all ones where setp holds", "[opcode]") {
  std::vector<Form> forms;
  const auto add = [&](const std::string& order, const std::string& type, bool combined) {
    const bool packed = type.ends_with("x2");
    const std::string element = packed ? type.substr(0, type.size() - 2) : type;
    const bool ftz = type.starts_with("ftz.");
    const std::string bare = ftz ? type.substr(4) : type;
    const auto compared = oracle::compare_form(Opcode("setp." + order + "." + element));
    REQUIRE(compared);
    std::vector<std::string> targets = {"u32", "s32", "f32", "u16", "s16", "f16", "bf16"};
    if (packed) targets = {"u32", "s32", bare};
    for (const std::string& to : targets) {
      const Bits yes = to == "f32"                    ? 0x3f800000
                       : to.starts_with("f16")        ? 0x3c00
                       : to.starts_with("bf16")       ? 0x3f80
                       : packed || to.ends_with("16") ? 0xffff
                                                      : 0xffffffff;
      Form form;
      form.types = packed ? std::vector<std::string>{"b32", "b32"} : compared->types;
      form.result = to == "f32" ? "f32" : "b" + std::to_string(oracle::width_of(to));
      const std::string name = "set." + order + (combined ? ".xor" : "") + (ftz ? ".ftz" : "");
      form.text = name + "." + to + "." + bare + " %d, %a, %b;";
      if (combined) {
        form.types.push_back("u32");
        form.text = "{ .reg .pred %z; setp.gt.u32 %z, %c, 40; " + name + "." + to + "." + bare +
                    " %d, %a, %b, !%z; }";
      }
      form.model = [=, model = compared->model](const Bits* x) {
        Bits result = 0;
        for (int half = 0; half < (packed ? 2 : 1); ++half) {
          const Bits v[] = {packed ? x[0] >> (16 * half) & 0xffff : x[0],
                            packed ? x[1] >> (16 * half) & 0xffff : x[1]};
          const bool holds = (model(v) != 0) != (combined && x[2] <= 40);
          result |= (holds ? yes : 0) << (16 * half);
        }
        return result;
      };
      forms.push_back(form);
    }
  };
  for (const std::string& order : float_order) {
    for (const std::string type :
         {"f32", "ftz.f32", "f64", "f16", "ftz.f16", "bf16", "f16x2", "bf16x2"}) {
      add(order, type, order == "ltu");
    }
  }
  for (const std::string& order : integer_order) {
    for (const std::string type : {"u16", "u32", "u64"}) add(order, type, order == "hs");
    if (order == "eq" || order == "ne") add(order, "b32", false);
    if (order != "lo" && order != "ls" && order != "hi" && order != "hs") {
      for (const std::string type : {"s16", "s32", "s64"}) add(order, type, order == "lt");
    }
  }
  REQUIRE(forms.size() > 900);
  hold(forms);
}

TEST_CASE("carry chains are long arithmetic", "[opcode]") {
  using Wide = unsigned __int128;
  std::vector<Form> forms;
  const auto long_form = [&](const std::string& text, auto model) {
    // Operands a and b, and c and e, are the words of two 64-bit or 128-bit numbers, low first.
    for (const std::string t : {"32", "64"}) {
      const int bits = std::stoi(t);
      std::string body = text;
      for (size_t at; (at = body.find('#')) != std::string::npos;) body.replace(at, 1, t);
      for (const int word : {0, 1}) {
        Form form;
        form.types.assign(4, "b" + t);
        form.result = "b" + t;
        form.text = "{ .reg .b" + t + " %x, %y; " + body + " mov.b" + t + " %d, " +
                    (word == 0 ? "%x" : "%y") + "; }";
        form.model = [=](const Bits* x) {
          const Wide first = Wide{x[1]} << bits | x[0], second = Wide{x[3]} << bits | x[2];
          const Wide r = model(first, second, x, bits);
          return static_cast<Bits>(r >> (word * bits)) & oracle::ones(bits);
        };
        forms.push_back(form);
      }
    }
  };
  const auto sum = [](Wide a, Wide b, const Bits*, int) { return a + b; };
  const auto difference = [](Wide a, Wide b, const Bits*, int) { return a - b; };
  long_form("add.cc.u# %x, %a, %c; addc.u# %y, %b, %e;", sum);
  long_form("add.cc.s# %x, %a, %c; addc.cc.s# %y, %b, %e;", sum);
  long_form("sub.cc.u# %x, %a, %c; subc.u# %y, %b, %e;", difference);
  long_form("sub.cc.s# %x, %a, %c; subc.cc.s# %y, %b, %e;", difference);
  // The full product of a and c plus the long number {b, e}.
  const auto product = [](Wide, Wide, const Bits* x, int bits) {
    return Wide{x[0]} * x[2] + (Wide{x[3]} << bits | x[1]);
  };
  long_form("mad.lo.cc.u# %x, %a, %c, %b; madc.hi.u# %y, %a, %c, %e;", product);
  long_form("mad.lo.cc.u# %x, %a, %c, %b; madc.hi.cc.u# %y, %a, %c, %e;", product);
  // The carry out of a middle word: a + c twice, so that addc both reads and writes it.
  long_form("add.cc.u# %x, %a, %c; addc.cc.u# %x, %b, %e; addc.u# %y, 0, 0;",
            [](Wide a, Wide b, const Bits*, int bits) {
              const Wide low = (a & oracle::ones(bits)) + (b & oracle::ones(bits));
              return (a >> bits) + (b >> bits) + (low >> bits);
            });
  long_form("mad.hi.cc.u# %x, %a, %c, %b; madc.lo.cc.u# %x, %b, %e, %c; addc.u# %y, 0, 0;",
            [](Wide, Wide, const Bits* x, int bits) {
              const Bits all = oracle::ones(bits);
              const Wide first = (Wide{x[0]} * x[2] >> bits) + x[1];
              return (Wide{x[1] * x[3] & all}) + x[2] + (first >> bits);
            });
  hold(forms);
}

TEST_CASE("instructions made of several rows equal their models", "[opcode]") {
  std::vector<Form> forms;
  const auto add = [&](std::string text, std::vector<std::string> types, std::string result,
                       oracle::Model model) {
    forms.push_back({std::move(text), std::move(types), std::move(result), std::move(model)});
  };
  const auto as_s32 = [](Bits x) { return static_cast<int32_t>(static_cast<uint32_t>(x)); };
  // p is the comparison, q its negation; both combined with c. p and q may be operands.
  const std::string both = "{ .reg .pred %x, %y; setp.gt.u32 %x, %c, 40; ";
  const auto pair = [](bool p, bool q) { return static_cast<Bits>(p) | static_cast<Bits>(q) << 1; };
  const std::string read = " selp.b32 %d, 1, 0, %x; @%y or.b32 %d, %d, 2; }";
  add(both + "setp.lt.s32 %x|%y, %a, %b;" + read, {"s32", "s32", "u32"}, "b32", [=](const Bits* x) {
    const bool t = as_s32(x[0]) < as_s32(x[1]);
    return pair(t, !t);
  });
  add(both + "setp.lt.and.s32 %y|%x, %a, %b, %x;" + read, {"s32", "s32", "u32"}, "b32",
      [=](const Bits* x) {
        const bool t = as_s32(x[0])<as_s32(x[1]), c = x[2]> 40;
        return pair(!t && c, t && c);
      });
  add(both + "setp.lt.xor.s32 %x|%y, %a, %b, !%x;" + read, {"s32", "s32", "u32"}, "b32",
      [=](const Bits* x) {
        const bool t = as_s32(x[0]) < as_s32(x[1]), c = x[2] <= 40;
        return pair(t != c, !t != c);
      });
  // A guard that the instruction itself overwrites.
  add(both + "mov.pred %y, %x; @%x setp.lt.or.s32 %x|%y, %a, %b, !%x;" + read,
      {"s32", "s32", "u32"}, "b32", [=](const Bits* x) {
        const bool t = as_s32(x[0]) < as_s32(x[1]);
        return x[2] > 40 ? pair(t, !t) : pair(false, false);
      });
  add(both + "setp.gt.f16x2 %x|%y, %a, %b;" + read, {"b32", "b32", "u32"}, "b32",
      [=](const Bits* x) {
        const auto greater = oracle::compare_form(Opcode("setp.gt.f16"))->model;
        const Bits low[] = {x[0] & 0xffff, x[1] & 0xffff}, high[] = {x[0] >> 16, x[1] >> 16};
        return pair(greater(low) != 0, greater(high) != 0);
      });
  add(both + "setp.leu.or.bf16x2 %y|%x, %a, %b, %x;" + read, {"b32", "b32", "u32"}, "b32",
      [=](const Bits* x) {
        const auto holds = oracle::compare_form(Opcode("setp.leu.bf16"))->model;
        const Bits low[] = {x[0] & 0xffff, x[1] & 0xffff}, high[] = {x[0] >> 16, x[1] >> 16};
        const bool c = x[2] > 40;
        return pair(holds(high) != 0 || c, holds(low) != 0 || c);
      });
  for (const std::string op : {"and", "or"}) {
    const bool conjunction = op == "and";
    add(both + "lop3." + op + ".b32 %d|%x, %a, %b, %c, 0x80, !%x; @%x not.b32 %d, %d; }",
        {"b32", "b32", "b32"}, "b32", [=](const Bits* x) {
          const Bits r = x[0] & x[1] & x[2];
          const bool q = x[2] <= 40, any = r != 0;
          return (conjunction ? any && q : any || q) ? ~r & 0xffffffff : r;
        });
  }
  for (const std::string t : {"b16", "b32", "b64", "f32", "f64", "s16", "u64"}) {
    const std::string held = t == "s16" ? "b16" : t == "u64" ? "b64" : t;
    add("slct." + t + ".s32 %d, %a, %b, %c;", {held, held, "s32"}, held,
        [=](const Bits* x) { return as_s32(x[2]) >= 0 ? x[0] : x[1]; });
    add("slct." + t + ".f32 %d, %a, %b, %c;", {held, held, "f32"}, held, [=](const Bits* x) {
      const Bits zero[] = {x[2], 0};
      return oracle::compare_form(Opcode("setp.ge.f32"))->model(zero) != 0 ? x[0] : x[1];
    });
    add("slct.ftz." + t + ".f32 %d, %a, %b, %c;", {held, held, "f32"}, held, [=](const Bits* x) {
      const Bits zero[] = {x[2], 0};
      return oracle::compare_form(Opcode("setp.ge.ftz.f32"))->model(zero) != 0 ? x[0] : x[1];
    });
    add("{ .reg .pred %x; setp.gt.u32 %x, %c, 40; selp." + t + " %d, %a, %b, !%x; }",
        {held, held, "u32"}, held, [=](const Bits* x) { return x[2] > 40 ? x[1] : x[0]; });
  }
  // The source of an unpacking may be one of its targets.
  add("{ .reg .b16 %x, %y; mov.b16 %x, %a; mov.b32 {%x, %y}, %b; mov.b32 %d, {%y, %x}; }",
      {"b16", "b32"}, "b32", [](const Bits* x) { return (x[1] >> 16 | x[1] << 16) & 0xffffffff; });
  add("{ .reg .b8 %x, %y, %z, %w; mov.b32 {%x, %y, %z, %w}, %a; mov.b32 %d, {%w, %z, %y, %x}; }",
      {"b32"}, "b32", [](const Bits* x) {
        return x[0] >> 24 | (x[0] >> 8 & 0xff00) | (x[0] << 8 & 0xff0000) |
               (x[0] << 24 & 0xff000000);
      });
  // Literals in place of a register.
  add("add.s32 %d, %a, -7;", {"b32"}, "b32", [](const Bits* x) { return x[0] - 7; });
  add("and.b64 %d, %a, 0xffffffff00;", {"b64"}, "b64",
      [](const Bits* x) { return x[0] & 0xffffffff00ull; });
  add("add.s16 %d, %a, 32767;", {"b16"}, "b16", [](const Bits* x) { return x[0] + 32767; });
  add("mov.f32 %d, 0f3FC00000;", {"b32"}, "f32", [](const Bits*) { return 0x3fc00000; });
  add("mov.f64 %d, 0d3FF8000000000000;", {"b32"}, "f64",
      [](const Bits*) { return 0x3ff8000000000000; });
  add("mov.f32 %d, 1.5;", {"b32"}, "f32", [](const Bits*) { return 0x3fc00000; });
  add("mov.u32 %d, WARP_SZ;", {"b32"}, "b32", [](const Bits*) { return 32; });
  hold(forms);
}

TEST_CASE("video instructions equal their models", "[opcode]") {
  std::vector<Form> forms;
  const std::string types[] = {".u32", ".s32"};
  for (const std::string base :
       {"vadd", "vsub", "vabsdiff", "vmin", "vmax", "vavrg", "vset", "vshl", "vshr"}) {
    for (const std::string parts : {"", "2", "4"}) {
      for (const std::string& d : types) {
        for (const std::string& a : types) {
          for (const std::string& b : types) {
            for (const std::string end :
                 {"", ".sat", ".add", ".min", ".max", ".sat.add", ".sat.max", ".clamp", ".wrap",
                  ".sat.clamp", ".wrap.add"}) {
              std::string opcode = base + parts + d + a + b + end;
              if (base == "vset") {
                opcode = base + parts + a + b + (d == ".u32" ? ".lt" : ".ge") + end;
              }
              const auto form = oracle::video_form(Opcode(opcode));
              if (form && is_supported(*form)) forms.push_back(*form);
            }
          }
        }
      }
    }
  }
  REQUIRE(forms.size() > 500);
  hold(forms);
}
