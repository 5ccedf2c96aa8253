// Stands in for the tool: "worker --role compile --nvrtc PATH".
#include "compiler/worker.hpp"

#include <cstring>

int main(int count, char** arguments) {
  if (count != 6 || std::strcmp(arguments[1], "worker") != 0 ||
      std::strcmp(arguments[3], mtmc::compiler::kCompileRole) != 0) {
    return 2;
  }
  mtmc::compiler::compile_worker_main(arguments[5]);
}
