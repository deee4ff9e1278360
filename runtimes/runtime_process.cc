#include "runtimes/runtime_process.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "base/text/utf8.h"

namespace quantlab::runtimes {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxErrors = 2000;  // bytes of standard error that are kept
constexpr size_t kMaxWords = 2000;   // bytes of an error that a program answers with
constexpr size_t kMaxNames = 64;     // versions, formats
constexpr size_t kMaxName = 128;     // bytes of a name or version that are kept
constexpr size_t kMaxShown = 200;    // bytes of a malformed line that its error shows
// Reads in a row, so that a program that writes without end is stopped in time.
constexpr int kMaxReads = 64;
constexpr absl::Duration kPoll = absl::Milliseconds(100), kPatience = absl::Seconds(2);

absl::Status Malformed(absl::string_view what) {
  return absl::InternalError(absl::StrCat("its answer is malformed: ", what));
}

std::string Quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string BatchMember(const Batch& batch) {
  return absl::StrCat("\"batch\":[",
                      absl::StrJoin(batch, ",",
                                    [](std::string* out, const std::vector<int32_t>& ids) {
                                      absl::StrAppend(out, "[", absl::StrJoin(ids, ","), "]");
                                    }),
                      "]");
}

std::string NameFrom(const Json& json) {
  return std::string(Utf8Prefix(json.get_ref<const std::string&>(), kMaxName));
}

absl::StatusOr<std::string> TextOf(const Json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_string() || it->get_ref<const std::string&>().empty()) {
    return Malformed(absl::StrCat("no text ", key));
  }
  return NameFrom(*it);
}

absl::StatusOr<RuntimeIdentity> IdentityFrom(const Json& json) {
  const auto protocol = json.find("protocol");
  if (protocol == json.end() || *protocol != kRuntimeProtocol) {
    return Malformed(absl::StrCat("it speaks another protocol than ", kRuntimeProtocol));
  }
  RuntimeIdentity identity;
  QL_ASSIGN_OR_RETURN(identity.title, TextOf(json, "title"));
  QL_ASSIGN_OR_RETURN(identity.version, TextOf(json, "version"));
  const auto versions = json.find("versions"), formats = json.find("formats");
  if (versions == json.end() || !versions->is_object() || versions->size() > kMaxNames) {
    return Malformed("no versions");
  }
  for (const auto& [name, version] : versions->items()) {
    if (!version.is_string()) return Malformed("a version must be a text");
    identity.versions[std::string(Utf8Prefix(name, kMaxName))] = NameFrom(version);
  }
  if (formats == json.end() || !formats->is_array() || formats->empty() || formats->size() > kMaxNames) {
    return Malformed("no formats");
  }
  for (const Json& format : *formats) {
    if (!format.is_string()) return Malformed("a format must be a text");
    identity.formats.push_back(NameFrom(format));
  }
  return identity;
}

absl::StatusOr<Logits> LogitsFrom(const Json& json, size_t texts) {
  const auto rows = json.find("logits");
  if (rows == json.end() || !rows->is_array() || rows->size() != texts) {
    return Malformed(absl::StrCat("there must be logits of ", texts, " texts"));
  }
  Logits logits;
  for (const Json& row : *rows) {
    if (!row.is_array() || row.empty() || row.size() != rows->front().size()) {
      return Malformed("each text must have as many logits");
    }
    std::vector<float>& values = logits.emplace_back();
    for (const Json& value : row) {
      if (!value.is_number() || !std::isfinite(value.get<float>())) {
        return Malformed("a logit must be a finite number");
      }
      values.push_back(value.get<float>());
    }
  }
  return logits;
}

// Requests are made of bounded parts, and answers checked for their depth and their form.
absl::StatusOr<Json> Parse(const std::string& line) {
  QL_RETURN_IF_ERROR(CheckJsonDepth(line));
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    const std::string shown = Quoted(RepairUtf8(line.substr(0, kMaxShown)));
    return Malformed(absl::StrCat("no JSON object in one line, but ", shown));
  }
  return json;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RuntimeProcess>> RuntimeProcess::Start(const std::vector<std::string>& argv,
                                                                      Options options) {
  auto runtime = std::unique_ptr<RuntimeProcess>(new RuntimeProcess(std::move(options)));
  QL_RETURN_IF_ERROR(runtime->Launch(argv));
  QL_RETURN_IF_ERROR(runtime->Greet());
  return runtime;
}

