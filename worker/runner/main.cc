// quant-runner: executes one attempt of one run for an agent; also has a few commands for users.
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <malloc.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <climits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/config/device.h"
#include "base/config/settings.h"
#include "base/files.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/runner/attempt.h"
#include "worker/runner/commands.h"
#include "worker/runner/comparison/memory_child.h"
#include "worker/runner/comparison/timing_child.h"
#include "worker/runner/event_channel.h"
#include "worker/runner/job_json.h"

namespace quantlab::runner {
namespace {

constexpr int64_t kMaxJobBytes = int64_t{16} << 20;

constexpr char kExitCodes[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  failed\n"
    "  2  the command line is wrong\n"
    "  3  wrong input: a file, a model, a dataset, a job, or a device that does not exist\n"
    "  4  asked to stop (SIGTERM, SIGINT), and stopped between two steps\n"
    "  5  the reader of the events disconnected\n"
    "  6  out of memory or disk space\n"
    "  7  the device failed its self-test\n";

std::string OwnPath() {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : "quant-runner";
}

// `message` with `replaced` of each text in it.
Message WithReplacedTexts(Message message, const std::function<std::string(const std::string&)>& replaced) {
  for (MessageArgument& argument : message.arguments) {
    if (auto* text = std::get_if<std::string>(&argument.value)) *text = replaced(*text);
    if (auto* words = std::get_if<std::vector<std::string>>(&argument.value)) {
      for (std::string& word : *words) word = replaced(word);
    }
    if (auto* nested = std::get_if<std::vector<Message>>(&argument.value)) {
      for (Message& inner : *nested) inner = WithReplacedTexts(std::move(inner), replaced);
    }
  }
  return message;
}

// Replaces the agent's folders of the dataset and the model by their names in the experiment file, which the
// user knows.
absl::Status NameForTheUser(const Job& job, const absl::Status& status) {
  if (status.ok()) return status;
  std::vector<std::pair<std::string, std::string>> names;
  const auto add = [&names](const std::string& folder, const AssetRef& asset) {
    if (folder.empty()) return;
    // A single file is its own name: "./reviews.csv", not "./reviews.csv/reviews.csv".
    if (asset.files.size() == 1)
      names.emplace_back(absl::StrCat(folder, "/", asset.files[0].path), asset.name);
    names.emplace_back(folder, asset.name);
  };
  add(job.dataset_folder, job.config.dataset.asset);
  add(job.model_folder, job.config.model);
  const auto replaced = [&names](const std::string& text) { return absl::StrReplaceAll(text, names); };
  return MessageStatus(status.code(), WithReplacedTexts(MessageOf(status), replaced));
}

absl::Status ReadAndRun(const std::string& job_path, const CheckpointSettings& checkpoints,
                        EventChannel& events) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(job_path, kMaxJobBytes));
  absl::StatusOr<Job> job = ParseJob(text);
  if (!job.ok()) return Annotate(job.status(), job_path);
  Attempt attempt(
      &*job, [&events](const EventKind& event) { events.Emit(event); }, StopRequested, checkpoints);
  return NameForTheUser(*job, RunAttempt(attempt, OwnPath()));
}

int RunJob(const std::string& job_path, int events_fd, const CheckpointSettings& checkpoints) {
  InstallStopSignals();
  absl::StatusOr<std::unique_ptr<EventChannel>> events = EventChannel::Open(events_fd);
  if (!events.ok()) {
    std::fprintf(stderr, "quant-runner run: %s\n", std::string(events.status().message()).c_str());
    return kExitUsage;
  }
  absl::Status status;
  try {
    status = ReadAndRun(job_path, checkpoints, **events);
  } catch (const std::bad_alloc&) {
    status = MessageStatus(absl::StatusCode::kResourceExhausted, messages::kRunnerOutOfMemory());
  } catch (const std::exception& e) {
    status = absl::InternalError(e.what());
  }
  const bool stopped = absl::IsCancelled(status);
  (*events)->Finish({status.ok(), absl::StatusCodeToString(status.code()), std::string(status.message()),
                     stopped, MessageOf(status)});
  if (!status.ok()) std::fprintf(stderr, "quant-runner run: %s\n", std::string(status.message()).c_str());
  return ExitCodeFor(status);
}

// The range of the setting of experiment files that an option stands for.
CLI::Validator RangeOf(absl::string_view path) {
  const SettingSpec& spec = *FindSetting(path);
  if (spec.type == ParamType::kDouble) return CLI::Range(*spec.min, *spec.max);
  return CLI::Range(static_cast<int64_t>(*spec.min), static_cast<int64_t>(*spec.max));
}

void AddDevice(CLI::App* command, Device& device, int& threads) {
  command
      ->add_option_function<std::string>(
          "--device",
          [&device](const std::string& text) {
            const absl::StatusOr<Device> parsed = Device::Parse(text);
            if (!parsed.ok()) throw CLI::ValidationError("--device", std::string(parsed.status().message()));
            device = *parsed;
          },
          absl::StrCat(absl::StrJoin(DeviceKindNames(), " or "), "; KIND:1 is the second of its kind"))
      ->default_str(device.name());
  command->add_option("--threads", threads, "Threads of the computation; 0: one for each core")
      ->check(RangeOf("threads"))
      ->capture_default_str();
}

void AddPairs(CLI::App* command, bool& pairs) {
  command->add_flag(
      "--pairs", pairs,
      "Each line is two texts, separated by a tab; implied by a model that was fine-tuned on pairs");
}

// Each command stores its work in `action`.
using Action = std::function<int()>;

int Finish(const char* command, const absl::Status& status) {
  if (!status.ok())
    std::fprintf(stderr, "quant-runner %s: %s\n", command, std::string(status.message()).c_str());
  return ExitCodeFor(status);
}

void AddRun(CLI::App& app, Action& action) {
  struct Options {
    std::string job;
    int events_fd = 1;
    CheckpointSettings checkpoints;
  };
  auto options = std::make_shared<Options>();
  CLI::App* run = app.add_subcommand("run", "Run one attempt of a run, as the worker's agent does");
  run->add_option("--job", options->job, "job.json: the JSON of quantlab.v1.Job")->required();
  run->add_option("--events-fd", options->events_fd, "Descriptor to write events to, one JSON object a line")
      ->capture_default_str();
  run->add_option(
         "--checkpoint-seconds", options->checkpoints.interval_seconds,
         "Save the state of a training this often, and when asked to stop, as OUTPUT/checkpoint/*; less "
         "often where that takes more than 1 % of the time. 0: never")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  run->add_option(
         "--resume-from", options->checkpoints.resume_from,
         "Continue the training from such a file; a file of another training is reported and not used")
      ->type_name("FILE");
  run->footer(
      "Example:\n  quant-runner run --job job.json --events-fd 3 3>events.jsonl\n\n"
      "The last event is `finished`. When the reader of the events disconnects, the runner exits at once.");
  run->callback([options, &action] {
    action = [options] { return RunJob(options->job, options->events_fd, options->checkpoints); };
  });
}

void AddTokenize(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* tokenize = app.add_subcommand("tokenize", "Print the token ids of each line of standard input");
  tokenize->add_option("--model", options->model, "Folder with the tokenizer's files")->required();
  tokenize
      ->add_option("--max-length", options->max_length,
                   "Largest number of ids per line, with [CLS] and [SEP]; 0: no limit")
      ->check(CLI::Range(0, INT_MAX))
      ->capture_default_str();
  AddPairs(tokenize, options->pairs);
  tokenize->footer(
      "Example:\n  echo 'a fine film' | quant-runner tokenize --model minilm\n"
      "  [101, 1037, 2986, 2143, 102]\n\nA pair is printed as {\"ids\": […], \"token_types\": […]}.");
  tokenize->callback(
      [options, &action] { action = [options] { return Finish("tokenize", Tokenize(*options)); }; });
}

void AddPredict(CLI::App& app, Action& action) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* predict = app.add_subcommand("predict", "Print the logits of each line of standard input");
  predict->add_option("--model", options->model, "Folder of a saved classifier, FP32 or quantized")
      ->required();
  predict
      ->add_option("--max-length", options->max_length,
                   "Largest number of tokens per line; 0: the model's limit")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  predict
      ->add_option(
          "--batch-size", options->batch_size,
          "Largest number of lines computed together. With 1 a line's logits depend on nothing else, not even in the "
          "last bit; more is faster where lines are short")
      ->check(RangeOf("evaluation.batch_size"))
      ->capture_default_str();
  predict
      ->add_option("--layer-outputs", options->layer_outputs,
                   "Also write the first line's output of each linear layer to this file, as safetensors")
      ->type_name("FILE");
  predict->add_flag("--layer-by-layer", options->layer_by_layer,
                    "Compute as in training, without the fused steps of inference on a CPU, for logits that "
                    "PyTorch's operators reproduce to the last bit");
  AddPairs(predict, options->pairs);
  AddDevice(predict, options->device, options->threads);
  predict->footer(
      "Example:\n  echo 'a fine film' | quant-runner predict --model results/quick/baseline/model\n"
      "  [-1.2034, 1.1876]");
  predict->callback(
      [options, &action] { action = [options] { return Finish("predict", Predict(*options)); }; });
}

