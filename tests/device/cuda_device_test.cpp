// The CUDA device on the fake driver: all that a recipe can say, and all that can go wrong.
#include "device/cuda/cuda_device.hpp"

#include <catch2/catch.hpp>
#include <numeric>

#include "device/counters.hpp"
#include "device/workbench.hpp"

using namespace mtmc;
using namespace mtmc::test;
using nlohmann::json;

namespace {

std::vector<float> ramp(std::size_t n) {
  std::vector<float> v(n);
  std::iota(v.begin(), v.end(), 1.0f);
  return v;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a GPU is found by number and by name, and its facts come from the driver") {
  play({{"sms", 3}});
  auto device = open_gpu();
  CHECK(device->facts().name == "Fake GPU");
  CHECK(device->facts().architecture == "sm_90a");
  CHECK_FALSE(device->facts().emulated);
  CHECK(device->facts().sms == 3);
  CHECK(device->facts().dram_bytes_per_s == Approx(4e9));
  CHECK(device->facts().fp32_flops == Approx(256.0 * 3 * 5e6));
  CHECK(device->facts().launch_ns == 0);
  CHECK(open_gpu("fake gpu")->facts().name == "Fake GPU");
  CHECK(device::available_devices().front().name == "Fake GPU");
}

TEST_CASE("launches, memset and copy run in the order of the recipe") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(1000), false);
  b.buffer("y", std::vector<float>(1000, -1));
  b.buffer("z", std::vector<float>(1000, -1));
  b.step(b.launch("twice", 4, 256, {"x", "y"}, {1000}));
  b.step(kernel::ResolvedCopy{"y", "z", 0, 400, 400});
  b.step(kernel::ResolvedMemset{"z", 0, 40, 0});
  const auto report = b.run();
  INFO((report.fault ? report.fault->text : ""));
  REQUIRE_FALSE(report.fault);
  REQUIRE(report.launches.size() == 3);
  CHECK(report.launches[0].kernel == "twice");
  CHECK(report.launches[0].blocks_total == 4);
  CHECK(b.read("y")[999] == 2000);
  const auto z = b.read("z");
  CHECK(z[0] == 0);
  CHECK(z[9] == 0);
  CHECK(z[10] == -1);
  CHECK(z[100] == 2);
  CHECK(z[199] == 200);
  CHECK(z[200] == -1);
}

TEST_CASE("launch attributes reach the driver") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(4096), false);
  b.buffer("y", std::vector<float>(4096));
  auto launch = b.launch("twice", 16, 256, {"x", "y"}, {4096});
  launch.cluster[0] = 16;
  launch.cooperative = true;
  launch.programmatic_dependent = true;
  b.step(launch);
  const auto report = b.run();
  REQUIRE_FALSE(report.fault);
  const json said = last_launch();
  CHECK(said["cluster"] == json({16, 1, 1}));
  CHECK(said["cooperative"] == true);
  CHECK(said["pdl"] == true);
  CHECK(said["grid"] == json({16, 1, 1}));
}

TEST_CASE("dynamic shared memory above 48 KB is opted into, and more than there is refused") {
  play();
  Bench b(kKernels);
  const int n = 24 * 1024;  // 96 KB
  b.buffer("y", ramp(n));
  auto launch = b.launch("reverse_in_shared", 1, 256, {"y"}, {n});
  launch.shared_bytes = 4 * n;
  b.step(launch);
  REQUIRE_FALSE(b.run().fault);
  CHECK(b.read("y").front() == n);
  b.steps.clear();
  launch.shared_bytes = 400 * 1024;
  b.step(launch);
  const auto report = b.run();
  REQUIRE(report.fault);
  CHECK(report.fault->kind == "launch_error");
  CHECK(b.device->usable());
}

TEST_CASE("a tensor map is encoded from the recipe and handed over by value") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(64 * 32), false);
  b.buffer("y", std::vector<float>(4));
  kernel::ResolvedLaunch launch{"reads_map", {1, 1, 1}, {4, 1, 1}, {1, 1, 1}, false, false, 0, {}};
  launch.args = {
      kernel::ResolvedTensorMap{"x", op::DType::f32, 0, {64, 32}, {256}, {16, 8}, 128, false},
      kernel::ResolvedBufferArg{"y", 0}};
  b.step(launch);
  const auto report = b.run();
  INFO((report.fault ? report.fault->text : ""));
  REQUIRE_FALSE(report.fault);
  CHECK(b.read("y")[0] == 64 + 16000);
  b.steps.clear();
  std::get<kernel::ResolvedTensorMap>(launch.args[0]).strides_bytes = {
      100};  // not a multiple of 16
  b.step(launch);
  const auto refused = b.run();
  REQUIRE(refused.fault);
  CHECK(refused.fault->kind == "launch_error");
  CHECK(contains(refused.fault->text, "tensor map of 'x'"));
}

