// What an opcode's text says about its cost.
#include "emulator/issue_class.hpp"

#include <catch2/catch.hpp>

using namespace mtmc::emulator;

TEST_CASE("opcodes have classes", "[issue_class]") {
  using C = IssueClass;
  const std::pair<const char*, C> rows[] = {
      {"fma.rn.f32", C::fp32},
      {"add.ftz.f32", C::fp32},
      {"add.rn.f32x2", C::fp32},
      {"fma.rn.f16x2", C::fp16},
      {"max.NaN.bf16", C::fp16},
      {"mul.f64", C::fp64},
      {"add.s32", C::integer},
      {"mul.lo.s32", C::integer_multiply},
      {"mad.wide.u32", C::integer_multiply},
      {"mad.lo.s64", C::integer64_multiply},
      {"add.s64", C::integer64},
      {"and.b64", C::integer64},
      {"shf.l.wrap.b32", C::integer},
      {"dp4a.s32.s32", C::integer_multiply},
      {"popc.b32", C::bit_count},
      {"setp.lt.and.f32", C::compare},
      {"or.pred", C::compare},
      {"selp.b64", C::select},
      {"mov.u32", C::move},
      {"cvta.to.global.u64", C::move},
      {"cvt.rn.f32.s32", C::conversion},
      {"cvt.rzi.f32.f32", C::conversion},
      {"cvt.rn.f16.f32", C::conversion_half},
      {"cvt.u32.u16", C::conversion_half},
      {"cvt.rn.f64.f32", C::conversion64},
      {"cvt.rzi.s64.f32", C::conversion64},
      {"ex2.approx.ftz.f32", C::special},
      {"rcp.approx.f32", C::special},
      {"div.approx.f32", C::special},
      {"div.full.f32", C::divide_f32},
      {"sqrt.rn.f32", C::divide_f32},
      {"rcp.rn.f64", C::divide_f64},
      {"rem.u32", C::divide_integer},
      {"div.s64", C::divide_integer64},
      {"ld.global.nc.v4.f32", C::load_global},
      {"ld.f32", C::load_global},
      {"ld.shared.v4.f32", C::load_shared},
      {"ld.shared::cluster.u32", C::load_shared},
      {"ld.local.u32", C::load_local},
      {"ld.param.u64", C::load_constant},
      {"st.global.f32", C::store_global},
      {"st.local.v2.u32", C::store_local},
      {"atom.global.add.f32", C::atomic_global},
      {"red.shared.add.u32", C::atomic_shared},
      {"cp.async.cg.shared.global", C::async_copy},
      {"cp.async.wait_group", C::barrier},
      {"cp.async.bulk.wait_group.read", C::barrier},
      {"cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes",
       C::async_copy},
      {"cp.async.mbarrier.arrive.shared.b64", C::barrier},
      {"shfl.sync.bfly.b32", C::shuffle},
      {"vote.sync.any.pred", C::shuffle},
      {"bar.sync", C::barrier},
      {"barrier.red.popc.u32", C::barrier},
      {"mbarrier.try_wait.parity.shared.b64", C::barrier},
      {"bra.uni", C::control},
      {"call.uni", C::control},
      {"ldmatrix.sync.aligned.m8n8.x4.shared.b16", C::matrix_load},
      {"wmma.load.a.sync.aligned.row.m16n16k16.shared.f16", C::matrix_load},
      {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", C::matrix},
      {"wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16", C::matrix},
      {"wgmma.wait_group.sync.aligned", C::barrier},
      {"nanosleep.u32", C::other},
      {"", C::other},
      {"...", C::other},
  };
  for (const auto& [opcode, expected] : rows) {
    INFO(opcode);
    CHECK(issue_class_name(issue_class_of(opcode)) == std::string(issue_class_name(expected)));
  }
}

TEST_CASE("matrix instructions say their work", "[issue_class]") {
  using K = ComputeKind;
  struct Row {
    const char* opcode;
    K kind;
    std::uint32_t operations;
  };
  const Row rows[] = {
      {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", K::f16_tensor, 2 * 16 * 8 * 16},
      {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", K::tf32_tensor, 2 * 16 * 8 * 8},
      {"mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32", K::int8_tensor, 2 * 16 * 8 * 32},
      {"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e5m2.f32", K::fp8_tensor, 2 * 16 * 8 * 32},
      {"mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64", K::fp64_tensor, 2 * 8 * 8 * 4},
      {"mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32", K::bf16_tensor,
       16 * 8 * 32},
      {"wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32", K::f16_tensor, 2 * 16 * 16 * 16},
      {"wmma.mma.sync.aligned.row.col.m16n16k16.s32.s8.s8.s32", K::int8_tensor, 2 * 16 * 16 * 16},
      {"wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16", K::f16_tensor, 2 * 64 * 256 * 16 / 4},
  };
  for (const Row& row : rows) {
    INFO(row.opcode);
    const auto work = matrix_work_of(row.opcode);
    REQUIRE(work.has_value());
    CHECK(std::string(compute_kind_name(work->kind)) == compute_kind_name(row.kind));
    CHECK(work->operations == row.operations);
  }
  CHECK_FALSE(matrix_work_of("fma.rn.f32").has_value());
  CHECK_FALSE(matrix_work_of("mma.sync.aligned.m16n8k99999.row.col.f32.f16.f16.f32").has_value());
  CHECK_FALSE(matrix_work_of("mma.sync.aligned.row.col").has_value());
}
