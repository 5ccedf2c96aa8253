#include "emulator/measure.hpp"

#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace mtmc::bench {
namespace {

double clock_seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::uint64_t status_bytes(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key + ":", 0) == 0)
      return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
  return 0;
}

std::string cpu_line(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key, 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return "unknown";
}

}  // namespace

CpuTimer::CpuTimer()
    : thread_(clock_seconds(CLOCK_THREAD_CPUTIME_ID)),
      process_(clock_seconds(CLOCK_PROCESS_CPUTIME_ID)) {}

double CpuTimer::seconds() const {
  const double thread = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - thread_;
  const double process = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - process_;
  return std::max(thread, process - thread);
}

std::uint64_t resident_bytes() { return status_bytes("VmRSS"); }
std::uint64_t peak_resident_bytes() { return status_bytes("VmHWM"); }
bool reset_peak_resident() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5" << std::flush;
  return out.good();
}

MachineFacts machine_facts() {
  MachineFacts facts;
  facts.cpu = cpu_line("model name");
  facts.compiler = "g++ " __VERSION__;
  utsname name{};
  if (uname(&name) == 0) facts.kernel = std::string(name.sysname) + " " + name.release;
  std::istringstream flags(cpu_line("flags"));
  for (std::string flag; flags >> flag;)
    for (const char* wanted : {"avx", "fma", "f16c", "bmi", "sse4", "amx"})
      if (flag.rfind(wanted, 0) == 0) {
        facts.vector_flags.push_back(flag);
        break;
      }
  facts.threads = std::thread::hardware_concurrency();
  return facts;
}

}  // namespace mtmc::bench