TEST_CASE("what a kernel does not take is a launch_error that says which argument") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(8), false);
  b.buffer("y", ramp(8));
  const auto text_of = [&](kernel::ResolvedLaunch launch) {
    b.steps.clear();
    b.step(std::move(launch));
    const auto report = b.run();
    REQUIRE(report.fault);
    CHECK(report.fault->kind == "launch_error");
    return report.fault->text;
  };
  CHECK(contains(text_of(b.launch("no_such_kernel", 1, 32, {})), "not in the module"));
  CHECK(contains(text_of(b.launch("twice", 1, 32, {"x", "y"})), "takes more than the 2 arguments"));
  CHECK(contains(text_of(b.launch("twice", 1, 32, {"x", "y"}, {8, 8})),
                 "takes 3 arguments, the recipe gives 4"));
  CHECK(contains(text_of(b.launch("twice", 1, 32, {"x", "y", "y"})),
                 "argument 2 has 4 bytes, the recipe gives 8"));
  CHECK(b.device->usable());
}

TEST_CASE("canaries catch stores before and behind a buffer") {
  play();
  Bench b(kKernels);
  b.buffer("y", ramp(100));
  SECTION("behind") {
    b.step(b.launch("past_the_end", 1, 3, {"y"}, {100}));
    const auto report = b.run();
    REQUIRE(report.fault);
    CHECK(report.fault->kind == "out_of_bounds");
    CHECK(report.fault->text ==
          "12 bytes behind 'y' (400 bytes) were overwritten, the nearest 1 bytes past its end");
  }
  SECTION("before") {
    b.step(b.launch("before", 1, 1, {"y"}));
    const auto report = b.run();
    REQUIRE(report.fault);
    CHECK(report.fault->kind == "out_of_bounds");
    CHECK(report.fault->text ==
          "4 bytes before 'y' were overwritten, the nearest 1 bytes before its start");
  }
  CHECK(b.device->usable());
}

TEST_CASE("an input that a kernel overwrites is out of bounds") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(100), false);
  b.step(b.launch("add_one", 1, 128, {"x"}, {100}));
  const auto report = b.run();
  REQUIRE(report.fault);
  CHECK(report.fault->kind == "out_of_bounds");
  CHECK(contains(report.fault->text, "the input 'x' was overwritten, at byte"));
}

TEST_CASE("sticky errors are the kernels' fault and make the device unusable") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(100), false);
  b.buffer("y", ramp(100));
  SECTION("illegal address") {
    b.step(b.launch("twice", 1, 128, {"x", "y"}, {100}));
    b.step(b.launch("far_away", 1, 1, {"y"}));
    const auto report = b.run();
    REQUIRE(report.fault);
    CHECK(report.fault->kind == "out_of_bounds");
    CHECK(contains(report.fault->text, "one of twice, far_away: CUDA_ERROR_ILLEGAL_ADDRESS"));
  }
  SECTION("misaligned") {
    b.step(b.launch("crooked", 1, 1, {"y"}));
    const auto report = b.run();
    REQUIRE(report.fault);
    CHECK(report.fault->kind == "misaligned");
    CHECK(contains(report.fault->text, "kernel crooked: CUDA_ERROR_MISALIGNED_ADDRESS"));
  }
  CHECK_FALSE(b.device->usable());
}

TEST_CASE("written() sees what a kernel changed") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(100), false);
  auto tracked = b.device->allocate({"y", 400, 256, true, true});
  REQUIRE(tracked);
  b.buffers["y"] = *tracked;
  b.sizes["y"] = 100;
  b.write("y", std::vector<float>(100, -7));
  b.step(b.launch("twice", 1, 32, {"x", "y"}, {20}));
  REQUIRE_FALSE(b.run().fault);
  const auto bits = b.device->written(*tracked);
  REQUIRE(bits.size() == 7);
  const auto changed = [&](int byte) {
    return bits[static_cast<std::size_t>(byte / 64)] >> (byte % 64) & 1;
  };
  CHECK((changed(0) || changed(1) || changed(2) || changed(3)));
  CHECK((changed(76) || changed(77) || changed(78) || changed(79)));
  CHECK_FALSE((changed(80) || changed(81) || changed(82) || changed(83)));
  CHECK(b.device->written(b.buffers.at("x")).empty());
}