absl::Status RuntimeProcess::Launch(const std::vector<std::string>& argv) {
  signal(SIGPIPE, SIG_IGN);  // writing to a program that has ended is an error like others
  QL_ASSIGN_OR_RETURN(Pipe input, MakePipe());
  ProcessSpec spec;
  spec.argv = argv;
  spec.output = ProcessSpec::Output::kTwoPipes;
  spec.input = input.read.get();
  spec.environment = {
      {"TOKENIZERS_PARALLELISM", "false"}, {"HF_HUB_OFFLINE", "1"}, {"PYTHONDONTWRITEBYTECODE", "1"}};
  QL_ASSIGN_OR_RETURN(process_, MakeProcessLauncher()->Launch(spec));
  input_ = std::move(input.write);
  fcntl(input_.get(), F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

RuntimeProcess::~RuntimeProcess() {
  if (process_ == nullptr || !broken_.ok()) return;
  const absl::Time deadline = absl::Now() + kPatience;
  if (Send(absl::StrCat("{\"id\":", next_id_, ",\"do\":\"quit\"}\n"), deadline).ok()) {
    while (absl::Now() < deadline && !process_->exit_status().has_value() && Wait(POLLIN, deadline).ok()) {
      if (!Drain()) break;
    }
  }
}

absl::Status RuntimeProcess::Greet() {
  QL_ASSIGN_OR_RETURN(const std::string line,
                      Ask(absl::StrCat("\"do\":\"hello\",\"protocol\":", kRuntimeProtocol)));
  absl::StatusOr<RuntimeIdentity> identity = IdentityFrom(Json::parse(line));
  if (!identity.ok()) return Give(identity.status());
  identity_ = *std::move(identity);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RuntimeProcess::Load(const std::string& folder, const std::string& format,
                                             int threads) {
  QL_ASSIGN_OR_RETURN(const std::string line,
                      Ask(absl::StrCat("\"do\":\"load\",\"folder\":", Quoted(folder),
                                       ",\"format\":", Quoted(format), ",\"threads\":", threads)));
  const Json json = Json::parse(line);
  const auto model = json.find("model");
  if (model == json.end() || !model->is_number_unsigned()) return Give(Malformed("no number of the model"));
  return model->get<int64_t>();
}

absl::StatusOr<Logits> RuntimeProcess::Run(int64_t model, const Batch& batch) {
  QL_ASSIGN_OR_RETURN(const std::string line,
                      Ask(absl::StrCat("\"do\":\"run\",\"model\":", model, ",", BatchMember(batch))));
  absl::StatusOr<Logits> logits = LogitsFrom(Json::parse(line), batch.size());
  return logits.ok() ? logits : Give(logits.status());
}

absl::Status RuntimeProcess::WarmUp(int64_t model, const Batch& batch, int passes) {
  return Ask(absl::StrCat("\"do\":\"warm_up\",\"model\":", model, ",\"passes\":", passes, ",",
                          BatchMember(batch)))
      .status();
}

absl::StatusOr<double> RuntimeProcess::Measure(int64_t model) {
  QL_ASSIGN_OR_RETURN(const std::string line,
                      Ask(absl::StrCat("\"do\":\"measure\",\"model\":", model, ",\"passes\":1")));
  const Json json = Json::parse(line);
  const auto seconds = json.find("seconds");
  const bool one =
      seconds != json.end() && seconds->is_array() && seconds->size() == 1 && seconds->front().is_number();
  if (!one || !(seconds->front().get<double>() > 0) || !std::isfinite(seconds->front().get<double>())) {
    return Give(Malformed("seconds must hold one time"));
  }
  return seconds->front().get<double>();
}

absl::StatusOr<std::string> RuntimeProcess::Ask(const std::string& members) {
  QL_RETURN_IF_ERROR(broken_);
  const int64_t id = next_id_++;
  const absl::Time deadline = absl::Now() + options_.timeout;
  const std::string request = absl::StrCat("{\"id\":", id, ",", members, "}\n");
  if (request.size() > kMaxRuntimeLine) return absl::InvalidArgumentError("the batch is too large");
  absl::Status status = Send(request, deadline);
  if (!status.ok()) return Give(std::move(status));
  absl::StatusOr<std::string> line = Receive(deadline);
  if (!line.ok()) return Give(line.status());
  const absl::StatusOr<Json> json = Parse(*line);
  if (!json.ok()) return Give(json.status());
  const auto answered = json->find("id");
  if (answered == json->end() || *answered != id) return Give(Malformed("it is not to this request"));
  const auto error = json->find("error");
  if (error == json->end()) return line;
  const std::string words = error->is_string() ? error->get<std::string>() : "an error without words";
  return absl::FailedPreconditionError(std::string(Utf8Prefix(words, kMaxWords)));
}

absl::Status RuntimeProcess::Send(const std::string& line, absl::Time deadline) {
  for (size_t sent = 0; sent < line.size();) {
    const ssize_t wrote = write(input_.get(), line.data() + sent, line.size() - sent);
    if (wrote >= 0) {
      sent += static_cast<size_t>(wrote);
    } else if (errno == EAGAIN) {
      QL_RETURN_IF_ERROR(Wait(POLLOUT, deadline));
      if (!Drain() || process_->exit_status().has_value()) return Ended();
    } else if (errno != EINTR) {
      return Ended();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> RuntimeProcess::Receive(absl::Time deadline) {
  for (size_t searched = 0;;) {
    const size_t end = output_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = output_.substr(0, end);
      output_.erase(0, end + 1);
      return line;
    }
    searched = output_.size();
    if (searched > kMaxRuntimeLine) return Malformed("a line is too long");
    QL_RETURN_IF_ERROR(Wait(POLLIN, deadline));
    // Its end also ends what it started in its group. Whatever it wrote before is read after this.
    const bool ended = process_->exit_status().has_value();
    if ((!Drain() || ended) && output_.find('\n', searched) == std::string::npos) return Ended();
  }
}

// Until there is something to read, or also room to write.
absl::Status RuntimeProcess::Wait(int events, absl::Time deadline) {
  while (true) {
    if (options_.should_stop && options_.should_stop()) return absl::CancelledError("stopped");
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(
          absl::StrCat("it did not answer within ", absl::FormatDuration(options_.timeout)));
    }
    pollfd fds[] = {{process_->output_fd(), POLLIN, 0},
                    {errors_closed_ ? -1 : process_->error_fd(), POLLIN, 0},
                    {(events & POLLOUT) != 0 ? input_.get() : -1, POLLOUT, 0},
                    {process_->exit_fd(), POLLIN, 0}};
    const auto milliseconds = static_cast<int>(absl::ToInt64Milliseconds(std::min(left, kPoll))) + 1;
    if (poll(fds, 4, milliseconds) <= 0) continue;
    if (fds[0].revents != 0 || fds[2].revents != 0 || fds[3].revents != 0) return absl::OkStatus();
    DrainErrors();
  }
}

void RuntimeProcess::DrainErrors() {
  char buffer[65536];
  for (int i = 0; i < kMaxReads && !errors_closed_; ++i) {
    const ssize_t got = read(process_->error_fd(), buffer, sizeof buffer);
    if (got < 0) return;
    errors_closed_ = got == 0;
    errors_.append(buffer, static_cast<size_t>(got));
    if (errors_.size() > kMaxErrors) errors_.erase(0, errors_.size() - kMaxErrors);
  }
}

bool RuntimeProcess::Drain() {
  DrainErrors();
  char buffer[65536];
  while (output_.size() <= kMaxRuntimeLine) {
    const ssize_t got = read(process_->output_fd(), buffer, sizeof buffer);
    if (got > 0) {
      output_.append(buffer, static_cast<size_t>(got));
    } else {
      return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
  }
  return true;
}

// Called once the program has closed its output or its input.
absl::Status RuntimeProcess::Ended() {
  input_.Reset();
  const absl::Time deadline = absl::Now() + kPatience;
  while (!process_->exit_status().has_value() && absl::Now() < deadline) {
    pollfd ended{process_->exit_fd(), POLLIN, 0};
    poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(kPoll)));
  }
  Drain();
  const auto exit = process_->exit_status();
  const std::string how = exit.has_value() ? DescribeExit(*exit) : "closed its output";
  const std::string words(absl::StripAsciiWhitespace(errors_));
  return absl::InternalError(RepairUtf8(words.empty() ? how : absl::StrCat(how, ": ", words)));
}

absl::Status RuntimeProcess::Give(absl::Status status) {
  broken_ = status;
  process_->Signal(SIGKILL);
  return status;
}

}  // namespace quantlab::runtimes
