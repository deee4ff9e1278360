#include "worker/runner/comparison/memory_child.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/prctl.h>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/config/settings.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/measure/bench.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/models/saved_model.h"
#include "worker/engine/train/evaluate.h"
#include "worker/runner/comparison/kernel_audit.h"
#include "worker/runner/comparison/measuring_child.h"

namespace quantlab::runner {
namespace {

using Json = nlohmann::ordered_json;

// oneDNN prints a line for each primitive of each layer.
constexpr size_t kMaxOutput = 64 << 20;

Json MemoryToJson(const engine::ProcessMemory& memory) {
  return {{"resident", memory.resident},
          {"anonymous", memory.anonymous},
          {"file", memory.file},
          {"shared", memory.shared},
          {"peak", memory.peak}};
}

absl::StatusOr<engine::ProcessMemory> MemoryFromJson(const Json& json, const char* key) {
  engine::ProcessMemory memory;
  const auto part = json.find(key);
  if (part == json.end() || !part->is_object()) return absl::InternalError(absl::StrCat("no ", key));
  const std::pair<const char*, int64_t*> fields[] = {{"resident", &memory.resident},
                                                     {"anonymous", &memory.anonymous},
                                                     {"file", &memory.file},
                                                     {"shared", &memory.shared},
                                                     {"peak", &memory.peak}};
  for (const auto& [name, target] : fields) {
    const auto value = part->find(name);
    if (value == part->end() || !value->is_number_integer())
      return absl::InternalError(absl::StrCat("no ", name));
    *target = value->get<int64_t>();
  }
  return memory;
}

absl::StatusOr<MemoryReport> ReportFromJson(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InternalError("measure-memory printed no report");
  MemoryReport report;
  QL_ASSIGN_OR_RETURN(report.start, MemoryFromJson(json, "start"));
  QL_ASSIGN_OR_RETURN(report.loaded, MemoryFromJson(json, "loaded"));
  QL_ASSIGN_OR_RETURN(report.forward, MemoryFromJson(json, "forward"));
  report.device_peak = json.value("device_peak", int64_t{0});
  return report;
}

absl::Status RunShape(engine::Encoder& model, const InputShape& shape) {
  const auto texts = engine::MakeBenchTexts(model.config(), shape.batch_size, shape.sequence_length, 0);
  return engine::PredictLogits(model, texts, shape.batch_size).status();
}

}  // namespace

absl::StatusOr<InputShape> ParseInputShape(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, 'x');
  InputShape shape;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shape.batch_size) ||
      !absl::SimpleAtoi(parts[1], &shape.sequence_length)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no shape; write texts x tokens, as in 8x128"));
  }
  // Only shapes that an experiment can time.
  EvaluationConfig timed;
  timed.latency_batch_sizes = {shape.batch_size};
  timed.latency_sequence_lengths = {shape.sequence_length};
  QL_RETURN_IF_ERROR(Annotate(CheckSettings(timed), text));
  return shape;
}

absl::StatusOr<MemoryReport> MeasureMemory(const MemoryRequest& request) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setenv("ONEDNN_VERBOSE", "1", /*overwrite=*/1);  // read when oneDNN first runs
  QL_RETURN_IF_ERROR(engine::CheckDevice(request.device));
  engine::SetUpDeterminism(request.threads, 0);
  MemoryReport report;
  QL_ASSIGN_OR_RETURN(report.start, engine::ReadProcessMemory());
  QL_ASSIGN_OR_RETURN(engine::LoadedModel loaded, engine::LoadModel(request.model));
  QL_RETURN_IF_ERROR(loaded.model->To(engine::TorchDevice(request.device)));
  QL_ASSIGN_OR_RETURN(report.loaded, engine::ReadProcessMemory());
  QL_RETURN_IF_ERROR(RunShape(*loaded.model, request.shapes.front()));
  QL_ASSIGN_OR_RETURN(report.forward, engine::ReadProcessMemory());
  report.device_peak = engine::PeakDeviceMemory(request.device);
  for (size_t i = 1; i < request.shapes.size(); ++i) {
    QL_RETURN_IF_ERROR(RunShape(*loaded.model, request.shapes[i]));
  }
  std::fflush(stdout);  // oneDNN's lines, before the report bypasses stdio
  return report;
}

std::string MemoryReportToJson(const MemoryReport& report) {
  const Json json = {{"version", 1},
                     {"start", MemoryToJson(report.start)},
                     {"loaded", MemoryToJson(report.loaded)},
                     {"forward", MemoryToJson(report.forward)},
                     {"device_peak", report.device_peak}};
  return json.dump() + "\n";
}

absl::StatusOr<MemoryReport> MeasureMemoryInChild(const std::string& runner, const MemoryRequest& request,
                                                  const std::function<bool()>& should_stop) {
  MeasuringChild child;
  child.argv = {runner,     "measure-memory",      "--model",   request.model,
                "--device", request.device.name(), "--threads", absl::StrCat(request.threads)};
  for (const InputShape& shape : request.shapes) {
    child.argv.insert(child.argv.end(),
                      {"--shape", absl::StrCat(shape.batch_size, "x", shape.sequence_length)});
  }
  child.max_output = kMaxOutput;
  child.doing = absl::StrCat("measuring the memory of ", request.model);
  child.killed = [&request](int signal) { return messages::kMemoryChildKilled(request.model, signal); };
  QL_ASSIGN_OR_RETURN(const std::string printed, RunMeasuringChild(child, should_stop));
  const VerboseOutput output = SplitVerbose(printed);
  QL_ASSIGN_OR_RETURN(MemoryReport report, ReportFromJson(output.rest));
  report.reference_primitives = ReferencePrimitives(output.onednn);
  return report;
}

}  // namespace quantlab::runner
