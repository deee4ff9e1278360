#include "worker/runner/comparison/timing_child.h"

#include <csignal>
#include <sys/prctl.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/measure/side_by_side.h"
#include "worker/runner/comparison/measuring_child.h"
#include "worker/runner/comparison/runtime_models.h"
#include "worker/runner/comparison/runtime_plan.h"

namespace quantlab::runner {
namespace {

// A sample takes about 50 bytes.
constexpr size_t kMaxOutput = 256 << 20;

engine::BenchOptions OptionsFor(const TimingRequest& request, const InputShape& shape) {
  engine::BenchOptions options;
  options.batch_size = shape.batch_size;
  options.sequence_length = shape.sequence_length;
  options.warmup_iterations = request.warmup_iterations;
  options.min_samples = request.min_samples;
  options.min_duration_seconds = request.min_duration_seconds;
  options.until_narrow = request.until_narrow;
  options.seed = request.seed;
  return options;
}

std::string TextOf(const TimedInput& input) {
  const std::string shape = absl::StrCat(input.shape.batch_size, "x", input.shape.sequence_length);
  return input.fp32_path.empty() ? shape : absl::StrCat(shape, "=", input.fp32_path);
}

}  // namespace

absl::StatusOr<TimedInput> ParseTimedInput(const std::string& text) {
  const size_t at = text.find('=');
  TimedInput input;
  QL_ASSIGN_OR_RETURN(input.shape, ParseInputShape(text.substr(0, at)));
  if (at != text.npos) input.fp32_path = text.substr(at + 1);
  return input;
}

absl::StatusOr<std::vector<ShapeTimes>> MeasureTimes(const TimingRequest& request) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  QL_RETURN_IF_ERROR(engine::CheckDevice(request.device));
  const int threads = engine::SetUpDeterminism(request.threads, request.seed);
  std::vector<engine::SideBySide::Input> inputs;
  for (const std::string& folder : request.models) inputs.push_back({folder, folder});
  QL_ASSIGN_OR_RETURN(const auto models, engine::SideBySide::Load(inputs, request.device));
  RuntimePlan plan;
  if (!request.runtimes.empty()) {
    QL_ASSIGN_OR_RETURN(plan, ReadRuntimePlan(request.runtimes));
  }
  const RuntimeModels remote(plan, threads);
  std::vector<ShapeTimes> all;
  for (const TimedInput& input : request.inputs) {
    const engine::MachineReading before = engine::ReadMachine(remote.pids());
    QL_ASSIGN_OR_RETURN(engine::SideBySideResult result,
                        models->Run(OptionsFor(request, input.shape), input.fp32_path, remote.models()));
    ShapeTimes& times = all.emplace_back();
    times.fp32_path = result.fp32_path;
    times.other_fp32_path = result.other_fp32_path;
    times.other_fp32_ratio = result.other_fp32_ratio;
    times.trial = std::move(result.trial);
    times.samples = std::move(result.bench.samples);
    times.use = engine::Between(before, engine::ReadMachine(remote.pids()));
    for (const auto& [model, why] : result.bench.failed) times.failed[model] = std::string(why.message());
  }
  return all;
}

absl::StatusOr<std::vector<ShapeTimes>> MeasureTimesInChild(const std::string& runner,
                                                            const TimingRequest& request, size_t remote,
                                                            const std::function<bool()>& should_stop) {
  MeasuringChild child;
  child.argv = {runner,           "measure-times",
                "--device",       request.device.name(),
                "--threads",      absl::StrCat(request.threads),
                "--warm-up",      absl::StrCat(request.warmup_iterations),
                "--min-samples",  absl::StrCat(request.min_samples),
                "--min-duration", RoundTrip(request.min_duration_seconds),
                "--seed",         absl::StrCat(request.seed)};
  if (!request.runtimes.empty()) child.argv.insert(child.argv.end(), {"--runtimes", request.runtimes});
  if (request.until_narrow) child.argv.push_back("--until-narrow");
  for (const TimedInput& input : request.inputs)
    child.argv.insert(child.argv.end(), {"--shape", TextOf(input)});
  child.argv.push_back("--");
  child.argv.insert(child.argv.end(), request.models.begin(), request.models.end());
  child.max_output = kMaxOutput;
  child.doing = "timing the models";
  child.killed = [](int signal) { return messages::kTimingChildKilled(signal); };
  QL_ASSIGN_OR_RETURN(const std::string output, RunMeasuringChild(child, should_stop));
  return TimesFromJson(output, request.inputs.size(), request.models.size() + 1 + remote);
}

}  // namespace quantlab::runner
