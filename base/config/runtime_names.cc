#include "base/config/runtime_names.h"

#include <algorithm>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace quantlab {
namespace {

constexpr size_t kMaxOwnName = 32;
constexpr char kParam[] = "runtimes";

}  // namespace

const std::vector<KnownRuntime>& KnownRuntimes() {
  static const auto* const known =
      new std::vector<KnownRuntime>{{kOwnRuntime, "Quantlab", ""},
                                    {"onnxruntime", "ONNX Runtime", "onnxruntime numpy"},
                                    {"openvino", "OpenVINO", "openvino numpy"},
                                    {"pytorch", "PyTorch", "torch transformers numpy"}};
  return *known;
}

const KnownRuntime* FindRuntime(absl::string_view name) {
  for (const KnownRuntime& runtime : KnownRuntimes()) {
    if (runtime.name == name) return &runtime;
  }
  return nullptr;
}

bool IsOwnProgramName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "x-") || name.empty() || name.size() > kMaxOwnName) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
}

bool IsRuntimeName(absl::string_view name) {
  return FindRuntime(name) != nullptr || IsOwnProgramName(name);
}

std::string RuntimeTitle(absl::string_view name) {
  const KnownRuntime* const runtime = FindRuntime(name);
  return runtime == nullptr ? std::string(name) : runtime->title;
}

std::string RuntimeNames() {
  std::string names;
  for (const KnownRuntime& runtime : KnownRuntimes()) absl::StrAppend(&names, runtime.name, ", ");
  return names + "x-NAME";
}

std::vector<std::string> RuntimesOf(const RunConfig& config) {
  if (config.kind != RunKind::kComparison) return {};
  const auto it = config.method.params.find(kParam);
  const auto* const text = it == config.method.params.end() ? nullptr : std::get_if<std::string>(&it->second);
  if (text == nullptr) return {};
  return absl::StrSplit(*text, ',', absl::SkipEmpty());
}

void SetRuntimes(const std::vector<std::string>& runtimes, RunConfig* config) {
  if (runtimes.empty()) {
    config->method.params.erase(kParam);
  } else {
    config->method.params[kParam] = absl::StrJoin(runtimes, ",");
  }
}

}  // namespace quantlab
