// What hostile sources try: to read files and the environment, to eat time and memory, to break
// what comes after them.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "support.hpp"

using namespace mtmc;
using namespace mtmc::compiler;
using namespace mtmc::compiler::test;
using namespace std::chrono_literals;

namespace {

using Kind = CompileFailure::Kind;

constexpr const char* kFileSecret = "planted_file_secret_7391";
constexpr const char* kEnvironmentSecret = "planted_environment_secret_5527";

// Everything that a compilation gives back, in one text.
std::string everything(const Result<CompileOutcome>& outcome) {
  if (!outcome) return outcome.error().message;
  if (const auto* binary = std::get_if<Binary>(&*outcome))
    return binary->log + binary->ptx + binary->cubin;
  const auto& failure = std::get<CompileFailure>(*outcome);
  std::string all = failure.log;
  for (const Diagnostic& found : failure.diagnostics) all += found.file + found.message;
  return all;
}

struct Planted {
  Planted() {
    setenv("MTMC_PLANTED", kEnvironmentSecret, 1);
    std::ofstream(folder.path + "/secret.h") << "int " << kFileSecret << " = ;\n";
    std::ofstream(folder.path + "/good.h") << "#define FOUND 1\n";
    compiler = make(settings());  // after the secret, so that its worker could inherit it
  }
  TemporaryFolder folder;
  std::unique_ptr<Compiler> compiler;
};

}  // namespace

TEST_CASE("no spelling of include reaches a file or the environment") {
  Planted planted;
  const std::string file = planted.folder.path + "/secret.h";
  const std::string up = "../../../../../../../.." + file;
  std::vector<std::string> sources;
  const std::string parent = "/proc/" + std::to_string(getpid()) + "/environ";
  for (const std::string& path :
       {file, up, std::string("/proc/self/environ"), parent, std::string("/proc/self/cmdline"),
        "/proc/self/root" + file, std::string("/etc/passwd"), std::string("/dev/stdin")}) {
    sources.push_back("#include \"" + path + "\"\n");
    sources.push_back("#include <" + path + ">\n");
    sources.push_back("#define WHERE \"" + path + "\"\n#include WHERE\n");
    sources.push_back("#define Q(x) #x\n#define P(x) Q(x)\n#include P(" + path.substr(1) + ")\n");
    sources.push_back("#include_next \"" + path + "\"\n");
    sources.push_back("#include_next <" + path + ">\n");
    sources.push_back("#import \"" + path + "\"\n");
    sources.push_back("const char x[] = {\n#embed \"" + path + "\"\n};\n");
    sources.push_back("asm(\".incbin \\\"" + path + "\\\"\");\n__global__ void k() {}\n");
    sources.push_back("__global__ void k() { asm(\".incbin \\\"" + path + "\\\";\"); }\n");
    sources.push_back("__global__ void k() { asm(\".include \\\"" + path + "\\\"\"); }\n");
    sources.push_back("#line 1 \"" + path + "\"\nint x = ;\n");
    sources.push_back("#pragma include_alias(\"a.h\", \"" + path + "\")\n#include \"a.h\"\n");
    sources.push_back("#ident \"" + path + "\"\n_Pragma(\"include \\\"" + path +
                      "\\\"\")\nint x = ;\n");
  }
  std::string everything_back;
  for (const std::string& source : sources) {
    INFO(source);
    const std::string back = everything(planted.compiler->compile(request(source, "sm_80")));
    CHECK_FALSE(contains(back, kFileSecret));
    CHECK_FALSE(contains(back, kEnvironmentSecret));
    CHECK_FALSE(contains(back, "root:x:"));
    CHECK_FALSE(contains(back, "PATH="));
    CHECK_FALSE(contains(back, "--nvrtc"));
  }
}

TEST_CASE("the same holds inside an in-memory header") {
  Planted planted;
  CompileRequest wanted = request("#include \"mine.h\"\n__global__ void k() {}\n");
  wanted.sources.push_back({"mine.h", "#include_next \"" + planted.folder.path + "/secret.h\"\n"});
  CHECK_FALSE(contains(everything(planted.compiler->compile(wanted)), kFileSecret));
}

TEST_CASE("__has_include tells nothing about files") {
  Planted planted;
  const std::string there = planted.folder.path + "/good.h";
  const std::string not_there = planted.folder.path + "/missing.h";
  for (const char* probe : {"__has_include", "__has_include_next"}) {
    const auto answer = [&](const std::string& path) {
      std::string text = std::string("#if ") + probe + "(\"" + path +
                         "\")\n#error it is there\n#else\n#error it is not there\n#endif\n";
      std::string back = everything(planted.compiler->compile(request(text, "compute_80")));
      // The path itself may be echoed; what counts is the branch.
      return contains(back, "directive: it is there");
    };
    INFO(probe);
    CHECK_FALSE(answer(there));
    CHECK_FALSE(answer(not_there));
    CHECK_FALSE(answer("/etc/passwd"));
  }
  // The files really are readable by this user: the test would notice an open sandbox.
  CHECK(access(there.c_str(), R_OK) == 0);
  const std::string include =
      "#include \"" + there + "\"\n__global__ void k() { int x = FOUND; }\n";
  CHECK(must_fail(*planted.compiler, request(include)).kind == Kind::compile_error);
}

