// The runtimes that a comparison can time models in, as experiment files name them.
#ifndef QUANTLAB_BASE_CONFIG_RUNTIME_NAMES_H_
#define QUANTLAB_BASE_CONFIG_RUNTIME_NAMES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/config/run_config.h"

namespace quantlab {

struct KnownRuntime {
  const char* name;      // "onnxruntime"
  const char* title;     // "ONNX Runtime"
  const char* packages;  // what pip installs for it: "onnxruntime numpy"; empty for this engine
};

// This engine, which is always timed.
inline constexpr char kOwnRuntime[] = "quantlab";

// That one first.
const std::vector<KnownRuntime>& KnownRuntimes();
const KnownRuntime* FindRuntime(absl::string_view name);  // nullptr where there is none

// Whether `name` is one of them, or of a program of the worker's own: "x-" and 1 to 32 of a-z, 0-9, '_', '-'.
bool IsRuntimeName(absl::string_view name);
// Of the second kind.
bool IsOwnProgramName(absl::string_view name);

// "ONNX Runtime"; `name` where it is not known.
std::string RuntimeTitle(absl::string_view name);

// "quantlab, onnxruntime, openvino, pytorch, x-NAME", for messages.
std::string RuntimeNames();

// The runtimes of a comparison. Its MethodConfig, which names no method, carries them as the parameter
// `runtimes`: one text, separated by commas. Of any other run: none.
std::vector<std::string> RuntimesOf(const RunConfig& config);
void SetRuntimes(const std::vector<std::string>& runtimes, RunConfig* config);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_RUNTIME_NAMES_H_
