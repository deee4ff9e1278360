// What the coordinator itself costs: the time from a submission to its start at a waiting worker, no-op runs
// per second over durable storage, and the time to take up again after being killed.
//
//   coordinator_benchmark [--experiments N] [--workers N] [--folder DIR]
//
// The coordinator is real (SQLite with full synchronization, gRPC over a Unix socket); only the workers do
// nothing. Results depend on the disk under --folder (default: a new folder under /tmp).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdlib.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"
#include "server/main/app.h"

namespace quantlab {
namespace {

struct Flags {
  int experiments = 300;
  int workers = 4;
  std::string folder;
};

// An app whose clock ticks.
class Service {
 public:
  explicit Service(const Options& options) {
    int exit_code = 0;
    auto app = App::Start(options, &exit_code);
    if (!app.ok()) {
      std::fprintf(stderr, "%s\n", app.status().ToString().c_str());
      std::exit(exit_code);
    }
    app_ = std::move(*app);
    ticker_ = std::thread([this] {
      while (!stop_) {
        app_->Tick();
        absl::SleepFor(absl::Milliseconds(250));
      }
    });
    channel_ = grpc::CreateChannel(app_->target(), grpc::InsecureChannelCredentials());
  }
  ~Service() {
    stop_ = true;
    ticker_.join();
    app_->Stop();
  }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  std::unique_ptr<App> app_;
  std::atomic<bool> stop_{false};
  std::thread ticker_;
  std::shared_ptr<grpc::Channel> channel_;
};

void Check(const grpc::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.error_message().c_str());
  std::exit(1);
}

std::string Submit(v1::ExperimentService::Stub& stub, const std::string& request_id) {
  v1::SubmitExperimentRequest request;
  request.set_request_id(request_id);
  v1::SourceFile* file = request.add_files();
  file->set_name("bench.yaml");
  file->set_content("reuse: false\nexperiments: {baseline: {}}\nevaluation: {metrics: [accuracy]}\n");
  v1::SubmitExperimentResponse response;
  grpc::ClientContext context;
  Check(stub.SubmitExperiment(&context, request, &response), "submit");
  return response.experiment().id();
}

// Takes runs and finishes them at once, until told to stop; notes when it got the last one.
class NoOpWorker {
 public:
  NoOpWorker(const std::shared_ptr<grpc::Channel>& channel, int number)
      : stub_(v1::WorkerService::NewStub(channel)),
        id_(absl::StrCat("w", number)),
        thread_([this] { Work(); }) {}
  ~NoOpWorker() {
    stop_ = true;
    thread_.join();
  }
  int64_t started() const { return started_; }
  absl::Time last_start() {
    MutexLock lock(mutex_);
    return last_start_;
  }

