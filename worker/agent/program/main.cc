// quant-worker: takes runs that fit its devices from the coordinator, and executes them with quant-runner.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/config/device.h"
#include "base/config/settings.h"
#include "base/files.h"
#include "base/records/ids.h"
#include "base/records/worker_labels.h"
#include "base/status_macros.h"
#include "catalog/catalog.h"
#include "monitoring/exporter.h"
#include "platform/environment.h"
#include "platform/file_lock.h"
#include "platform/files.h"
#include "platform/paths.h"
#include "platform/process.h"
#include "worker/agent/inputs/fetch.h"
#include "worker/agent/program/agent.h"
#include "worker/agent/program/folder_id.h"
#include "worker/agent/program/gpu_probe.h"
#include "worker/agent/program/join.h"
#include "worker/agent/program/placement.h"
#include "worker/agent/program/runner_info.h"
#include "worker/agent/program/worker_metrics.h"
#include "yaml/option_file.h"

namespace quantlab::agent {
namespace {

constexpr char kVersion[] = "0.1.0";

constexpr char kFooter[] =
    "Example:\n"
    "  quant-worker --coordinator unix:/run/quantlab/coordinator.sock --data-dir /var/lib/quantlab/worker\n"
    "  quant-worker fetch --catalog configs/catalog.yaml minilm imdb\n"
    "  quant-worker --data-dir /var/lib/quantlab/worker    after 'quant-worker join'\n"
    "\n"
    "A file of --config has the same options as keys, with '_' for '-' (data_dir: /var/lib/quantlab/worker); the\n"
    "command line takes precedence over it.\n"
    "\n"
    "SIGTERM or SIGINT stops gently: the runner gets --grace seconds, and its run goes back to the queue. A\n"
    "second signal stops at once. Results that could not be delivered are kept and delivered at the next start.\n"
    "\n"
    "Exit codes: 0 stopped as asked or done; 1 error; 2 usage; 3 quant-runner is missing or does not work;\n"
    "  4 the data folder or the worker's id is in use; 5 could not download (network, pip); 6 a digest is wrong; 130 "
    "interrupted";

struct Settings {
  std::string config, coordinator, data_dir, runner, assets_dir;
  std::string runtimes_python, runtimes_dir;  // empty: as the environment says
  std::vector<std::string> devices, labels;
  std::string machine_id;
  int threads = 0;
  int64_t cache_bytes = int64_t{10} << 30;
  std::string local_store;  // the coordinator's artifact store on this machine; empty: none
  double grace_seconds = 10;
  double checkpoint_seconds = 600, checkpoint_upload_seconds = 20;
  double full_store_hours = 24;
  double exit_when_idle = 0;
  int lifeline_fd = -1, ready_fd = -1;
  std::string log_level = "info", log_format = "text";
  std::string metrics_listen = "off";
  SecurityFiles security;
};

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 5;
    case absl::StatusCode::kDataLoss:
      return 6;
    case absl::StatusCode::kInvalidArgument:
      return 2;
    case absl::StatusCode::kAlreadyExists:
      return 4;
    case absl::StatusCode::kCancelled:
      return 130;
    default:
      return 1;
  }
}

int Report(const absl::Status& status, int code) {
  if (!status.ok()) fprintf(stderr, "quant-worker: %s\n", std::string(status.message()).c_str());
  return code;
}

// Signals as a descriptor. To be called before there are threads, which inherit the mask.
int SignalDescriptor() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

std::string Hostname() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