void AddBench(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchCommandOptions>();
  CLI::App* bench = app.add_subcommand("bench", "Time saved models side by side");
  bench->add_option("models", options->models, "Folders of saved models; the first is the FP32 baseline")
      ->required()
      ->expected(1, 64);
  bench->add_option("--batch-size", options->batch_sizes, "Texts of a batch; may be given several times")
      ->check(RangeOf("evaluation.latency.batch_sizes"))
      ->allow_extra_args(false)  // one after each option; models follow
      ->capture_default_str();
  bench->add_option("--sequence-length", options->sequence_length, "Tokens of each text")
      ->check(RangeOf("evaluation.latency.sequence_lengths"))
      ->capture_default_str();
  bench->add_option("--min-samples", options->min_samples, "Smallest number of blocks")
      ->check(RangeOf("evaluation.latency.min_samples"))
      ->capture_default_str();
  bench
      ->add_option("--min-duration", options->min_duration_seconds,
                   "Shortest time for each model, in seconds")
      ->check(RangeOf("evaluation.latency.min_duration"))
      ->capture_default_str();
  bench->add_option("--seed", options->seed, "Seed of the texts and of the order within blocks")
      ->capture_default_str();
  AddDevice(bench, options->device, options->threads);
  bench->add_flag("--json", options->json, "Print JSON (version 1) instead of a table");
  bench->footer(
      "Example:\n  quant-runner bench baseline/model dynamic_quant/model --batch-size 1 --batch-size 8\n\n"
      "Speedups are medians of ratios within randomized blocks, relative to the fastest FP32 path.");
  bench->callback([options, &action] { action = [options] { return Finish("bench", Bench(*options)); }; });
}

