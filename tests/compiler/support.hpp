// One compiler for all test cases of an executable, and short ways to use it.
#pragma once

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "compiler/compiler.hpp"

namespace mtmc::compiler::test {

struct TemporaryFolder {
  TemporaryFolder() {
    char name[] = "/tmp/mtmc-compiler-XXXXXX";
    path = mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

inline CompilerSettings settings() {
  CompilerSettings chosen;
  chosen.tool = MTMC_COMPILE_WORKER;
  chosen.max_workers = 1;
  return chosen;
}

inline std::unique_ptr<Compiler> make(const CompilerSettings& chosen) {
  auto made = Compiler::create(chosen);
  if (!made) FAIL(made.error().message);
  return std::move(*made);
}

inline Compiler& shared_compiler() {
  static const std::unique_ptr<Compiler> compiler = make(settings());
  return *compiler;
}

inline CompileRequest request(const std::string& text, const std::string& architecture = "sm_90a") {
  CompileRequest made;
  made.sources = {{"unit.cu", text}};
  made.architecture = architecture;
  return made;
}

inline Binary must_compile(Compiler& compiler, const CompileRequest& wanted) {
  auto outcome = compiler.compile(wanted);
  if (!outcome) FAIL(outcome.error().message);
  if (const auto* failure = std::get_if<CompileFailure>(&*outcome)) FAIL(failure->log);
  return std::get<Binary>(std::move(*outcome));
}

inline CompileFailure must_fail(Compiler& compiler, const CompileRequest& wanted) {
  auto outcome = compiler.compile(wanted);
  if (!outcome) FAIL(outcome.error().message);
  REQUIRE(std::holds_alternative<CompileFailure>(*outcome));
  auto failure = std::get<CompileFailure>(std::move(*outcome));
  CHECK_FALSE(failure.diagnostics.empty());
  CHECK(failure.log.size() <= kMaxLogBytes);
  return failure;
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace mtmc::compiler::test