// Turns signals and the closing of the lifeline into Stop, until `done_fd` is readable. `stopping` is called
// before each Stop.
void WatchForStop(Agent& agent, const LogScope& log, int signal_fd, int lifeline_fd, int done_fd,
                  const std::function<void()>& stopping) {
  int stops = 0;
  const auto stop = [&](absl::string_view why) {
    log.Info(absl::StrCat(why, stops == 0 ? ": stopping gently" : ": stopping at once"));
    stopping();
    agent.Stop(stops++ > 0);
  };
  while (true) {
    pollfd fds[] = {{signal_fd, POLLIN, 0}, {done_fd, POLLIN, 0}, {lifeline_fd, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (fds[0].revents != 0 && read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
      stop(strsignal(static_cast<int>(info.ssi_signo)));
    }
    char byte;
    if (fds[2].revents != 0 && read(lifeline_fd, &byte, 1) <= 0) {
      lifeline_fd = -1;
      if (stops == 0) stop("whoever started this worker has gone");
    }
  }
}

void ReportReady(int fd, const std::string& id) {
  if (fd < 0) return;
  const std::string line = absl::StrCat("ready ", id, "\n");
  (void)!write(fd, line.data(), line.size());
  close(fd);
}

bool HasGpu(const v1::WorkerInfo& worker) {
  return std::any_of(worker.devices().begin(), worker.devices().end(),
                     [](const std::string& device) { return !Device(device).is_cpu(); });
}

WorkerMetricsOptions MetricsOptions(const Settings& settings, const v1::WorkerInfo& worker) {
  WorkerMetricsOptions options;
  options.version = worker.version();
  options.data_folder = settings.data_dir;
  options.devices.assign(worker.devices().begin(), worker.devices().end());
  options.min_free_bytes = AgentOptions().min_free_bytes;
  return options;
}

// Serves metrics, health and readiness where the settings say; `exporter` is not touched otherwise.
absl::Status ServeMetrics(const Settings& settings, WorkerMetrics& metrics, const LogScope& log,
                          Exporter& exporter) {
  QL_ASSIGN_OR_RETURN(const std::optional<Address> address, ParseMetricsListen(settings.metrics_listen));
  if (!address) return absl::OkStatus();
  exporter.SetMetrics([&metrics] { return metrics.Collect(); });
  QL_RETURN_IF_ERROR(Annotate(exporter.Serve(*address), "--metrics-listen"));
  log.Info(absl::StrCat("metrics are served on ", exporter.endpoint()->address().ToString()));
  return absl::OkStatus();
}

absl::Status CheckConnected(const OutageLog& outage) {
  return outage.away() ? absl::UnavailableError("the coordinator does not answer") : absl::OkStatus();
}

// All that a worker consists of, wired together.
int Serve(const Settings& settings, const LogScope& log, const v1::WorkerInfo& worker,
          Coordinator& coordinator, ProcessLauncher& launcher, int signal_fd) {
  OutageLog outage(log);
  ArtifactCache cache(settings.data_dir + "/cache", settings.cache_bytes, &coordinator, settings.local_store);
  if (const absl::Status opened = cache.Open(); !opened.ok()) return Report(opened, 1);
  AssetStoreOptions asset_options;
  absl::StatusOr<std::string> assets_folder = AssetsFolder(settings.assets_dir, ProcessEnvironment());
  if (!assets_folder.ok()) return Report(assets_folder.status(), 1);
  asset_options.root = *std::move(assets_folder);
  asset_options.report = [&](const std::string& what) { log.Info(what); };
  AssetStore assets(asset_options, &launcher);

  const std::unique_ptr<GpuProbe> gpus = HasGpu(worker) ? GpuProbe::Open() : nullptr;
  WorkerMetrics metrics(MetricsOptions(settings, worker), &cache, &outage, gpus.get());
  Exporter exporter;
  if (const absl::Status served = ServeMetrics(settings, metrics, log, exporter); !served.ok())
    return Report(served, 2);

  AttemptEnvironment environment;
  environment.options.data_folder = settings.data_dir;
  environment.options.runner = settings.runner;
  environment.options.threads = settings.threads;
  environment.options.grace = absl::Seconds(settings.grace_seconds);
  environment.options.checkpoint_interval = absl::Seconds(settings.checkpoint_seconds);
  environment.options.hand_over.checkpoint_patience = absl::Seconds(settings.checkpoint_upload_seconds);
  environment.options.hand_over.full_store_patience = absl::Hours(settings.full_store_hours);
  environment.launcher = &launcher;
  environment.coordinator = &coordinator;
  environment.cache = &cache;
  environment.assets = &assets;
  environment.outage = &outage;
  environment.clock = &Clock::Real();
  environment.log = log;
  environment.observer = &metrics;
  AgentOptions options;
  options.worker = worker;
  if (settings.exit_when_idle > 0) options.max_idle = absl::Seconds(settings.exit_when_idle);
  options.ready = [&] {
    exporter.SetReadiness([&outage] { return CheckConnected(outage); });
    ReportReady(settings.ready_fd, worker.id());
  };
  Agent agent(options, environment);

  UniqueFd done(eventfd(0, EFD_CLOEXEC));
  absl::Status status;
  // Runners die with the thread that starts them, so it lives as long as the agent.
  std::thread thread([&] {
    status = agent.Run();
    const uint64_t one = 1;
    (void)!write(done.get(), &one, sizeof(one));
  });
  WatchForStop(agent, log, signal_fd, settings.lifeline_fd, done.get(), [&exporter] {
    exporter.SetReadiness([] { return absl::UnavailableError("the worker is stopping"); });
  });
  thread.join();
  log.Info("stopped");
  return Report(status, ExitCodeOf(status));
}

absl::Status Absolute(std::string& path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) return FileError(error.value(), "find", path);
  return absl::OkStatus();
}

// What the worker says of itself beside what its runner can do.
absl::Status Describe(const Settings& settings, const std::string& id, v1::WorkerInfo& worker) {
  QL_ASSIGN_OR_RETURN((*worker.mutable_facts())[kFolderIdFact], FolderId(settings.data_dir + "/lock"));
  QL_ASSIGN_OR_RETURN(const auto labels, ParseLabels(settings.labels));
  worker.mutable_labels()->insert(labels.begin(), labels.end());
  worker.set_id(id);
  worker.set_hostname(Hostname());
  worker.set_version(kVersion);
  worker.set_machine_id(settings.machine_id.empty() ? MachineId("/", Hostname()) : settings.machine_id);
  return absl::OkStatus();
}

// The runner inherits them. Called before there are threads.
absl::Status NameRuntimes(Settings& settings) {
  if (absl::StrContains(settings.runtimes_python, '/')) {
    QL_RETURN_IF_ERROR(Absolute(settings.runtimes_python));
  }
  if (!settings.runtimes_dir.empty()) QL_RETURN_IF_ERROR(Absolute(settings.runtimes_dir));
  const std::pair<const char*, const std::string*> variables[] = {
      {"QUANTLAB_RUNTIMES_PYTHON", &settings.runtimes_python},
      {"QUANTLAB_RUNTIMES_DIR", &settings.runtimes_dir}};
  for (const auto& [name, value] : variables) {
    if (!value->empty()) setenv(name, value->c_str(), /*overwrite=*/1);
  }
  return absl::OkStatus();
}

int RunWorker(Settings settings, ProcessLauncher& launcher, int signal_fd) {
  LogOptions log_options;
  absl::Status parsed = ParseLogOptions(settings.log_level, settings.log_format, &log_options);
  if (parsed.ok()) parsed = ParseLabels(settings.labels).status();
  if (!parsed.ok()) return Report(parsed, 2);
  absl::StatusOr<std::unique_ptr<Log>> opened = Log::Open(log_options);
  if (!opened.ok()) return Report(opened.status(), 2);
  const LogScope log(*std::move(opened));
  if (settings.runner.empty()) settings.runner = ExecutableFolder() + "/quant-runner";
  if (const absl::Status named = NameRuntimes(settings); !named.ok()) return Report(named, 1);
  for (std::string* path : {&settings.data_dir, &settings.runner}) {
    if (const absl::Status status = Absolute(*path); !status.ok()) return Report(status, 1);
  }
  absl::StatusOr<std::unique_ptr<Coordinator>> coordinator =
      ConnectCoordinator(settings.coordinator, settings.security);
  if (!coordinator.ok()) return Report(coordinator.status(), 2);
  if (const absl::Status made = MakeDirectories(settings.data_dir); !made.ok()) return Report(made, 1);
  const absl::StatusOr<std::unique_ptr<FileLock>> lock = FileLock::Try(settings.data_dir + "/lock");
  if (!lock.ok()) return Report(lock.status(), 1);
  if (*lock == nullptr) {
    return Report(absl::FailedPreconditionError(absl::StrCat("another worker uses ", settings.data_dir,
                                                             "; give each worker a --data-dir of its own")),
                  4);
  }
  const absl::StatusOr<std::string> id = WorkerId(settings.data_dir);
  if (!id.ok()) return Report(id.status(), 1);

  log.Info("asking quant-runner what this machine can do");
  absl::StatusOr<v1::WorkerInfo> worker = AskRunner(launcher, settings.runner, signal_fd);
  absl::Status usable = worker.status();
  if (absl::IsCancelled(usable)) return 0;
  if (usable.ok()) usable = RestrictDevices(settings.devices, *worker);
  if (!usable.ok()) return Report(usable, 3);
  if (const absl::Status described = Describe(settings, *id, *worker); !described.ok())
    return Report(described, 1);
  return Serve(settings, log, *worker, **coordinator, launcher, signal_fd);
}

// The first line of standard input.
std::string ReadToken() {
  std::string token;
  for (char c; token.size() < 256 && read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) token.push_back(c);
  return token;
}

int RunJoin(Settings settings) {
  if (settings.coordinator.empty() || settings.data_dir.empty()) {
    return Report(
        absl::InvalidArgumentError("join needs --coordinator and --data-dir; see quant-worker join --help"),
        2);
  }
  settings.security.token.clear();
  const absl::Status joined = Join({settings.coordinator, settings.data_dir, settings.security, ReadToken()});
  if (!joined.ok()) return Report(joined, ExitCodeOf(joined));
  printf("joined; start the worker with: quant-worker --data-dir %s\n", settings.data_dir.c_str());
  return 0;
}

// Parses the command line, with the options of the file that --config names. Returns an exit code, or -1 to
// go on.
int Parse(CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = arguments, names;
  if (const std::string file = NamedOptionFile(arguments); !file.empty()) {
    for (const CLI::Option* option : app.get_options()) {
      names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
    }
    const absl::StatusOr<std::string> text = ReadFile(file, kMaxOptionFileBytes);
    if (!text.ok()) return Report(text.status(), 2);
    absl::StatusOr<std::vector<std::string>> with_file = WithOptionFile(arguments, names, file, *text);
    if (!with_file.ok()) return Report(with_file.status(), 2);
    all = *std::move(with_file);
  }
  try {
    app.parse(std::vector<std::string>(all.rbegin(), all.rend()));  // as CLI11 wants them
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return -1;
}

void AddConnectionOptions(CLI::App& app, Settings& settings) {
  app.add_option("--config", settings.config, "YAML file with options, e.g. /etc/quantlab/worker.yaml");
  app.add_option("--coordinator", settings.coordinator,
                 "unix:/PATH or HOST:PORT; beyond this machine with --ca-file or --ca-fingerprint");
  app.add_option("--data-dir", settings.data_dir,
                 "Folder of this worker alone: its id, token, spools and cache");
  app.add_option("--token-file", settings.security.token,
                 "File with this worker's token, readable by this user alone; default: the data folder's");
  app.add_option(
      "--ca-file", settings.security.ca,
      "Certificate (PEM) of the authority that signed the coordinator's; default: the data folder's");
  app.add_option("--ca-fingerprint", settings.security.ca_fingerprint,
                 "Instead of --ca-file: SHA-256 of that certificate");
}

void AddExecutionOptions(CLI::App& app, Settings& settings) {
  const SettingSpec& threads = *FindSetting("threads");
  app.add_option("--runner", settings.runner, "quant-runner; default: beside this program");
  app.add_option(
      "--runtimes-python", settings.runtimes_python,
      "Python with the packages of `comparison.runtimes` (onnxruntime, openvino, torch, transformers); "
      "default: $QUANTLAB_RUNTIMES_PYTHON, else python3");
  app.add_option(
      "--runtimes-dir", settings.runtimes_dir,
      "Folder of programs x-NAME that speak the runtime protocol; default: $QUANTLAB_RUNTIMES_DIR");
  app.add_option("--devices", settings.devices,
                 absl::StrCat("Devices to offer (", absl::StrJoin(DeviceKindNames(), ", "),
                              "); default: all that the runner has"))
      ->delimiter(',');
  app.add_option("--label", settings.labels,
                 "KEY=VALUE for `resources.labels` of experiment files; may be repeated")
      ->type_name("KEY=VALUE")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--machine-id", settings.machine_id,
                 "Workers with the same one share a machine: none gets a run while another measures times; "
                 "default: an id of the running kernel")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return IsLabelText(text) ? "" : "needs 1 to 128 letters, digits and . _ - /";
          },
          "ID"));
  app.add_option("--threads", settings.threads, "Threads of runs that do not set them; 0: the runner decides")
      ->check(CLI::Range(static_cast<int>(*threads.min), static_cast<int>(*threads.max)));
  app.add_option(
      "--assets-dir", settings.assets_dir,
      "Models and datasets of the catalogue; default: $QUANTLAB_ASSETS, else ~/.cache/quantlab/assets");
  app.add_option(
      "--local-store", settings.local_store,
      "The artifact store of a coordinator of this user on this machine: its files are linked, not copied");
  app.add_option("--cache-bytes", settings.cache_bytes, "Maximum size of the artifact cache, in bytes")
      ->check(CLI::NonNegativeNumber);
}