void AddInfo(CLI::App& app, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* info = app.add_subcommand("info", "Print what this machine and LibTorch can do");
  info->add_flag("--json", *json, "Print JSON (version 1), as workers read it");
  info->footer("Example:\n  quant-runner info --json");
  info->callback([json, &action] { action = [json] { return Finish("info", Info(*json)); }; });
}

void AddSelfTest(CLI::App& app, Action& action) {
  struct Options {
    Device device;
    int threads = 0;
  };
  auto options = std::make_shared<Options>();
  CLI::App* test = app.add_subcommand("self-test", "Test the arithmetic and the memory of a device");
  AddDevice(test, options->device, options->threads);
  test->footer(
      "Example:\n  quant-runner self-test --device cuda:1\n\n"
      "Every attempt on a GPU begins with this test; a worker whose GPU fails it is held back.");
  test->callback([options, &action] {
    action = [options] { return Finish("self-test", SelfTest(options->device, options->threads)); };
  });
}

void AddMeasureMemory(CLI::App& app, Action& action) {
  auto request = std::make_shared<MemoryRequest>();
  auto shapes = std::make_shared<std::vector<std::string>>(1, "8x128");
  CLI::App* memory =
      app.add_subcommand("measure-memory", "Load one model, run a batch, print memory as JSON");
  memory->add_option("--model", request->model, "Folder of a saved model")->required();
  memory
      ->add_option("--shape", *shapes,
                   "Texts of the batch and tokens of each; further ones run after memory was measured")
      ->check([](const std::string& text) { return std::string(ParseInputShape(text).status().message()); })
      ->capture_default_str();
  AddDevice(memory, request->device, request->threads);
  memory->footer("Example:\n  quant-runner measure-memory --model baseline/model --shape 8x128");
  memory->callback([request, shapes, &action] {
    request->shapes.clear();
    for (const std::string& text : *shapes) request->shapes.push_back(*ParseInputShape(text));
    action = [request] {
      const absl::StatusOr<MemoryReport> report = MeasureMemory(*request);
      return Finish("measure-memory", report.ok() ? Print(MemoryReportToJson(*report)) : report.status());
    };
  });
}

