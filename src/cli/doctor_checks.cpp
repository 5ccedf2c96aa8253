#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "base/landlock.hpp"
#include "base/worker.hpp"
#include "cli/command.hpp"
#include "cli/doctor.hpp"
#include "compiler/compiler.hpp"
#include "device/cuda/probe.hpp"
#include "harness/oracle.hpp"
#include "llm/http_endpoint.hpp"
#include "llm/key.hpp"
#include "search/suite.hpp"

namespace mtmc::cli {

namespace {

namespace fs = std::filesystem;
using State = PartState;

// What is not whole has at most so many names in its line.
constexpr std::size_t kNamed = 3;

Part compiler_part(const std::string& tool, std::string& sandbox_note) {
  compiler::CompilerSettings settings;
  settings.tool = tool;
  settings.max_workers = 1;
  auto made = compiler::Compiler::create(settings);
  if (!made)
    return {"nvrtc", State::broken, made.error().message,
            "install a CUDA 12 or 13 toolkit or pip's nvidia-cuda-nvrtc, or name the library with "
            "MTMC_NVRTC"};
  const compiler::Compiler& c = **made;
  sandbox_note = c.sandbox_note();
  const auto& targets = c.architectures();
  return {
      "nvrtc", State::present,
      fmt::format("{}, {} to {}, {}", c.version(), targets.front(), targets.back(), c.library()),
      ""};
}

Part sandbox_part(const std::string& note) {
  const int abi = landlock_abi();
  unsigned action = SECCOMP_RET_ERRNO;
  const bool filters = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  Part part{"sandbox", State::present, "", ""};
  part.found = fmt::format("landlock {}, seccomp filters {}",
                           abi > 0 ? fmt::format("ABI {}", abi) : "not offered",
                           filters ? "offered" : "not offered");
  if (!note.empty()) part.found += "; in a worker: " + note;
  if (abi > 0 && filters && note.empty()) return part;
  // Either of the two closes the file system to workers.
  part.state = abi > 0 || filters ? State::limited : State::broken;
  part.to_do = part.state == State::limited
                   ? "nothing has to be done: the other part closes files to workers"
                   : "allow seccomp in this container, or use a kernel of 5.13 or newer with "
                     "landlock in its lsm= list";
  return part;
}

Part from_probe(const device::cuda::Part& p) {
  if (!p.available) return {p.name, State::absent, p.why, p.advice};
  return {p.name, State::present, p.path.empty() ? p.version : p.version + ", " + p.path, ""};
}

Part counters_part(const std::string& tool, int ordinal) {
  WorkerOptions options;
  options.role = "counters";
  options.process.executable = tool;
  options.process.arguments = {"worker", "--role", "counters", "--device", std::to_string(ordinal)};
  options.process.environment = device::cuda::gpu_environment();
  options.process.limits.may_write_files = true;  // the driver keeps a cache
  auto facts = Worker(options).facts();
  if (facts) return {"counters", State::present, "hardware counters are permitted", ""};
  return {"counters", State::absent, facts.error().message,
          "measured times do not need them; an administrator permits them with "
          "NVreg_RestrictProfilingToAdminUsers=0, or the container with CAP_SYS_ADMIN"};
}

void add_gpu_parts(const std::string& tool, std::vector<Part>& parts) {
  const device::cuda::Probe probe = device::cuda::probe();
  parts.push_back(from_probe(probe.driver));
  for (const auto& gpu : probe.gpus) {
    Part part{
        fmt::format("gpu {}", gpu.ordinal), State::present,
        fmt::format("{}, {}, {} SMs, {:.0f} GiB", gpu.name, gpu.facts.architecture, gpu.facts.sms,
                    static_cast<double>(gpu.memory_bytes) / 1024 / 1024 / 1024),
        ""};
    if (gpu.mig) part.found += ", a MIG slice";
    if (gpu.other_processes > 0) {
      part.state = State::limited;
      part.found += fmt::format(", {} other process(es) compute on it", gpu.other_processes);
      part.to_do = "measured times are not to be trusted while others compute on it";
    }
    if (!gpu.note.empty()) {
      part.state = State::limited;
      part.found += ", " + gpu.note;
    }
    parts.push_back(std::move(part));
  }
  if (probe.gpus.empty())
    parts.push_back({"gpu", State::absent,
                     probe.driver.available ? "the driver finds no GPU" : "no driver, so no GPU",
                     "nothing has to be done for modelled times: kernels run on the PTX emulator"});
  for (const auto* p : {&probe.cupti, &probe.nvml, &probe.cublaslt, &probe.cudnn})
    parts.push_back(from_probe(*p));
  if (!probe.gpus.empty()) parts.push_back(counters_part(tool, probe.gpus.front().ordinal));
}

Part database_part(const std::string& named) {
  Common common;
  common.db = named;
  auto path = database_path(common);
  if (!path) return {"database", State::broken, path.error().message, "name a file with --db"};
  std::error_code ignored;
  if (!fs::exists(*path, ignored)) {
    fs::path folder = fs::absolute(*path).parent_path();
    while (!fs::exists(folder, ignored) && folder.has_relative_path())
      folder = folder.parent_path();
    if (access(folder.c_str(), W_OK) != 0)
      return {"database", State::broken,
              fmt::format("{}: {} cannot be written", *path, folder.string()),
              "name a file with --db"};
    return {"database", State::present, fmt::format("{}, made by the first run", *path), ""};
  }
  auto store = store::Store::open(*path, store::OpenMode::read_only);
  if (!store)
    return {"database", State::broken, store.error().message, "name another file with --db"};
  if (auto ok = store->check_integrity(); !ok)
    return {"database", State::broken, ok.error().message, "name another file with --db"};
  if (access(path->c_str(), W_OK) != 0)
    return {"database", State::limited, fmt::format("{} is whole, and cannot be written", *path),
            "queries work; runs need --db"};
  return {"database", State::present,
          fmt::format("{}, {:.1f} MB, whole", *path,
                      static_cast<double>(fs::file_size(*path, ignored)) / 1e6),
          ""};
}

Part suite_part(const std::string& tool) {
  const std::string folder = search::suite_folder(tool);
  std::size_t tasks = 0;
  std::string levels;
  for (int level = 1; level <= 4; ++level) {
    if (std::error_code ignored;
        !fs::exists(fs::path(folder) / fmt::format("level{}.jsonl", level), ignored))
      continue;
    auto read = search::read_level(folder, level);
    if (!read) return {"suite", State::limited, read.error().message, "install the tool again"};
    tasks += read->size();
    levels += (levels.empty() ? "" : ", ") + std::to_string(level);
  }
  if (tasks == 0)
    return {"suite", State::absent, folder + " holds no tasks",
            "install the tool again, or name a folder with --data"};
  return {"suite", State::present,
          fmt::format("{} KernelBench tasks (level {}) in {}", tasks, levels, folder), ""};
}

Part oracle_part(const std::string& tool, const std::string& python) {
  auto oracle = harness::Oracle::create({harness::oracle_folder(tool), python});
  if (!oracle)
    return {"pytorch", State::absent, oracle.error().message,
            "baselines and certification need it: pip install torch, or name a Python that has it "
            "with --python"};
  const auto& facts = oracle->facts();
  const auto text = [&](const char* key) { return facts.value(key, std::string()); };
  Part part{"pytorch", State::present, fmt::format("{} in {}", text("torch"), text("python")), ""};
  if (text("device").empty()) {
    part.state = State::limited;
    part.found += ", without a GPU: it certifies, and times nothing that counts";
  } else {
    part.found += fmt::format(", CUDA {}, {}", text("cuda"), text("device"));
  }
  if (!facts.value("compile", false)) {
    part.state = State::limited;
    part.found += ", without torch.compile";
    part.to_do = "PyTorch 2 has torch.compile";
  }
  return part;
}

Part endpoint_part(const EndpointChoice& options) {
  const char* sources = options.key_file.empty() ? "MTMC_LLM_KEY or OPENAI_API_KEY" : "--key-file";
  auto key = llm::load_key(options.key_file.empty() ? std::nullopt
                                                    : std::optional<std::string>(options.key_file));
  if (!key) return {"endpoint", State::limited, key.error().message, "correct the key file"};
  const std::string have =
      key->empty() ? fmt::format("no key in {}", sources) : fmt::format("a key in {}", sources);
  if (options.url.empty() || options.model.empty())
    return {"endpoint", State::absent, fmt::format("none named, {}", have),
            "nothing has to be done for --planner policy --coder template; doctor --endpoint URL "
            "--model NAME asks one for one token"};
  llm::HttpSettings settings;
  settings.base_url = options.url;
  settings.retries = 0;
  auto endpoint = llm::make_http_endpoint(std::move(settings), std::move(*key));
  if (!endpoint)
    return {"endpoint", State::limited, endpoint.error().message, "correct --endpoint"};
  llm::Request request;
  request.model = options.model;
  request.messages = {{"user", "Say yes."}};
  request.max_tokens = 1;
  auto exchange = (*endpoint)->complete(request);
  if (!exchange)
    return {"endpoint", State::limited, exchange.error().message,
            fmt::format("check --endpoint, --model and the key ({})", have)};
  return {"endpoint", State::present,
          fmt::format("{} answered as {} in {:.0f} ms, {}", (*endpoint)->name(), exchange->model,
                      exchange->latency_ms, have),
          ""};
}

}  // namespace

std::string_view name_of(PartState state) {
  switch (state) {
    case State::present:
      return "present";
    case State::limited:
      return "limited";
    case State::absent:
      return "absent";
    case State::broken:
      return "broken";
  }
  return "?";
}

std::vector<Part> examine_bundle(const std::string& root) {
  std::ifstream manifest(fs::path(root) / "MANIFEST");
  if (!manifest) return {};
  std::vector<std::string> wrong;
  std::size_t files = 0;
  for (std::string line; std::getline(manifest, line);) {
    if (line.size() < 67) {
      wrong.push_back("MANIFEST");
      break;
    }
    ++files;
    const std::string name = line.substr(66);
    std::ifstream file(fs::path(root) / name, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file || sha256(bytes) != line.substr(0, 64)) wrong.push_back(name);
  }
  if (wrong.empty() && files > 0)
    return {{"bundle", State::present, fmt::format("{} files in {}, whole", files, root), ""}};
  std::string names;
  for (std::size_t i = 0; i < std::min(wrong.size(), kNamed); ++i)
    names += (i ? ", " : "") + wrong[i];
  if (wrong.size() > kNamed) names += fmt::format(" and {} more", wrong.size() - kNamed);
  return {{"bundle", State::broken,
           fmt::format("{} is truncated or changed: {}", root,
                       names.empty() ? "MANIFEST is empty" : names),
           "unpack the bundle again"}};
}

std::vector<Part> examine(const DoctorOptions& options) {
  std::vector<Part> parts;
  parts.push_back(
      {"tool", State::present, fmt::format("mtmc {}, {}", kToolVersion, options.tool), ""});
  for (auto& part : examine_bundle(fs::path(options.tool).parent_path().parent_path().string()))
    parts.push_back(std::move(part));
  std::string note;
  parts.push_back(compiler_part(options.tool, note));
  parts.push_back(sandbox_part(note));
  add_gpu_parts(options.tool, parts);
  parts.push_back(database_part(options.database));
  parts.push_back(suite_part(options.tool));
  parts.push_back(oracle_part(options.tool, options.python));
  parts.push_back(endpoint_part(options.endpoint));
  return parts;
}

nlohmann::json to_json(const std::vector<Part>& parts) {
  nlohmann::json list = nlohmann::json::array();
  bool ready = true, measures = false;
  for (const auto& p : parts) {
    list.push_back(
        {{"part", p.name}, {"state", name_of(p.state)}, {"found", p.found}, {"to_do", p.to_do}});
    ready &= p.state != State::broken;
    measures |= p.name.rfind("gpu ", 0) == 0;
  }
  return {{"ready", ready}, {"times", measures ? "measured" : "modelled"}, {"parts", list}};
}

}  // namespace mtmc::cli