void AddServiceOptions(CLI::App& app, Settings& settings) {
  app.add_option("--grace", settings.grace_seconds, "Seconds from SIGTERM to SIGKILL of a runner")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option(
         "--checkpoint-seconds", settings.checkpoint_seconds,
         "Save the state of a training this often, so that the next attempt continues from it; less often "
         "where that takes more than 1 % of the time. 0: never")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--checkpoint-upload-seconds", settings.checkpoint_upload_seconds,
                 "How long a stopping worker waits until the last such state is uploaded")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--exit-when-idle", settings.exit_when_idle,
                 "End after so many seconds without a run, for batch systems; default: never")
      ->check(CLI::Range(1.0, 31536000.0));
  app.add_option("--full-store-hours", settings.full_store_hours,
                 "How long results wait on this worker while the coordinator's disk is full")
      ->check(CLI::Range(0.0, 8760.0))
      ->capture_default_str();
  app.add_option("--lifeline-fd", settings.lifeline_fd, "Stop when this descriptor's other end closes");
  app.add_option("--ready-fd", settings.ready_fd, "Write a line here once registered with the coordinator");
  app.add_option("--metrics-listen", settings.metrics_listen,
                 "Address on loopback for GET /metrics, /healthz and /readyz, or off")
      ->capture_default_str();
  app.add_option("--log-level", settings.log_level, "debug, info, warning or error");
  app.add_option("--log-format", settings.log_format, "text or json");
}