void AddMeasureTimes(CLI::App& app, Action& action) {
  auto request = std::make_shared<TimingRequest>();
  auto shapes = std::make_shared<std::vector<std::string>>(1, "8x128");
  request->warmup_iterations = EvaluationConfig().warmup_iterations;
  request->min_samples = EvaluationConfig().min_samples;
  CLI::App* times =
      app.add_subcommand("measure-times", "Time saved models in one process, print samples as JSON");
  times->add_option("models", request->models, "Folders of saved models; the first is the FP32 baseline")
      ->required()
      ->expected(1, 64);
  times
      ->add_option("--shape", *shapes,
                   "Texts of the batch and tokens of each; =KERNEL sets the kernel of the FP32 reference")
      ->check([](const std::string& text) { return std::string(ParseTimedInput(text).status().message()); })
      ->capture_default_str();
  times->add_option("--warm-up", request->warmup_iterations, "Blocks before anything is counted")
      ->check(RangeOf("evaluation.latency.warmup_iterations"))
      ->capture_default_str();
  times->add_option("--min-samples", request->min_samples, "Smallest number of blocks")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  times
      ->add_option("--min-duration", request->min_duration_seconds,
                   "Shortest time for each model, in seconds")
      ->check(RangeOf("evaluation.latency.min_duration"))
      ->capture_default_str();
  times->add_flag("--until-narrow", request->until_narrow, "Go on while the A/A interval is too wide");
  times->add_option("--runtimes", request->runtimes,
                    "JSON of the models to time in other runtimes too, as comparisons write it");
  times->add_option("--seed", request->seed, "Seed of the texts and of the order within blocks")
      ->capture_default_str();
  AddDevice(times, request->device, request->threads);
  times->footer(
      "Example:\n  quant-runner measure-times baseline/model dynamic_quant/model --shape 8x128=at::linear");
  times->callback([request, shapes, &action] {
    for (const std::string& text : *shapes) request->inputs.push_back(*ParseTimedInput(text));
    action = [request] { return Finish("measure-times", PrintTimes(*request)); };
  });
}

// Activations of megabytes are allocated and freed in every layer. By default glibc returns each to the
// kernel and faults it in again, page by page, in every forward pass. Kept, they count as memory in use.
void KeepMemoryBetweenLayers() {
  mallopt(M_MMAP_MAX, 0);  // all from the heap
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Fine-tunes, quantizes and measures Transformers: one attempt at a time for a worker, or from the command line.",
      "quant-runner");
  app.require_subcommand(1);
  app.footer(kExitCodes);
  Action action;
  AddRun(app, action);
  AddTokenize(app, action);
  AddPredict(app, action);
  AddBench(app, action);
  AddInfo(app, action);
  AddSelfTest(app, action);
  AddMeasureMemory(app, action);
  AddMeasureTimes(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  return action();
}

}  // namespace
}  // namespace quantlab::runner

int main(int argc, char** argv) {
  try {
    quantlab::runner::KeepMemoryBetweenLayers();
    return quantlab::runner::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "quant-runner: out of memory\n");
    return quantlab::runner::kExitNoResources;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quant-runner: %s\n", e.what());
    return quantlab::runner::kExitFailure;
  }
}
