// The events that an attempt reports while it runs. The wire form is proto/quantlab/v1/event.proto, whose
// comments give units and meanings.
// Texts for users are English; `coded_…` beside one is the same as a message, for other languages. It is
// empty where the program that wrote the event is older than messages.
#ifndef QUANTLAB_BASE_RECORDS_EVENT_H_
#define QUANTLAB_BASE_RECORDS_EVENT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "base/messages/message.h"

namespace quantlab {

struct Progress {
  std::string phase;
  int64_t done = 0;
  int64_t total = 0;  // 0: unknown
  std::string unit;
  Message coded_phase = {};
};

struct Metric {
  std::string name;
  double value = 0;
  std::string unit;
  std::map<std::string, std::string> labels;
  int64_t step = 0;                 // 0: a final number
  std::optional<double> low, high;  // 95 % interval
  int64_t samples = 0;
};

enum class Severity { kDebug = 1, kInfo, kWarning, kError };

struct LogLine {
  Severity severity = Severity::kInfo;
  std::string message;
  Message coded_message = {};  // most lines of a log are in English only
};

struct Artifact {
  std::string name;  // within the run: "model/model.safetensors"
  std::string sha256;
  int64_t size = 0;  // bytes
};

struct Layer {
  std::string name;
  int64_t in_features = 0, out_features = 0;
  std::string requested, effective, kernel, reason;
  double macs_share = 0;
  int64_t bytes_fp32 = 0, bytes = 0;
  // Signal to quantization noise of the layer's output, dB, both layers given the FP32 layer's inputs;
  // none: not measured, or no difference at all.
  std::optional<double> sqnr_db;
  Message coded_reason = {};
  std::string role = {};  // base/config/layer_role.h; empty in events stored before there were roles
  std::optional<int64_t> block = {};  // index of its encoder layer; none: in none, or not known
  // The median over tokens of the same ratio of each token's output, dB: unlike sqnr_db, not ruled by the few
  // tokens with the largest outputs. None: as sqnr_db, or from an older runner.
  std::optional<double> median_sqnr_db = {};
};

struct Environment {
  std::string fingerprint;
  std::map<std::string, std::string> facts;
};

struct Caveat {
  std::string code;
  std::string message;
  Message coded_message = {};
};

using EventKind = std::variant<Progress, Metric, LogLine, Artifact, Layer, Environment, Caveat>;

struct Event {
  int64_t number = 0;  // from 1, without gaps, per attempt
  absl::Time time;
  EventKind kind;
};

// The end of an attempt as reported by its runner: the last line on its event pipe.
struct RunnerFinished {
  bool ok = false;
  std::string code;  // name of the absl::StatusCode
  std::string message;
  bool stopped = false;
  Message coded_message = {};
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_EVENT_H_
