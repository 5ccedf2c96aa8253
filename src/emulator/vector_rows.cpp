#include "emulator/vector_rows.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace mtmc::emulator {
namespace {

const TableEntry& fma() {
  static const TableEntry entry = *InstructionTable::get().find("fma.rn.f32");
  return entry;
}

template <bool Masked>
void fma_run_by_single(const Op& op, Warp& warp) {
  const Handler single = fma().run[Masked];
  Op one = op;
  for_each_fma(
      warp.list(op), [&](int32_t a) { one.a = a; },
      [&](int32_t, int32_t b, int32_t c, int32_t d) {
        one.b = b, one.c = c, one.d = d;
        single(one, warp);
      });
}

#ifdef __FMA__
void fma_run(const Op& op, Warp& warp) {
  char* const r = warp.registers;
  const auto at = [r](int32_t offset) { return reinterpret_cast<float*>(r + offset); };
  const std::vector<int32_t>& list = warp.list(op);
  const int32_t* p = list.data();
  const int32_t* const end = p + list.size();
  while (p != end) {
    const float* a = at(*p++);
    int32_t count = *p++;
    const __m256 a0 = _mm256_load_ps(a), a1 = _mm256_load_ps(a + 8);
    const __m256 a2 = _mm256_load_ps(a + 16), a3 = _mm256_load_ps(a + 24);
    do {
      const float* b = at(p[0]);
      const float* c = at(p[1]);
      float* d = at(p[2]);
      p += 3;
      const __m256 x0 = _mm256_fmadd_ps(a0, _mm256_load_ps(b), _mm256_load_ps(c));
      const __m256 x1 = _mm256_fmadd_ps(a1, _mm256_load_ps(b + 8), _mm256_load_ps(c + 8));
      const __m256 x2 = _mm256_fmadd_ps(a2, _mm256_load_ps(b + 16), _mm256_load_ps(c + 16));
      const __m256 x3 = _mm256_fmadd_ps(a3, _mm256_load_ps(b + 24), _mm256_load_ps(c + 24));
      const __m256 nan =
          _mm256_or_ps(_mm256_cmp_ps(x0, x1, _CMP_UNORD_Q), _mm256_cmp_ps(x2, x3, _CMP_UNORD_Q));
      _mm256_store_ps(d, x0);
      _mm256_store_ps(d + 8, x1);
      _mm256_store_ps(d + 16, x2);
      _mm256_store_ps(d + 24, x3);
      if (__builtin_expect(_mm256_movemask_ps(nan) != 0, 0)) {
        for (int l = 0; l < lanes; ++l) {  // a NaN result is the canonical one
          uint32_t bits;
          __builtin_memcpy(&bits, d + l, 4);
          if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fffffffu;
          __builtin_memcpy(d + l, &bits, 4);
        }
      }
    } while (--count != 0);
  }
}
#endif

}  // namespace

const VectorRows& rows_of_cpu() {
  static const VectorRows rows = [] {
#ifdef __FMA__
    VectorRows r{.rows = nullptr, .count = 0, .fma_run = {fma_run, nullptr}};
#else
    VectorRows r = sse2_rows();
#endif
#ifdef MTMC_EMULATOR_AVX512
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd")) {
      r = avx512_rows();
    }
#endif
    if (r.fma_run[1] == nullptr) r.fma_run[1] = fma_run_by_single<true>;
    return r;
  }();
  return rows;
}

void use_vector_rows(InstructionTable& table) {
  const VectorRows& rows = rows_of_cpu();
  for (size_t i = 0; i < rows.count; ++i) table.replace(rows.rows[i].opcode, rows.rows[i].run);
}

namespace {

// Of a run that is an outer product onto accumulators, how many factors b each group has; else 0.
int32_t outer_count(const std::vector<int32_t>& list) {
  const int32_t count = list[1];
  std::set<int32_t> factors, targets;
  for (size_t i = 0; i < list.size();) {
    if (list[i + 1] != count) return 0;
    factors.insert(list[i]);
    for (size_t k = 2; k < 2 + 3 * static_cast<size_t>(count); k += 3) {
      const int32_t b = list[i + k], c = list[i + k + 1], d = list[i + k + 2];
      if (b != list[k] || c != d || !targets.insert(d).second) return 0;
      factors.insert(b);
    }
    i += 2 + 3 * static_cast<size_t>(count);
  }
  const bool overwritten =
      std::any_of(targets.begin(), targets.end(), [&](int32_t d) { return factors.count(d) != 0; });
  return overwritten ? 0 : count;
}

}  // namespace

void fuse_runs(Code& code, size_t first) {
  const Handler single = fma().run[0];
  std::vector<Op>& ops = code.ops;
  size_t to = first;
  for (size_t i = first; i < ops.size();) {
    size_t end = i;
    while (end < ops.size() && ops[end].run[0] == single) ++end;
    if (end < i + 2) {
      ops[to++] = ops[i++];
      continue;
    }
    Op run = ops[i];
    run.run[0] = rows_of_cpu().fma_run[0];
    run.run[1] = rows_of_cpu().fma_run[1];
    run.list = static_cast<int32_t>(code.lists.size());
    std::vector<int32_t> list;
    size_t count_at = 0;
    bool overwritten = true;  // the kept factor, by the instruction before
    for (; i < end; ++i) {
      Op op = ops[i];
      const auto has = [](const Op& o, int32_t place) { return o.a == place || o.b == place; };
      const int32_t kept = list.empty() ? -1 : list[count_at - 1];
      if (overwritten || !has(op, kept)) {  // the factors commute: keep one that comes again
        if (i + 1 < end && !has(ops[i + 1], op.a)) std::swap(op.a, op.b);
        list.push_back(op.a);
        count_at = list.size();
        list.push_back(0);
      } else if (op.a != kept) {
        std::swap(op.a, op.b);
      }
      list.insert(list.end(), {op.b, op.c, op.d});
      list[count_at] += 1;
      overwritten = op.d == op.a;
    }
    const int32_t count = outer_count(list);
    const Handler outer = count == 4   ? rows_of_cpu().fma_outer_4
                          : count == 8 ? rows_of_cpu().fma_outer_8
                                       : nullptr;
    if (outer != nullptr) run.run[0] = outer;
    code.lists.push_back(std::move(list));
    ops[to++] = run;
  }
  ops.resize(to);
}

}  // namespace mtmc::emulator
