// Lowering of matrix instructions: which shapes and types exist, and how many registers each
// operand has. A combination outside the tables of the PTX ISA is "unsupported".
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "emulator/lower.hpp"
#include "emulator/matrix.hpp"

namespace mtmc::emulator {
namespace {

struct Shape {
  int m = 0, n = 0, k = 0;
  friend bool operator==(const Shape&, const Shape&) = default;
};

// "m16n8k16"; zeros when it is not a shape.
Shape parse_shape(std::string_view text) {
  Shape shape;
  for (const auto& [letter, value] :
       {std::pair{'m', &shape.m}, std::pair{'n', &shape.n}, std::pair{'k', &shape.k}}) {
    if (text.empty() || text[0] != letter) return {};
    text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (error != std::errc()) return {};
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return text.empty() ? shape : Shape{};
}

enum class Family : uint8_t { f16, bf16, tf32, fp8, f64, int8, int4, b1 };

Family family_of(Element e) {
  switch (e) {
    case Element::f16:
      return Family::f16;
    case Element::bf16:
      return Family::bf16;
    case Element::tf32:
      return Family::tf32;
    case Element::e4m3:
    case Element::e5m2:
      return Family::fp8;
    case Element::f64:
      return Family::f64;
    case Element::s8:
    case Element::u8:
      return Family::int8;
    case Element::s4:
    case Element::u4:
      return Family::int4;
    default:
      return Family::b1;
  }
}

bool accumulates(Family family, Accumulator d) {
  switch (family) {
    case Family::f16:
    case Family::fp8:
      return d == Accumulator::f16 || d == Accumulator::f32;
    case Family::bf16:
    case Family::tf32:
      return d == Accumulator::f32;
    case Family::f64:
      return d == Accumulator::f64;
    default:
      return d == Accumulator::s32;
  }
}

struct ShapeRow {
  Family family;
  std::vector<Shape> shapes;
};

const std::vector<ShapeRow>& mma_shapes() {
  static const std::vector<ShapeRow> table = {
      {Family::f16, {{16, 8, 8}, {16, 8, 16}}},
      {Family::bf16, {{16, 8, 8}, {16, 8, 16}}},
      {Family::tf32, {{16, 8, 4}, {16, 8, 8}}},
      {Family::fp8, {{16, 8, 16}, {16, 8, 32}}},
      {Family::f64, {{8, 8, 4}, {16, 8, 4}, {16, 8, 8}, {16, 8, 16}}},
      {Family::int8, {{8, 8, 16}, {16, 8, 16}, {16, 8, 32}}},
      {Family::int4, {{8, 8, 32}, {16, 8, 32}, {16, 8, 64}}},
      {Family::b1, {{8, 8, 128}, {16, 8, 128}, {16, 8, 256}}}};
  return table;
}

const std::vector<ShapeRow>& wmma_shapes() {
  static const std::vector<Shape> sixteen = {{16, 16, 16}, {32, 8, 16}, {8, 32, 16}};
  static const std::vector<ShapeRow> table = {
      {Family::f16, sixteen},     {Family::bf16, sixteen}, {Family::tf32, {{16, 16, 8}}},
      {Family::f64, {{8, 8, 4}}}, {Family::int8, sixteen}, {Family::int4, {{8, 8, 32}}},
      {Family::b1, {{8, 8, 128}}}};
  return table;
}

std::optional<MatrixForm> make_form(const std::vector<ShapeRow>& table, Shape shape, Element a,
                                    Element b, Accumulator d) {
  const Family family = family_of(a);
  if (family_of(b) != family || !accumulates(family, d)) return std::nullopt;
  for (const ShapeRow& row : table) {
    if (row.family != family) continue;
    if (std::find(row.shapes.begin(), row.shapes.end(), shape) == row.shapes.end()) continue;
    MatrixForm form;
    form.rows = static_cast<uint8_t>(shape.m);
    form.column_tiles = static_cast<uint8_t>(shape.n / 8);
    form.depth = static_cast<uint16_t>(shape.k);
    form.a = a;
    form.b = b;
    form.d = d;
    return form;
  }
  return std::nullopt;
}

}  // namespace

// A brace-enclosed vector, or a lone register, of exactly count registers.
std::vector<Ref> Lowering::fragment(const Operand& o, int count, int bits, bool written) {
  std::vector<const Operand*> elements;
  if (o.kind == Operand::Kind::vector) {
    for (const Operand& element : o.elements) elements.push_back(&element);
  } else {
    elements.push_back(&o);
  }
  if (static_cast<int>(elements.size()) != count) {
    unsupported(fmt::format("{} registers in a fragment, expected {}", elements.size(), count));
  }
  std::vector<Ref> result;
  for (const Operand* element : elements) {
    const bool real =
        element->kind == Operand::Kind::immediate && element->number != Operand::Number::integer;
    result.push_back(written ? target(*element, bits)
                             : source(*element, {static_cast<uint8_t>(bits), real}));
  }
  return result;
}

void Lowering::matrix_list(Lowered& l, const std::vector<Ref>& d,
                           const std::vector<std::vector<Ref>>& sources) {
  l.has_list = true;
  for (const Ref& r : d) {
    l.list.push_back(r);
    define(l, r);
  }
  for (const std::vector<Ref>& group : sources) {
    for (const Ref& r : group) {
      l.list.push_back(r);
      use(l, r);
    }
  }
}

void Lowering::matrix_move(bool store) {
  // {ld,st}matrix.sync.aligned.m8n8.{x1,x2,x4}{.trans}{.shared{::cta}}.b16
  std::vector<std::string_view> p(parts_.begin() + 1, parts_.end());
  if (p.size() < 5 || p[0] != "sync" || p[1] != "aligned" || p[2] != "m8n8" || p.back() != "b16") {
    unsupported();
  }
  const int count = p[3] == "x1" ? 1 : p[3] == "x2" ? 2 : p[3] == "x4" ? 4 : 0;
  size_t next = 4;
  const bool transposed = p[next] == "trans";
  if (transposed) ++next;
  const bool in_shared = p[next] == "shared" || p[next] == "shared::cta";
  if (in_shared) ++next;
  if (count == 0 || next + 1 != p.size()) unsupported();
  expect_operands(2);
  const std::vector<Ref> registers = fragment(operand(store ? 1 : 0), count, 32, !store);
  const Address where = address(operand(store ? 0 : 1));
  if (!in_shared && where.bits != 64) unsupported("32-bit generic address");
  Lowered& l = emit(matrix_move_handler(count, in_shared ? where.bits : 0));
  const Mover mover = matrix_mover(store ? MatrixMove::store : MatrixMove::load, count, transposed);
  l.mover = {mover, mover};
  l.sites = {store ? SiteRole::shared_store : SiteRole::shared_load};
  use(l, l.a = where.base);
  l.imm = where.offset;
  if (store) {
    matrix_list(l, {}, {registers});
  } else {
    matrix_list(l, registers, {});
  }
}

void Lowering::movmatrix() {
  if (in_->opcode != "movmatrix.sync.aligned.m8n8.trans.b16") unsupported();
  expect_operands(2);
  const Ref a = source(operand(1), {32, false});
  Lowered& l = emit(movmatrix_handler());
  use(l, l.a = a);
  define(l, l.d = target(operand(0), 32));
}

void Lowering::mma() {
  // mma.sync.aligned.shape.row.col{.satfinite}.dtype.atype.btype.ctype{.bitop.popc} d, a, b, c
  std::vector<std::string_view> p(parts_.begin() + 1, parts_.end());
  if (p.size() < 9 || p[0] != "sync" || p[1] != "aligned" || p[3] != "row" || p[4] != "col") {
    unsupported();
  }
  size_t next = 5;
  const bool saturate = p[next] == "satfinite";
  if (saturate) ++next;
  if (p.size() < next + 4) unsupported();
  const auto d = accumulator_of(p[next]);
  const auto a = element_of(p[next + 1]);
  const auto b = element_of(p[next + 2]);
  if (!d || !a || !b || p[next + 3] != p[next]) unsupported();
  next += 4;
  auto form = make_form(mma_shapes(), parse_shape(p[2]), *a, *b, *d);
  if (!form) unsupported();
  const Family family = family_of(*a);
  if (family == Family::b1) {
    if (p.size() != next + 2 || p[next + 1] != "popc") unsupported();
    if (p[next] != "xor" && p[next] != "and") unsupported();
    if (p[next] == "xor") form->flags |= MatrixForm::exclusive_or;
    next += 2;
  }
  if (p.size() != next) unsupported();
  if (saturate) {
    if (family != Family::int8 && family != Family::int4) unsupported();
    form->flags |= MatrixForm::saturate;
  }
  expect_operands(4);
  const int bits = register_bits_of(*a);
  const int held = *d == Accumulator::f64 ? 64 : 32;
  const std::vector<Ref> target_registers = fragment(operand(0), form->d_registers(), held, true);
  const std::vector<std::vector<Ref>> sources = {
      fragment(operand(1), form->a_registers(), bits, false),
      fragment(operand(2), form->b_registers(), bits, false),
      fragment(operand(3), form->d_registers(), held, false)};
  Lowered& l = emit(mma_handler());
  l.imm = std::bit_cast<uint64_t>(*form);
  l.reads_first = true;
  matrix_list(l, target_registers, sources);
}

void Lowering::wmma() {
  if (parts_.size() > 2 && parts_[1] == "load") return wmma_move(false);
  if (parts_.size() > 2 && parts_[1] == "store") return wmma_move(true);
  wmma_mma();
}

void Lowering::wmma_move(bool store) {
  // wmma.load.{a,b,c} / wmma.store.d .sync.aligned.layout.shape{.ss}.type r, [p]{, stride}
  std::vector<std::string_view> p(parts_.begin() + 2, parts_.end());
  if (p.size() < 6 || p[1] != "sync" || p[2] != "aligned" || (p[3] != "row" && p[3] != "col")) {
    unsupported();
  }
  const Shape shape = parse_shape(p[4]);
  const bool has_space = p.size() == 7;
  if (p.size() > 7 || (store ? p[0] != "d" : p[0] != "a" && p[0] != "b" && p[0] != "c")) {
    unsupported();
  }
  const std::string_view type = p.back();
  const char matrix = p[0][0];
  const auto fragment_of = [&]() -> std::optional<WmmaFragment> {
    for (const ShapeRow& row : wmma_shapes()) {
      for (const Shape& s : row.shapes) {
        if (s != shape) continue;
        MatrixForm form;
        form.rows = static_cast<uint8_t>(s.m);
        form.column_tiles = static_cast<uint8_t>(s.n / 8);
        form.depth = static_cast<uint16_t>(s.k);
        if (matrix == 'a' || matrix == 'b') {
          const auto e = element_of(type);
          if (!e || family_of(*e) != row.family) continue;
          form.a = form.b = *e;
        } else {
          const auto d = accumulator_of(type);
          if (!d || !accumulates(row.family, *d)) continue;
          form.d = *d;
        }
        return wmma_fragment(form, matrix, p[3] == "col");
      }
    }
    return std::nullopt;
  }();
  if (!fragment_of) unsupported();
  const WmmaFragment& f = *fragment_of;
  // Elements narrower than a byte cannot be addressed one by one.
  if (f.element_bits < 8 && f.accesses() > 1) unsupported();

  const size_t count = in_->operands.size();
  if (count != 2 && count != 3) unsupported("operands");
  const std::vector<Ref> registers =
      fragment(operand(store ? 1 : 0), f.declared, f.register_bits, !store);
  const Address where = address(operand(store ? 0 : 1));
  WmmaSpace space = WmmaSpace::generic;
  if (has_space) {
    if (p[5] == "global") {
      space = WmmaSpace::global;
    } else if (p[5] == "shared" || p[5] == "shared::cta") {
      space = where.bits == 32 ? WmmaSpace::shared32 : WmmaSpace::shared64;
    } else {
      unsupported();
    }
  }
  if (space != WmmaSpace::shared32 && where.bits != 64) unsupported("32-bit global address");
  if (where.offset + (uint64_t{1} << 31) >= uint64_t{1} << 32) unsupported("address offset");
  // Without a stride, rows or columns follow each other.
  const Ref stride =
      count == 3
          ? source(operand(2), {32, false})
          : constant(static_cast<uint64_t>(f.contiguous_extent(shape.m, shape.n, shape.k)), 4);
  const bool in_shared = space == WmmaSpace::shared32 || space == WmmaSpace::shared64;
  Lowered& l = emit(wmma_handler(store));
  const Mover mover = wmma_mover(store, f.access_bytes());
  l.mover = {mover, mover};
  for (int i = 0; i < f.held * f.accesses(); ++i) {
    if (!in_shared) l.sites.push_back(store ? SiteRole::global_store : SiteRole::global_load);
    if (space != WmmaSpace::global) {
      l.sites.push_back(store ? SiteRole::shared_store : SiteRole::shared_load);
    }
  }
  use(l, l.a = where.base);
  use(l, l.b = stride);
  l.imm = std::bit_cast<uint64_t>(f);
  l.has_list = true;
  l.list = {Ref{-1, static_cast<int32_t>(where.offset)}, Ref{-1, static_cast<int32_t>(space)}};
  if (store) {
    matrix_list(l, {}, {registers});
  } else {
    matrix_list(l, registers, {});
  }
}

void Lowering::wmma_mma() {
  // wmma.mma.sync.aligned.alayout.blayout.shape.dtype.ctype (f16)
  //     ....{.rn}.dtype.atype.btype.ctype{.satfinite} (others); wmma.mma.bitop.popc.... (b1)
  std::vector<std::string_view> p(parts_.begin() + 1, parts_.end());
  bool bits = false, exclusive = false;
  if (p.size() > 3 && p[0] == "mma" && p[2] == "popc" && (p[1] == "xor" || p[1] == "and")) {
    bits = true;
    exclusive = p[1] == "xor";
    p.erase(p.begin() + 1, p.begin() + 3);
  }
  const auto layout = [](std::string_view t) { return t == "row" || t == "col"; };
  if (p.size() < 8 || p[0] != "mma" || p[1] != "sync" || p[2] != "aligned" || !layout(p[3]) ||
      !layout(p[4])) {
    unsupported();
  }
  const Shape shape = parse_shape(p[5]);
  std::vector<std::string_view> types(p.begin() + 6, p.end());
  if (types.size() == 5 && types[0] == "rn" && types[1] == "f64") types.erase(types.begin());
  bool saturate = false;
  if (types.size() == 5 && types[4] == "satfinite") {
    saturate = true;
    types.pop_back();
  }
  if (types.size() == 2) types = {types[0], "f16", "f16", types[1]};
  if (types.size() != 4) unsupported();
  const auto d = accumulator_of(types[0]);
  const auto a = element_of(types[1]);
  const auto b = element_of(types[2]);
  const auto c = accumulator_of(types[3]);
  if (!d || !a || !b || !c) unsupported();
  if (*c != *d) unsupported("accumulators of two types");
  auto form = make_form(wmma_shapes(), shape, *a, *b, *d);
  if (!form) unsupported();
  const Family family = family_of(*a);
  if (bits != (family == Family::b1)) unsupported();
  if (exclusive) form->flags |= MatrixForm::exclusive_or;
  if (saturate) {
    if (family != Family::int8 && family != Family::int4) unsupported();
    form->flags |= MatrixForm::saturate;
  }
  expect_operands(4);
  const auto held = [&](char matrix, const Operand& o, bool written) {
    const WmmaFragment f = wmma_fragment(*form, matrix, false);
    std::vector<Ref> registers = fragment(o, f.declared, f.register_bits, written);
    registers.resize(f.held);  // the others are copies
    return registers;
  };
  const std::vector<Ref> target_registers = held('d', operand(0), true);
  const std::vector<std::vector<Ref>> sources = {
      held('a', operand(1), false), held('b', operand(2), false), held('c', operand(3), false)};
  Lowered& l = emit(mma_handler());
  l.imm = std::bit_cast<uint64_t>(*form);
  matrix_list(l, target_registers, sources);
}

void Lowering::wgmma() {
  if (in_->opcode == "wgmma.fence.sync.aligned" ||
      in_->opcode == "wgmma.commit_group.sync.aligned") {
    expect_operands(0);
    emit(wgmma_order_handler(parts_[1] == "fence" ? WgmmaOrder::fence : WgmmaOrder::commit));
    return;
  }
  if (in_->opcode == "wgmma.wait_group.sync.aligned") {
    expect_operands(1);
    if (operand(0).kind != Operand::Kind::immediate) unsupported("operand form");
    const uint64_t pending = operand(0).bits;
    if (pending > 63) unsupported("pending groups");
    Lowered& l = emit(wgmma_order_handler(WgmmaOrder::wait));
    l.kind = Lowered::Kind::suspend;
    l.imm = pending;
    return;
  }
  wgmma_mma();
}

void Lowering::wgmma_mma() {
  // wgmma.mma_async.sync.aligned.shape{.satfinite}.dtype.atype.btype{.and.popc}
  //     d, {a | a-desc}, b-desc, scale-d{, imm-scale-a, imm-scale-b{, imm-trans-a}, imm-trans-b}
  std::vector<std::string_view> p(parts_.begin() + 1, parts_.end());
  if (p.size() < 7 || p[0] != "mma_async" || p[1] != "sync" || p[2] != "aligned") unsupported();
  const Shape shape = parse_shape(p[3]);
  size_t next = 4;
  const bool saturate = p[next] == "satfinite";
  if (saturate) ++next;
  if (p.size() < next + 3) unsupported();
  const auto d = accumulator_of(p[next]);
  const auto a = element_of(p[next + 1]);
  const auto b = element_of(p[next + 2]);
  next += 3;
  if (!d || !a || !b) unsupported();
  const Family family = family_of(*a);
  const bool integer = *d == Accumulator::s32;
  const int depth = 256 / element_bits(*a);
  if (family_of(*b) != family || family == Family::f64 || family == Family::int4 ||
      !accumulates(family, *d) || shape.m != 64 || shape.k != depth || shape.n < 8 ||
      shape.n > 256 || shape.n % 8 != 0 || (integer && shape.n > 32 && shape.n % 16 != 0)) {
    unsupported();
  }
  if (family == Family::b1) {
    if (p.size() != next + 2 || p[next] != "and" || p[next + 1] != "popc") unsupported();
    next += 2;
  }
  if (p.size() != next || (saturate && family != Family::int8)) unsupported();

  MatrixForm form;
  form.rows = 16;  // of each warp
  form.column_tiles = static_cast<uint8_t>(shape.n / 8);
  form.depth = static_cast<uint16_t>(depth);
  form.a = *a;
  form.b = *b;
  form.d = *d;
  form.flags = MatrixForm::warpgroup;
  if (saturate) form.flags |= MatrixForm::saturate;
  const bool a_in_registers = operand(1).kind == Operand::Kind::vector;
  if (!a_in_registers) form.flags |= MatrixForm::a_in_shared;

  const bool transposable = family == Family::f16 || family == Family::bf16;
  const size_t immediates = integer ? 0 : 2u + (transposable ? (a_in_registers ? 1 : 2) : 0);
  expect_operands(4 + immediates);
  const auto immediate = [&](size_t i) {
    const Operand& o = operand(i);
    if (o.kind != Operand::Kind::immediate) unsupported("operand form");
    return static_cast<int64_t>(o.bits);
  };
  const auto flag = [&](size_t i, int64_t clear, int64_t set, uint8_t bit) {
    const int64_t value = immediate(i);
    if (value != clear && value != set) unsupported(fmt::format("operand {} is {}", i + 1, value));
    if (value == set) form.flags |= bit;
  };
  if (!integer) {
    flag(4, 1, -1, MatrixForm::negate_a);
    flag(5, 1, -1, MatrixForm::negate_b);
  }
  if (transposable) {
    if (!a_in_registers) flag(6, 0, 1, MatrixForm::transpose_a);
    flag(a_in_registers ? 6 : 7, 0, 1, MatrixForm::transpose_b);
  }

  const OperandType descriptor{64, false};
  const std::vector<Ref> sums =
      fragment(operand(0), form.column_tiles * form.d_registers(), 32, true);
  std::vector<Ref> a_registers;
  Ref a_descriptor;
  if (a_in_registers) {
    a_registers = fragment(operand(1), form.a_registers(), 32, false);
  } else {
    a_descriptor = source(operand(1), descriptor);
  }
  const Ref b_descriptor = source(operand(2), descriptor);
  const Ref scale = predicate_source(operand(3));
  first_ = true;
  Lowered& l = emit(wgmma_handler());
  l.imm = std::bit_cast<uint64_t>(form);
  l.reads_first = true;
  l.sites.assign(1 + (form.column_tiles + 1u) / 2, SiteRole::shared_load);
  use(l, l.a = a_descriptor);
  use(l, l.b = b_descriptor);
  use(l, l.c = scale);
  matrix_list(l, sums, {a_registers});
  for (const Ref& r : sums) use(l, r);
}

}  // namespace mtmc::emulator