 private:
  void Work() {
    while (!stop_) {
      v1::SyncRequest request;
      request.mutable_worker()->set_id(id_);
      request.mutable_worker()->add_devices("cpu");
      request.set_wants_run(true);
      request.set_max_wait_seconds(0.5);
      v1::SyncResponse response;
      grpc::ClientContext context;
      if (!stub_->Sync(&context, request, &response).ok() || !response.has_assignment()) continue;
      {
        MutexLock lock(mutex_);
        last_start_ = absl::Now();
      }
      ++started_;
      v1::FinishAttemptRequest finish;
      *finish.mutable_attempt() = response.assignment().attempt();
      finish.set_outcome(v1::RUN_STATE_SUCCEEDED);
      v1::FinishAttemptResponse finished;
      grpc::ClientContext finish_context;
      Check(stub_->FinishAttempt(&finish_context, finish, &finished), "finish");
    }
  }

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  const std::string id_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> started_{0};
  Mutex mutex_;
  absl::Time last_start_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

void SubmitToStart(const Options& options, int experiments) {
  Service service(options);
  const auto stub = v1::ExperimentService::NewStub(service.channel());
  NoOpWorker worker(service.channel(), 0);
  std::vector<double> milliseconds;
  for (int i = 0; i < experiments; ++i) {
    absl::SleepFor(absl::Milliseconds(3));  // the worker waits again
    const int64_t before = worker.started();
    const absl::Time start = absl::Now();
    Submit(*stub, absl::StrCat("latency-", i));
    while (worker.started() == before) std::this_thread::yield();
    milliseconds.push_back(absl::ToDoubleMilliseconds(worker.last_start() - start));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto quantile = [&](double q) {
    return milliseconds[static_cast<size_t>(q * static_cast<double>(milliseconds.size() - 1))];
  };
  std::printf("submit to start, %d experiments: p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms\n",
              experiments, quantile(0.5), quantile(0.9), quantile(0.99), milliseconds.back());
}

void Throughput(const Options& options, int experiments, int workers) {
  Service service(options);
  const auto stub = v1::ExperimentService::NewStub(service.channel());
  for (int i = 0; i < experiments; ++i) Submit(*stub, absl::StrCat("throughput-", i));
  const absl::Time start = absl::Now();
  std::vector<std::unique_ptr<NoOpWorker>> pool;
  for (int i = 0; i < workers; ++i) pool.push_back(std::make_unique<NoOpWorker>(service.channel(), i));
  int64_t started = 0;
  while (started < experiments) {
    absl::SleepFor(absl::Milliseconds(5));
    started = 0;
    for (const auto& worker : pool) started += worker->started();
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::printf("no-op runs, %d of them by %d workers: %.0f a second\n", experiments, workers,
              experiments / seconds);
}

// A child with a queue of experiments is killed; then how long until a new one serves.
void Recovery(const Options& options, int experiments) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
    const std::string count = std::to_string(experiments);
    execl(program.c_str(), program.c_str(), "--fill", options.data_dir.c_str(), count.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) {
    std::fprintf(stderr, "the filling process ended with %d\n", status);
    std::exit(1);
  }
  const absl::Time start = absl::Now();
  Service service(options);
  const auto stub = v1::WorkerService::NewStub(service.channel());
  v1::SyncRequest request;
  request.mutable_worker()->set_id("w");
  request.mutable_worker()->add_devices("cpu");
  request.set_wants_run(true);
  v1::SyncResponse response;
  grpc::ClientContext context;
  Check(stub->Sync(&context, request, &response), "sync");
  std::printf("SIGKILL to the first run handed out, %d active experiments: %.0f ms\n", experiments,
              absl::ToDoubleMilliseconds(absl::Now() - start));
}

Options MakeOptions(const std::string& folder) {
  Options options;
  options.data_dir = folder;
  options.listen.socket = folder + "/s";
  options.catalog = QUANTLAB_SOURCE_DIR "/configs/catalog.yaml";
  options.log.level = LogLevel::kError;
  return options;
}

int Run(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--fill") == 0) {
    Service service(MakeOptions(argv[2]));
    const auto stub = v1::ExperimentService::NewStub(service.channel());
    for (int i = 0; i < std::atoi(argv[3]); ++i) Submit(*stub, absl::StrCat("fill-", i));
    raise(SIGKILL);
  }
  Flags flags;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--experiments") == 0) flags.experiments = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--workers") == 0) flags.workers = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--folder") == 0) flags.folder = argv[i + 1];
  }
  char temporary[] = "/tmp/qlbenchXXXXXX";
  if (flags.folder.empty()) flags.folder = mkdtemp(temporary);
  const auto part = [&](const char* name) { return MakeOptions(absl::StrCat(flags.folder, "/", name)); };
  Recovery(part("a"), flags.experiments);
  SubmitToStart(part("b"), flags.experiments);
  Throughput(part("c"), flags.experiments, flags.workers);
  std::filesystem::remove_all(flags.folder);
  return 0;
}

}  // namespace
}  // namespace quantlab

int main(int argc, char** argv) {
  return quantlab::Run(argc, argv);
}
