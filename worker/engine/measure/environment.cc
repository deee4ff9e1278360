#include "worker/engine/measure/environment.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <sys/utsname.h>
#include <unistd.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "worker/engine/kernels/int8_kernels.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/proc_file.h"

namespace quantlab::engine {
namespace {

// What the names of variables begin with that change which kernels run, with how many threads, and with which
// allocator: OpenMP's of GNU and LLVM, those of LibTorch and its libraries, the dynamic linker's and the C
// library's.
constexpr const char* kVariables[] = {
    "ATEN_",   "DNNL_", "GLIBC_TUNABLES",       "GOMP_", "KMP_",    "LD_PRELOAD",
    "MALLOC_", "MKL_",  "NVIDIA_TF32_OVERRIDE", "OMP_",  "ONEDNN_", "TORCH_ALLOW_TF32"};

std::string OsName() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    absl::string_view text = line;
    if (absl::ConsumePrefix(&text, "PRETTY_NAME=")) {
      absl::ConsumePrefix(&text, "\"");
      absl::ConsumeSuffix(&text, "\"");
      return std::string(text);
    }
  }
  return "unknown";
}

// In order of name, so that a kernel which lists them otherwise changes nothing.
std::string CpuFlags() {
  const std::string line = FirstLineValue("/proc/cpuinfo", "flags");
  const std::set<std::string> flags = absl::StrSplit(line, ' ', absl::SkipEmpty());
  return absl::StrJoin(flags, " ");
}

int64_t MemoryBytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<int64_t>(sysconf(_SC_PAGE_SIZE));
}

// NAME=VALUE of those that are set, in order of name.
std::string KernelVariables() {
  std::set<std::string> set;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    for (const char* beginning : kVariables) {
      if (absl::StartsWith(*variable, beginning)) set.insert(*variable);
    }
  }
  return absl::StrJoin(set, " ");
}

// The content of a file of one line; empty where there is none, as in most virtual machines.
std::string OneLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

}  // namespace

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

int SetUpDeterminism(int threads, uint64_t seed) {
  // cuBLAS is deterministic only with a workspace of fixed size.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  const int count = threads > 0 ? threads : UsableCores();
  at::set_num_threads(count);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setBenchmarkCuDNN(false);
  at::manual_seed(seed);
  return count;
}

Environment DescribeEnvironment(const Device& device, int threads) {
  Environment environment;
  auto& facts = environment.facts;
  facts["cpu_model"] = FirstLineValue("/proc/cpuinfo", "model name");
  facts["cpu_flags"] = CpuFlags();
  facts["cores"] = absl::StrCat(UsableCores());
  facts["threads"] = absl::StrCat(threads);
  facts["torch"] = TORCH_VERSION;
  facts["cpu_capability"] = at::get_cpu_capability();
  facts["int8_kernels"] = Int8IsaName(BestInt8Isa());
  facts["kernel_variables"] = KernelVariables();
  facts["microcode"] = FirstLineValue("/proc/cpuinfo", "microcode");
  facts["smt"] = OneLine("/sys/devices/system/cpu/smt/active");
  facts["governor"] = OneLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  facts["device"] = device.name();
  if (!device.is_cpu()) facts["gpu"] = DeviceModels(device);
  std::string canonical;
  for (const auto& [name, value] : facts) {
    if (name != "cores") absl::StrAppend(&canonical, name, "=", value, "\n");
  }
  environment.fingerprint = Sha256Hex(canonical).substr(0, 16);
  facts["memory_bytes"] = absl::StrCat(MemoryBytes());
  if (const int64_t memory = TotalDeviceMemory(device); memory > 0)
    facts["gpu_memory_bytes"] = absl::StrCat(memory);
  facts["os"] = OsName();
  utsname kernel;
  if (uname(&kernel) == 0) facts["kernel"] = absl::StrCat(kernel.sysname, " ", kernel.release);
  if (auto digest = Sha256OfFile("/proc/self/exe"); digest.ok()) facts["runner_sha256"] = *digest;
  return environment;
}

}  // namespace quantlab::engine
