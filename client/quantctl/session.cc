#include "client/quantctl/session.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "platform/environment.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

// Of one error or warning, in bytes: none floods a terminal.
constexpr size_t kMaxMessage = 4000;
// For the certificate of a coordinator that is known by its authority's fingerprint.
constexpr absl::Duration kFetchTimeout = absl::Seconds(10);

sigset_t HandledSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

std::string CurrentFolder() {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  return error ? "." : here.string();
}

// For a shell.
std::string Quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::string_view("-_./:=@%+,~").find(c) != absl::string_view::npos;
  });
  return plain ? text : absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// The flags that say which service and which results are meant, as they were given.
std::string TargetOf(const SettingFlags& flags) {
  std::string target;
  for (const auto& [name, value] :
       {std::pair<const char*, const std::optional<std::string>*>{"--coordinator", &flags.coordinator},
        {"--data-dir", &flags.data_dir},
        {"--results-dir", &flags.results_dir},
        {"--token-file", &flags.token_file},
        {"--ca-file", &flags.ca_file},
        {"--ca-fingerprint", &flags.ca_fingerprint},
        {"--client-certificate", &flags.client_certificate},
        {"--client-key", &flags.client_key}}) {
    if (value->has_value()) absl::StrAppend(&target, " ", name, " ", Quoted(**value));
  }
  return target;
}

// `text` with `target` in each command of quantctl that acts on experiments.
std::string WithTarget(const std::string& text, const std::string& target) {
  static constexpr char kProgram[] = "quantctl";
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(kProgram); at != std::string::npos; at = text.find(kProgram, at + 1)) {
    const size_t end = at + sizeof(kProgram) - 1;
    const absl::string_view rest = absl::string_view(text).substr(end);
    for (const char* command : {" watch", " cancel", " download", " report", " list", " run", " submit",
                                " retry", " explain", " methods"}) {
      if (!absl::StartsWith(rest, command)) continue;
      absl::StrAppend(&out, text.substr(done, end - done), target);
      done = end;
    }
  }
  return out + text.substr(done);
}

bool WriteAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t wrote = write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    done += wrote;
  }
  return true;
}

}  // namespace

Terminal Terminal::Of(int fd, bool no_color, const VariableLookup& environment) {
  Terminal terminal;
  terminal.is_terminal = isatty(fd) == 1;
  if (!terminal.is_terminal) return terminal;
  terminal.color = !no_color && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = size.ws_col;
    terminal.height = size.ws_row > 0 ? size.ws_row : 24;
  }
  return terminal;
}

Interrupts::Interrupts() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this] { Loop(); });
}

Interrupts::~Interrupts() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void Interrupts::Handle(std::function<void(int)> handler) {
  MutexLock lock(mutex_);
  handler_ = std::move(handler);
}

int Interrupts::count() const {
  MutexLock lock(mutex_);
  return count_;
}

void Interrupts::Loop() {
  const sigset_t signals = HandledSignals();
  while (true) {
    if (sigwaitinfo(&signals, nullptr) < 0) continue;
    if (ending_) return;
    MutexLock lock(mutex_);
    ++count_;
    if (!handler_) _exit(kExitInterrupted);
    handler_(count_);
  }
}

absl::Status Session::Configure(const SettingFlags& flags, bool no_color, bool quiet) {
  const VariableLookup environment = ProcessEnvironment();
  quiet_ = quiet;
  language_ = ChooseLanguage(flags, environment);
  target_ = TargetOf(flags);
  out_ = Terminal::Of(STDOUT_FILENO, no_color, environment);
  err_ = Terminal::Of(STDERR_FILENO, no_color, environment);
  QL_ASSIGN_OR_RETURN(settings_, LoadSettings(flags, environment));
  return absl::OkStatus();
}

// Starts the data folder's own coordinator, or joins the one that runs.
absl::Status Session::OpenEmbedded(bool want_worker) {
  EmbeddedOptions options{.data_dir = settings_.data_dir,
                          .self = ExecutableFolder() + "/quantctl",
                          .program_folder = ExecutableFolder(),
                          .catalog = settings_.catalog,
                          .want_worker = want_worker};
  if (options.catalog.empty()) options.catalog = FindCatalog(options.program_folder, CurrentFolder());
  QL_ASSIGN_OR_RETURN(const EmbeddedState state, InspectEmbedded(settings_.data_dir));
  if (options.catalog.empty() && !state.running) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kCatalogueMissing());
  }
  QL_ASSIGN_OR_RETURN(embedded_, EmbeddedService::Open(std::move(options)));
  return absl::OkStatus();
}

absl::StatusOr<Client*> Session::Connect(bool want_worker) {
  if (client_ != nullptr) {
    if (embedded_ != nullptr && want_worker) QL_RETURN_IF_ERROR(embedded_->WantWorker());
    return client_.get();
  }
  ClientOptions options{.address = settings_.coordinator, .cancellation = &cancellation_};
  if (settings_.coordinator.empty()) {
    QL_RETURN_IF_ERROR(OpenEmbedded(want_worker));
    options.address = embedded_->address();
    options.first_patience = absl::Seconds(30);
    options.patience = absl::Minutes(10);
    options.on_unavailable = [this](const absl::Status&) { return embedded_->EnsureRunning(); };
  }
  if (embedded_ == nullptr) {
    QL_ASSIGN_OR_RETURN(const Address address, ParseAddress(options.address));
    QL_ASSIGN_OR_RETURN(options.security, LoadSecurity(address, settings_.security, kFetchTimeout));
  }
  QL_ASSIGN_OR_RETURN(client_, Client::Create(std::move(options)));
  return client_.get();
}

void Session::Disconnect(bool wait) {
  client_.reset();
  if (embedded_ != nullptr && wait) embedded_->Close(absl::Seconds(40));
  embedded_.reset();
}

std::string Session::Say(const Message& message) const {
  const std::string text = Render(language_, message);
  return target_.empty() ? text : WithTarget(text, target_);
}

void Session::Print(const std::string& text) {
  if (output_closed_ || WriteAll(STDOUT_FILENO, text)) return;
  output_closed_ = true;
  if (errno == EPIPE) return;  // the reader has seen enough, as `head` does
  output_ok_ = false;
  Error(FileError(errno, "write", "standard output"));
}

void Session::Print(const Table& table) {
  Print(table.Render(out_.color, out_.Columns(), language_));
}

void Session::PrintDocument(const std::string& schema, const Json& body) {
  Print(RenderDocument(schema, body, settings_.output));
}

void Session::PrintText(const std::string& text) {
  Print(Wrap(text, out_.Columns()));
}

void Session::Note(const std::string& message) {
  if (!quiet_) WriteAll(STDERR_FILENO, Wrap(message, err_.Columns()) + "\n");
}

void Session::Report(absl::string_view label, absl::string_view color, const std::string& message) {
  // A Chinese colon brings its own space.
  const char* const space = language_ == Language::kEnglish ? " " : "";
  const std::string term = Term(label);
  std::string text = Wrap(absl::StrCat(term, space, Shorten(message, kMaxMessage)), err_.Columns());
  if (err_.color) text.replace(0, term.size(), absl::StrCat(color, term, "\033[0m"));
  WriteAll(STDERR_FILENO, text + "\n");
}

void Session::Warn(const std::string& message) {
  Report("warning:", "\033[1;35m", message);
}

void Session::Error(const std::string& message) {
  Report("error:", "\033[1;31m", message);
}

}  // namespace quantlab::client
