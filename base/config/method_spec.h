// A quantization method's name, parameters and supported devices, available to every part of the system
// without LibTorch. The engine implements methods; the coordinator validates against the same specs;
// `quantctl methods` prints them.
#ifndef QUANTLAB_BASE_CONFIG_METHOD_SPEC_H_
#define QUANTLAB_BASE_CONFIG_METHOD_SPEC_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab {

// A parameter's value. Order of the alternatives is part of the contract (see ParamType).
using ParamValue = std::variant<bool, int64_t, double, std::string>;
using Params = std::map<std::string, ParamValue>;  // ordered: the canonical form is deterministic

enum class ParamType { kBool, kInt, kDouble, kString };

struct ParamSpec {
  std::string name;
  ParamType type = ParamType::kString;
  ParamValue default_value;
  std::vector<std::string> allowed;  // kString only; empty: any text
  std::optional<double> min, max;    // kInt and kDouble only; inclusive
  std::string help;                  // one sentence: what it is for
};

// The support of a method on a kind of device.
struct DeviceSupport {
  std::string device;  // "cpu", "cuda"
  std::string level;   // "native", "fallback", "refused"
  std::string detail;  // the fallback, or why it is refused; may be empty when native
};

// The inputs of a method besides the FP32 checkpoint. Texts are drawn and ordered by the run's seed, so a
// method without any gives the same result with every seed.
struct MethodInputs {
  bool training_texts = false;     // calibration or training
  bool validation_texts = false;   // choices by measured accuracy
  bool training_settings = false;  // how the experiment trains, but for epochs and learning_rate
  bool timed_shapes = false;       // batch sizes and lengths of evaluation.latency: choices by measured cost
};

struct MethodSpec {
  std::string name;        // as in the experiment file: "dynamic_quantization"
  std::string short_name;  // as in result folders: "dynamic_quant"
  int version = 1;         // grows when the same parameters would give another result
  std::string title;       // "Dynamic quantization"
  std::string title_zh;    // "动态量化"
  std::string help;        // two or three sentences
  bool quantizes = true;   // false: a control, whose layers stay FP32
  std::string control_of;  // the method whose control this is, and whose parameters it follows
  std::vector<ParamSpec> params;
  // Under parameters that ResolveParams has completed.
  MethodInputs (*inputs)(const Params& resolved) = [](const Params&) { return MethodInputs(); };
  std::vector<DeviceSupport> devices;
};

// Every method that this version implements, in the order in which reports show them.
const std::vector<MethodSpec>& AllMethods();

// nullptr for an unknown name.
const MethodSpec* FindMethod(absl::string_view name);

// `given` checked against `spec` and completed with defaults.
// Errors: INVALID_ARGUMENT names the method, the parameter and what is allowed.
absl::StatusOr<Params> ResolveParams(const MethodSpec& spec, const Params& given);

// One value checked against one parameter; an integer is accepted where a double is wanted.
absl::StatusOr<ParamValue> CheckParam(const MethodSpec& method, const ParamSpec& param,
                                      const ParamValue& value);

// "true", "3", "0.5", "per_token": as in an experiment file. Different values give different texts.
std::string ParamToString(const ParamValue& value);

// "int, 0 to 100" or "one of: a, b": for error messages and help.
std::string DescribeAllowed(const ParamSpec& param);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_METHOD_SPEC_H_
