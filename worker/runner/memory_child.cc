#include "worker/runner/memory_child.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/status_macros.h"
#include "worker/engine/measure/bench.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/models/saved_model.h"
#include "worker/engine/train/evaluate.h"
#include "worker/runner/kernel_audit.h"

extern char** environ;

namespace quantlab::runner {
namespace {

using Json = nlohmann::ordered_json;

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

// A child process with its standard output and error on pipes. Killed when this goes out of scope.
class Child {
 public:
  static absl::StatusOr<std::unique_ptr<Child>> Start(const std::vector<std::string>& arguments) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0) return absl::ResourceExhaustedError("cannot make a pipe");
    if (pipe2(err, O_CLOEXEC) != 0) {
      close(out[0]);
      close(out[1]);
      return absl::ResourceExhaustedError("cannot make a pipe");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    std::unique_ptr<Child> child(new Child(error == 0 ? pid : 0, out[0], err[0]));
    if (error != 0)
      return absl::InternalError(absl::StrCat("cannot start ", arguments[0], ": error ", error));
    return child;
  }

  ~Child() {
    close(fds_[0]);
    close(fds_[1]);
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
  }

  // Reads both pipes to their ends. False: stopped.
  bool ReadAll(const std::function<bool()>& should_stop) {
    bool open[2] = {true, true};
    while (open[0] || open[1]) {
      if (should_stop()) return false;
      pollfd fds[2] = {{open[0] ? fds_[0] : -1, POLLIN, 0}, {open[1] ? fds_[1] : -1, POLLIN, 0}};
      poll(fds, 2, 200);
      for (int i = 0; i < 2; ++i) {
        if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
        char buffer[4096];
        const ssize_t n = read(fds_[i], buffer, sizeof buffer);
        if (n > 0) text_[i].append(buffer, static_cast<size_t>(n));
        if (n <= 0) open[i] = false;
      }
    }
    return true;
  }

  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

  const std::string& output() const { return text_[0]; }
  const std::string& errors() const { return text_[1]; }

 private:
  Child(pid_t pid, int out, int err) : pid_(pid), fds_{out, err} {}

  pid_t pid_;
  int fds_[2];
  std::string text_[2];
};

absl::Status RunShape(engine::Encoder& model, const InputShape& shape) {
  const auto texts = engine::MakeBenchTexts(model.config(), shape.batch_size, shape.sequence_length, 0);
  return engine::PredictLogits(model, texts, shape.batch_size).status();
}

}  // namespace

absl::StatusOr<InputShape> ParseInputShape(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, 'x');
  InputShape shape;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shape.batch_size) ||
      !absl::SimpleAtoi(parts[1], &shape.sequence_length) || shape.batch_size < 1 ||
      shape.batch_size > 4096 || shape.sequence_length < 1 || shape.sequence_length > (1 << 20)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no shape; write texts x tokens, as in 8x128"));
  }
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
  QL_RETURN_IF_ERROR(loaded.model->To(at::Device(request.device)));
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
  std::vector<std::string> arguments = {
      runner,     "measure-memory", "--model",   request.model,
      "--device", request.device,   "--threads", absl::StrCat(request.threads)};
  for (const InputShape& shape : request.shapes) {
    arguments.insert(arguments.end(),
                     {"--shape", absl::StrCat(shape.batch_size, "x", shape.sequence_length)});
  }
  QL_ASSIGN_OR_RETURN(const std::unique_ptr<Child> child, Child::Start(arguments));
  if (!child->ReadAll(should_stop)) return absl::CancelledError("stopped while measuring memory");
  const int status = child->Wait();
  if (WIFSIGNALED(status)) {
    return MessageStatus(absl::StatusCode::kResourceExhausted,
                         messages::kMemoryChildKilled(request.model, WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::InternalError(absl::StrCat("measuring the memory of ", request.model, ": ",
                                            std::string(absl::StripAsciiWhitespace(child->errors()))));
  }
  const VerboseOutput output = SplitVerbose(child->output());
  QL_ASSIGN_OR_RETURN(MemoryReport report, ReportFromJson(output.rest));
  report.reference_primitives = ReferencePrimitives(output.onednn);
  return report;
}

}  // namespace quantlab::runner