CLI::App* AddFetchCommand(CLI::App& app, FetchOptions& fetch) {
  CLI::App* fetch_command = app.add_subcommand("fetch", "Downloads models and datasets of the catalogue");
  fetch_command->add_option("--catalog", fetch.catalog, "configs/catalog.yaml")->required();
  fetch_command->add_option("--assets-dir", fetch.assets_dir, "Destination; default as above");
  fetch_command->add_option("names", fetch.names, "Assets; default: all that can be fetched");
  fetch_command->footer("Example:\n  quant-worker fetch --catalog configs/catalog.yaml minilm imdb");
  return fetch_command;
}

CLI::App* AddJoinCommand(CLI::App& app) {
  CLI::App* join_command = app.add_subcommand(
      "join",
      "Exchanges a token of 'quantctl admin add-worker', read from standard input, for a lasting one");
  join_command->footer(
      "Example:\n  quant-worker join --coordinator HOST:7420 --ca-fingerprint SHA256 --data-dir DIR < TOKEN-FILE");
  join_command->fallthrough();
  return join_command;
}

int Main(int argc, char** argv) {
  const int signal_fd = SignalDescriptor();
  const std::unique_ptr<ProcessLauncher> launcher = MakeProcessLauncher();
  CLI::App app("Takes runs from a Quantlab coordinator and executes them, one at a time.", "quant-worker");
  app.footer(kFooter);
  app.set_version_flag("--version", kVersion);
  Settings settings;
  FetchOptions fetch;
  AddConnectionOptions(app, settings);
  AddExecutionOptions(app, settings);
  AddServiceOptions(app, settings);
  const CLI::App* const fetch_command = AddFetchCommand(app, fetch);
  const CLI::App* const join_command = AddJoinCommand(app);
  if (const int code = Parse(app, std::vector<std::string>(argv + 1, argv + argc)); code >= 0) return code;
  if (fetch_command->parsed()) {
    const absl::Status fetched = Fetch(fetch, *launcher, signal_fd);
    return Report(fetched, absl::IsNotFound(fetched) ? 2 : ExitCodeOf(fetched));
  }
  if (join_command->parsed()) return RunJoin(std::move(settings));
  if (!settings.data_dir.empty()) {
    const absl::Status joined = UseJoinedFiles(settings.data_dir, &settings.coordinator, &settings.security);
    if (!joined.ok()) return Report(joined, 2);
  }
  if (settings.coordinator.empty() || settings.data_dir.empty()) {
    return Report(
        absl::InvalidArgumentError(
            "--coordinator and --data-dir are needed (after 'quant-worker join' only --data-dir); see "
            "quant-worker --help"),
        2);
  }
  return RunWorker(std::move(settings), *launcher, signal_fd);
}

}  // namespace
}  // namespace quantlab::agent

int main(int argc, char** argv) {
  return quantlab::agent::Main(argc, argv);
}