TEST_CASE("bombs end in time, as failures, and the next compilation works") {
  CompilerSettings limited = settings();
  limited.timeout = 2s;
  limited.memory_bytes = std::uint64_t{2} << 30;
  const auto compiler = make(limited);
  const std::pair<const char*, std::string> bombs[] = {
      {"template recursion",
       "template <int N> struct S { static const int v = S<N + 1>::v; };\n"
       "__global__ void k(int* x) { x[0] = S<0>::v; }\n"},
      {"doubling templates",
       "template <int N, int M> struct S { static const int v = S<N - 1, 2 * M>::v + S<N - 1, 2 * "
       "M + 1>::v; };\n"
       "template <int M> struct S<0, M> { static const int v = M; };\n"
       "__global__ void k(int* x) { x[0] = S<25, 1>::v; }\n"},
      {"constexpr loop",
       "__device__ constexpr int f() { int s = 0; for (int i = 0; i < 1000000000; ++i) s ^= i; "
       "return s; }\n"
       "constexpr int v = f();\n__global__ void k(int* x) { x[0] = v; }\n"},
      {"macro expansion",
       "#define A X X X X X X X X X X\n#define B A A A A A A A A A A\n#define C B B B B B B B B B "
       "B\n"
       "#define D C C C C C C C C C C\n#define E D D D D D D D D D D\n#define F E E E E E E E E E "
       "E\n"
       "#define G F F F F F F F F F F\n#define H G G G G G G G G G G\n#define X +1\n"
       "__global__ void k(int* x) { x[0] = 0 H H H; }\n"},
      {"include of itself", "#include \"unit.cu\"\n"},
      {"giant initialised array",
       "__device__ int a[1 << 28] = {1};\n__global__ void k(int* x) { x[0] = a[x[1]]; }\n"},
  };
  const std::string good = "extern \"C\" __global__ void k(int* x) { x[0] = 1; }";
  for (const auto& [name, text] : bombs) {
    INFO(name);
    const auto begin = std::chrono::steady_clock::now();
    const auto outcome = compiler->compile(request(text, "sm_80"));
    const auto took = std::chrono::steady_clock::now() - begin;
    REQUIRE(outcome.has_value());
    CHECK(took < 20s);
    CHECK(everything(outcome).size() < 100 * 1024);
    CHECK(std::holds_alternative<CompileFailure>(*outcome));
    must_compile(*compiler, request(good, "sm_80"));
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a compilation that eats its memory takes only its worker down") {
  CompilerSettings small = settings();
  small.memory_bytes = std::uint64_t{600} << 20;
  const auto compiler = make(small);
  const CompileFailure failure =
      must_fail(*compiler, request("__device__ int a[1 << 27] = {1};\n"
                                   "__global__ void k(int* x) { x[0] = a[x[1]]; }\n",
                                   "compute_80"));
  CHECK(failure.kind == Kind::crash);
  must_compile(*compiler, request("__global__ void k(int* x) { x[0] = 1; }", "compute_80"));
}
#endif

TEST_CASE("a compilation that takes too long is stopped and said to be a timeout") {
  CompilerSettings hurried = settings();
  hurried.timeout = 300ms;
  const auto compiler = make(hurried);
  const CompileFailure failure = must_fail(*compiler, request(R"(
    template <int N, int M> struct S { static const int v = S<N - 1, 2 * M>::v + S<N - 1, 2 * M + 1>::v; };
    template <int M> struct S<0, M> { static const int v = M; };
    __global__ void k(int* x) { x[0] = S<28, 1>::v; })"));
  CHECK(failure.kind == Kind::timeout);
  CHECK(contains(failure.diagnostics[0].message, "300 ms"));
  must_compile(*compiler, request("__global__ void k(int* x) { x[0] = 1; }", "compute_80"));
}

TEST_CASE("a flood of errors gives a log of 64 KiB at most, and says that it is cut") {
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += "static __device__ int unused_" + std::to_string(i) + "_" + std::string(150, 'x') +
            " = 1;\n";
  text += "#error stop\n";
  const CompileFailure failure = must_fail(shared_compiler(), request(text, "compute_80"));
  CHECK(failure.diagnostics.size() <= 100);
  std::string warnings;
  for (int i = 0; i < 2000; ++i)
    warnings += "#warning " + std::to_string(i) + std::string(100, 'w') + "\n";
  const Binary binary =
      must_compile(shared_compiler(), request(warnings + "__global__ void k() {}", "compute_80"));
  CHECK(binary.log.size() <= kMaxLogBytes);
  CHECK(contains(binary.log, "[cut: the log is longer than 64 KiB]"));
}

TEST_CASE("texts that are not text are failures with a place") {
  CompileFailure failure =
      must_fail(shared_compiler(), request(std::string("int a;\nint b\0;\n", 15)));
  CHECK(failure.diagnostics[0].file == "unit.cu");
  CHECK(failure.diagnostics[0].line == 2);
  CHECK(contains(failure.diagnostics[0].message, "NUL"));
  failure = must_fail(shared_compiler(), request("// \xff\xfe\n__global__ void k() {}"));
  CHECK(contains(failure.diagnostics[0].message, "UTF-8"));
  must_compile(shared_compiler(), request("// \xc3\xa4\n__global__ void k() {}"));
  CHECK(must_compile(shared_compiler(), request("")).kernels.empty());
}