TEST_CASE("a full GPU is unavailable and says how much was free") {
  play({{"devices", {{{"memory_bytes", 8 << 20}}}}});
  auto device = open_gpu();
  auto made = device->allocate({"big", 64 << 20, 256, true, false});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::unavailable);
  CHECK(contains(made.error().message, "for 'big'"));
  CHECK(contains(made.error().message, "CUDA_ERROR_OUT_OF_MEMORY"));
  CHECK(contains(made.error().message, "of 8388608 are free"));
  CHECK(device->usable());
}

TEST_CASE("a driver that is too old for the machine code is unavailable and says what to do") {
  play({{"fail", {{{"call", "cuModuleLoadDataEx"}, {"status", 222}}}}, {"driver_version", 12020}});
  // The version was read when the driver was loaded; what counts is the status.
  auto device = open_gpu();
  auto loaded = device->load(machine_code(kKernels));
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == ErrorCode::unavailable);
  CHECK(contains(loaded.error().message, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"));
  CHECK(contains(loaded.error().message, "MTMC_NVRTC"));
}

TEST_CASE("machine code of another architecture is unavailable") {
  play();
  auto device = open_gpu();
  auto loaded = device->load(machine_code(kKernels, "sm_80"));
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == ErrorCode::unavailable);
  CHECK(contains(loaded.error().message,
                 "loading machine code for sm_80: CUDA_ERROR_NO_BINARY_FOR_GPU"));
}

TEST_CASE("a device that vanishes is an error, not the kernel's fault") {
  play({{"fail", {{{"call", "cuStreamSynchronize"}, {"skip", 3}, {"status", 999}}}}});
  Bench b(kKernels);
  b.buffer("x", ramp(100), false);
  b.buffer("y", ramp(100));
  b.step(b.launch("twice", 1, 128, {"x", "y"}, {100}));
  Result<device::RunReport> report = b.device->run(b.steps, {});
  for (int i = 0; i < 3 && report; ++i) report = b.device->run(b.steps, {});
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::unavailable);
  CHECK(contains(report.error().message, "the GPU does not answer any more"));
  CHECK_FALSE(b.device->usable());
}

TEST_CASE("a GPU that lets nobody in is unavailable") {
  play({{"fail", {{{"call", "cuDevicePrimaryCtxRetain"}, {"status", 46}}}}});
  auto device = device::open_device("cuda:0");
  REQUIRE_FALSE(device);
  CHECK(device.error().code == ErrorCode::unavailable);
  CHECK(
      contains(device.error().message, "cuda:0: making a context: CUDA_ERROR_DEVICE_UNAVAILABLE"));
}

TEST_CASE("reset frees everything") {
  play({{"devices", {{{"memory_bytes", 1 << 20}}}}});
  Bench b(kKernels);
  for (int round = 0; round < 5; ++round) {
    auto made = b.device->allocate({"half", 1 << 19, 256, true, false});
    REQUIRE(made);
    b.device->reset();
  }
}

TEST_CASE("inputs are kept between judgements, and not once a kernel wrote to them") {
  play();
  Bench b(kKernels);
  b.buffer("x", ramp(1000), false);
  b.device->retain(b.buffers.at("x"), "x of seed 1");
  b.device->reset();
  b.buffer("again", std::vector<float>(1000, 0), false);
  CHECK(*b.device->recall(b.buffers.at("again"), "x of seed 1"));
  CHECK(b.read("again")[999] == 1000);
  CHECK_FALSE(*b.device->recall(b.buffers.at("again"), "x of seed 2"));
  b.buffer("short", std::vector<float>(10, 0), false);
  CHECK_FALSE(*b.device->recall(b.buffers.at("short"), "x of seed 1"));
  b.device->forget();
  CHECK_FALSE(*b.device->recall(b.buffers.at("again"), "x of seed 1"));
}

TEST_CASE("what is kept goes when memory is short") {
  play({{"devices", {{{"memory_bytes", 4 << 20}}}}});
  auto device = open_gpu();
  auto first = device->allocate({"x", 900 << 10, 256, false, false});
  REQUIRE(first);
  device->retain(*first, "x");
  device->reset();
  auto big = device->allocate({"big", 3500 << 10, 256, true, false});
  INFO((big ? "" : big.error().message));
  CHECK(big);
}

TEST_CASE("cuBLASLt multiplies row-major matrices, transposed and in batches") {
  play();
  Bench b(kKernels);
  const int m = 3, n = 5, k = 4, batch = 2;
  b.buffer("a", ramp(batch * m * k), false);
  b.buffer("w", ramp(n * k), false);  // one for all, [n, k]
  b.buffer("d", std::vector<float>(batch * m * n));
  b.recipe.buffers = {
      {"a",
       kernel::BufferRole::input,
       op::DType::f32,
       {batch, m, k},
       4 * batch * m * k,
       256,
       {},
       {},
       0},
      {"w", kernel::BufferRole::weight, op::DType::f32, {n, k}, 4 * n * k, 256, {}, {}, 0},
      {"d",
       kernel::BufferRole::output,
       op::DType::f32,
       {batch, m, n},
       4 * batch * m * n,
       256,
       {},
       {},
       0}};
  b.step(kernel::Library{"cublaslt", "matmul", {"a", "w", "d"}, R"({"transpose_b": true})"});
  const auto report = b.run();
  INFO((report.fault ? report.fault->text : ""));
  REQUIRE_FALSE(report.fault);
  CHECK(report.launches[0].kernel == "library");
  const auto a = ramp(batch * m * k), w = ramp(n * k), d = b.read("d");
  for (int i = 0; i < batch * m; ++i)
    for (int j = 0; j < n; ++j) {
      float want = 0;
      for (int l = 0; l < k; ++l) want += a[i * k + l] * w[j * k + l];
      CHECK(d[i * n + j] == want);
    }
}

TEST_CASE("a library step that cannot be is refused in words") {
  play();
  Bench b(kKernels);
  b.buffer("a", ramp(6), false);
  b.recipe.buffers = {{"a", kernel::BufferRole::input, op::DType::f32, {2, 3}, 24, 256, {}, {}, 0}};
  b.step(kernel::Library{"cublaslt", "matmul", {"a", "a", "a"}, ""});
  auto report = b.run();
  REQUIRE(report.fault);
  CHECK(report.fault->kind == "refused");
  CHECK(report.fault->text == "cublaslt matmul: shapes do not multiply");
  b.steps.clear();
  b.step(kernel::Library{"cublaslt", "qr", {"a"}, ""});
  report = b.run();
  REQUIRE(report.fault);
  CHECK(contains(report.fault->text, "no library routine 'cublaslt qr'"));
}

TEST_CASE("counters come from as many passes as the chip needs, under our names") {
  play({{"cupti", {{"passes", 3}}},
        {"counters",
         {{"dram__bytes_read.sum", 4000},
          {"dram__bytes_write.sum", 1000},
          {"smsp__issue_active.avg.pct_of_peak_sustained_elapsed", 25}}}});
  Bench b(kKernels);
  b.buffer("x", ramp(100), false);
  b.buffer("y", ramp(100));
  b.step(b.launch("twice", 1, 128, {"x", "y"}, {100}));
  auto* session = b.device->counter_session();
  REQUIRE(session);
  REQUIRE(session->permitted());
  auto counted = session->count(b.steps);
  INFO((counted ? "" : counted.error().message));
  REQUIRE(counted);
  REQUIRE_FALSE(counted->fault);
  CHECK(counted->passes == 3);
  CHECK(counted->values.at("dram_bytes") == 5000);
  CHECK(counted->values.at("issue_utilisation") == Approx(0.25));
  CHECK(counted->absent.empty());
}

TEST_CASE("counters that are not permitted say what the administrator can do") {
  play({{"cupti", {{"no_counters", 35}}}});
  auto device = open_gpu();
  auto ok = device->counter_session()->permitted();
  REQUIRE_FALSE(ok);
  CHECK(ok.error().code == ErrorCode::unavailable);
  CHECK(contains(ok.error().message, "NVreg_RestrictProfilingToAdminUsers=0"));
}
