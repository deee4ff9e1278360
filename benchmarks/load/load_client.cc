// Many simulated workers in one process, over a connection each, as quant-worker's. load.py starts it and
// reads its results, one JSON object per command.
//
//   load_client ADDRESS submit EXPERIMENTS RUNS
//       submits experiments of RUNS runs each, one after the other
//   load_client ADDRESS work WORKERS RUNS METRICS
//       takes and ends runs until RUNS have ended; each reports METRICS metrics
//   load_client ADDRESS latency WORKERS COUNT PAUSE_MS
//       submits one run after the other to waiting workers
//   load_client ADDRESS metrics WORKERS SECONDS BATCH
//       each worker sends batches for its run as fast as it can
//   load_client ADDRESS outage WORKERS THINK_MS BEAT_MS
//       works until standard input ends. Each line there is the time (CLOCK_MONOTONIC, ns) at which the
//       coordinator was killed; the answer comes when all workers are served again
//   load_client ADDRESS list CALLS
//       asks for pages of experiments
#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "proto/channel.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"

namespace quantlab {
namespace {

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "load_client: %s\n", why.c_str());
  std::exit(1);
}

absl::Duration Now() {
  return Clock::Real().Monotonic();
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed.ok()) Fail(parsed.status().ToString());
  ChannelOptions options;
  options.keepalive = absl::Seconds(30);
  return MakeChannel(*parsed, options);
}

// ---- durations -----------------------------------------------------------------------------------------

// Durations of calls by their names. Threads: safe.
class Timings {
 public:
  void Add(const std::string& name, absl::Duration took) {
    MutexLock lock(mutex_);
    milliseconds_[name].push_back(absl::ToDoubleMilliseconds(took));
  }

  // {"Sync": {"count": 1, "p50_ms": 1.0, "p99_ms": 1.0, "max_ms": 1.0}}
  std::string Json() {
    MutexLock lock(mutex_);
    std::string text = "{";
    for (auto& [name, values] : milliseconds_) {
      std::sort(values.begin(), values.end());
      const auto quantile = [&values = values](double q) {
        return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
      };
      absl::StrAppendFormat(
          &text, "%s\"%s\": {\"count\": %d, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}",
          text.size() > 1 ? ", " : "", name, values.size(), quantile(0.5), quantile(0.99), values.back());
    }
    return text + "}";
  }

 private:
  Mutex mutex_;
  std::map<std::string, std::vector<double>> milliseconds_ ABSL_GUARDED_BY(mutex_);
};

// ---- submitting ----------------------------------------------------------------------------------------

std::string Submit(v1::ExperimentService::Stub& stub, const std::string& name, int runs) {
  std::string seeds;
  for (int seed = 1; seed <= runs; ++seed) absl::StrAppend(&seeds, seed > 1 ? ", " : "", seed);
  v1::SubmitExperimentRequest request;
  std::random_device random;
  request.set_request_id(absl::StrCat(name, "-", random(), "-", random()));
  v1::SourceFile* file = request.add_files();
  file->set_name("load.yaml");
  file->set_content(absl::StrCat("name: ", name, "\nseeds: [", seeds,
                                 "]\nreuse: false\nexperiments:\n  baseline: {enabled: true, model: minilm, "
                                 "dataset: imdb}\nevaluation: {metrics: [accuracy]}\n"));
  v1::SubmitExperimentResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub.SubmitExperiment(&context, request, &response);
  if (!status.ok()) Fail("submit: " + status.error_message());
  return response.experiment().id();
}

void SubmitMany(const std::string& address, int experiments, int runs) {
  const auto stub = v1::ExperimentService::NewStub(Connect(address));
  Timings timings;
  const absl::Duration start = Now();
  for (int i = 0; i < experiments; ++i) {
    const absl::Duration before = Now();
    Submit(*stub, absl::StrCat("load", i), runs);
    timings.Add("SubmitExperiment", Now() - before);
  }
  const double seconds = absl::ToDoubleSeconds(Now() - start);
  std::printf("{\"seconds\": %.3f, \"runs_per_second\": %.1f, \"calls\": %s}\n", seconds,
              experiments * runs / seconds, timings.Json().c_str());
}

// ---- workers -------------------------------------------------------------------------------------------

// What the workers of one measurement share.
struct Plan {
  int metrics = 0;               // of each run, in one report
  bool endless_reports = false;  // a run reports batches of `metrics` until the end
  absl::Duration think;          // what a run takes
  absl::Duration beat;           // between the calls of a worker that has a run
  std::function<void(const std::string& run_id)> on_start = [](const std::string&) {};
  Timings timings;
  std::atomic<bool> ending = false;
  std::atomic<int64_t> started = 0, ended = 0, events = 0, failed_calls = 0;
};

// One worker: a chain of asynchronous calls. Threads: gRPC's; one call at a time.
class Worker {
 public:
  Worker(const std::string& address, int number, const std::vector<v1::MethodVersion>& methods, Plan* plan)
      : plan_(plan), stub_(v1::WorkerService::NewStub(Connect(address))) {
    info_.set_id(absl::StrFormat("load-%05d", number));
    info_.set_hostname("load");
    info_.add_devices("cpu");
    info_.set_fingerprint("load");
    info_.set_runner_sha256(std::string(64, '0'));
    for (const v1::MethodVersion& method : methods) *info_.add_methods() = method;
  }

  void Start() { AskForRun(); }

  // The moment of the last reply; InfinitePast before the first.
  absl::Duration last_reply() {
    MutexLock lock(mutex_);
    return last_reply_;
  }
  // The first reply after `since`; infinite while there was none. Clears what it remembers with `since`.
  absl::Duration FirstReplySince(absl::Duration since) {
    MutexLock lock(mutex_);
    if (since_ != since) {
      since_ = since;
      first_reply_ = last_reply_ > since ? last_reply_ : absl::InfiniteDuration();
    }
    return first_reply_;
  }
  // Ends the call that is open. The chain stops where the plan is ending.
  void Cancel() {
    MutexLock lock(mutex_);
    if (context_ != nullptr) context_->TryCancel();
  }
  bool idle() {
    MutexLock lock(mutex_);
    return stopped_;
  }

 private:
  // Makes a call, notes how long it took, and goes on; after an error it repeats the call.
  template <typename Request, typename Response>
  void Call(const char* name, absl::Duration timeout,
            void (v1::WorkerService::StubInterface::async_interface::*call)(
                grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>),
            std::shared_ptr<Request> request, std::function<void(const Response&)> then) {
    if (plan_->ending) return Stop();
    auto context = std::make_shared<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
    {
      MutexLock lock(mutex_);
      context_ = context;
    }
    auto response = std::make_shared<Response>();
    const absl::Duration start = Now();
    const auto done = [=, this](const grpc::Status& status) {
      const absl::Duration end = Now();
      if (plan_->ending) return Stop();
      if (!status.ok()) {
        ++plan_->failed_calls;
        return After(backoff_.Next(), [=, this] { Call(name, timeout, call, request, then); });
      }
      backoff_.Reset();
      {
        MutexLock lock(mutex_);
        last_reply_ = end;
        if (first_reply_ == absl::InfiniteDuration() && end > since_) first_reply_ = end;
      }
      plan_->timings.Add(name, end - start);
      then(*response);
    };
    (stub_->async()->*call)(context.get(), request.get(), response.get(),
                            [done, context, response](const grpc::Status& status) { done(status); });
  }

  void After(absl::Duration pause, std::function<void()> then) {
    if (pause <= absl::ZeroDuration()) return then();
    alarm_ = std::make_shared<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(pause),
                [then = std::move(then), alarm = alarm_](bool) { then(); });
  }

  void AskForRun() {
    auto request = std::make_shared<v1::SyncRequest>();
    *request->mutable_worker() = info_;
    request->set_wants_run(true);
    request->set_max_wait_seconds(10);
    const absl::Duration asked = Now();
    Call<v1::SyncRequest, v1::SyncResponse>(
        "Sync, waiting for a run", absl::Seconds(30),
        &v1::WorkerService::StubInterface::async_interface::Sync, request,
        [this, asked](const v1::SyncResponse& response) {
          if (!response.has_assignment()) {
            return After(absl::Seconds(response.next_sync_seconds()) * 0.1, [this] { AskForRun(); });
          }
          attempt_ = response.assignment().attempt();
          ++plan_->started;
          plan_->on_start(attempt_.run_id());
          last_event_ = 0;
          run_until_ = Now() + plan_->think;
          Report();
        });
  }

  void Report() {
    if (plan_->metrics == 0) return Run();
    auto request = std::make_shared<v1::ReportEventsRequest>();
    *request->mutable_attempt() = attempt_;
    request->set_first_number(last_event_ + 1);
    const int64_t nanos = absl::ToUnixNanos(absl::Now());
    for (int i = 0; i < plan_->metrics; ++i) {
      v1::Event* event = request->add_events();
      event->set_number(++last_event_);
      event->mutable_time()->set_seconds(nanos / 1'000'000'000);
      event->mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
      event->mutable_metric()->set_name("train_loss");
      event->mutable_metric()->set_value(1.0 / static_cast<double>(last_event_));
      event->mutable_metric()->set_step(last_event_);
    }
    Call<v1::ReportEventsRequest, v1::ReportEventsResponse>(
        "ReportEvents", absl::Seconds(30), &v1::WorkerService::StubInterface::async_interface::ReportEvents,
        request, [this](const v1::ReportEventsResponse&) {
          plan_->events += plan_->metrics;
          return plan_->endless_reports ? Report() : Run();
        });
  }

  // Says now and then that it is alive, until the run's time is over.
  void Run() {
    const absl::Duration left = run_until_ - Now();
    if (left <= absl::ZeroDuration()) return End();
    After(std::min(left, plan_->beat), [this] {
      if (Now() >= run_until_) return End();
      auto request = std::make_shared<v1::SyncRequest>();
      *request->mutable_worker() = info_;
      *request->mutable_attempt() = attempt_;
      Call<v1::SyncRequest, v1::SyncResponse>(
          "Sync, with a run", absl::Seconds(30), &v1::WorkerService::StubInterface::async_interface::Sync,
          request,
          [this](const v1::SyncResponse& response) { return response.fenced() ? AskForRun() : Run(); });
    });
  }

  void End() {
    auto request = std::make_shared<v1::FinishAttemptRequest>();
    *request->mutable_attempt() = attempt_;
    request->set_outcome(v1::RUN_STATE_SUCCEEDED);
    request->set_last_number(last_event_);
    Call<v1::FinishAttemptRequest, v1::FinishAttemptResponse>(
        "FinishAttempt", absl::Seconds(30), &v1::WorkerService::StubInterface::async_interface::FinishAttempt,
        request, [this](const v1::FinishAttemptResponse&) {
          ++plan_->ended;
          AskForRun();
        });
  }

  void Stop() {
    MutexLock lock(mutex_);
    stopped_ = true;
  }

  Plan* const plan_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  v1::WorkerInfo info_;
  v1::AttemptRef attempt_;
  int64_t last_event_ = 0;
  absl::Duration run_until_;
  Backoff backoff_;  // as quant-worker's
  std::shared_ptr<grpc::Alarm> alarm_;
  Mutex mutex_;
  std::shared_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_reply_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  absl::Duration first_reply_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// All workers of a measurement; they work from Start to Stop.
class Workers {
 public:
  Workers(const std::string& address, int count, Plan* plan) : plan_(plan) {
    const auto stub = v1::ExperimentService::NewStub(Connect(address));
    v1::ListMethodsResponse known;
    grpc::ClientContext context;
    const grpc::Status status = stub->ListMethods(&context, v1::ListMethodsRequest(), &known);
    if (!status.ok()) Fail("methods: " + status.error_message());
    std::vector<v1::MethodVersion> methods;
    for (const auto& method : known.methods()) {
      methods.emplace_back().set_name(method.name());
      methods.back().set_version(method.version());
    }
    for (int i = 0; i < count; ++i) {
      workers_.push_back(std::make_unique<Worker>(address, i, methods, plan));
    }
  }

  void Start() {
    for (const auto& worker : workers_) worker->Start();
  }

  void Stop() {
    plan_->ending = true;
    for (const auto& worker : workers_) {
      while (!worker->idle()) {
        worker->Cancel();
        absl::SleepFor(absl::Milliseconds(1));
      }
    }
  }

  const std::vector<std::unique_ptr<Worker>>& all() const { return workers_; }

 private:
  Plan* const plan_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

void Await(const std::function<bool()>& condition) {
  while (!condition()) absl::SleepFor(absl::Milliseconds(5));
}

// ---- measurements --------------------------------------------------------------------------------------

void Work(const std::string& address, int count, int64_t runs, int metrics) {
  Plan plan;
  plan.metrics = metrics;
  Workers workers(address, count, &plan);
  const absl::Duration start = Now();
  workers.Start();
  Await([&] { return plan.ended >= runs; });
  const double seconds = absl::ToDoubleSeconds(Now() - start);
  const int64_t ended = plan.ended, events = plan.events;
  workers.Stop();
  std::printf(
      "{\"seconds\": %.3f, \"runs_per_second\": %.1f, \"events_per_second\": %.1f, "
      "\"failed_calls\": %" PRId64 ", \"calls\": %s}\n",
      seconds, static_cast<double>(ended) / seconds, static_cast<double>(events) / seconds,
      plan.failed_calls.load(), plan.timings.Json().c_str());
}

void Latency(const std::string& address, int count, int submissions, absl::Duration pause) {
  Mutex mutex;
  std::map<std::string, absl::Duration> starts;  // by experiment
  Plan plan;
  plan.on_start = [&](const std::string& run_id) {
    const absl::Duration now = Now();
    MutexLock lock(mutex);
    starts[run_id.substr(0, run_id.find('/'))] = now;
  };
  Workers workers(address, count, &plan);
  workers.Start();
  absl::SleepFor(absl::Seconds(2));  // until they wait
  const auto stub = v1::ExperimentService::NewStub(Connect(address));
  Timings timings;
  std::map<std::string, absl::Duration> submits;
  for (int i = 0; i < submissions; ++i) {
    const absl::Duration before = Now();
    submits[Submit(*stub, absl::StrCat("latency", i), 1)] = before;
    timings.Add("SubmitExperiment", Now() - before);
    absl::SleepFor(pause);
  }
  Await([&] { return plan.ended >= submissions; });
  workers.Stop();
  MutexLock lock(mutex);
  for (const auto& [id, before] : submits) timings.Add("submit to start", starts.at(id) - before);
  std::printf("{\"calls\": %s}\n", timings.Json().c_str());
}

void Metrics(const std::string& address, int count, absl::Duration time, int batch) {
  Plan plan;
  plan.metrics = batch;
  plan.endless_reports = true;
  Workers workers(address, count, &plan);
  workers.Start();
  Await([&] { return plan.started >= count; });
  const int64_t before = plan.events;
  const absl::Duration start = Now();
  absl::SleepFor(time);
  const double rate = static_cast<double>(plan.events - before) / absl::ToDoubleSeconds(Now() - start);
  workers.Stop();
  std::printf("{\"events_per_second\": %.0f, \"calls\": %s}\n", rate, plan.timings.Json().c_str());
}

// How long after `killed` each worker was served again, in milliseconds, sorted.
std::vector<double> ServedAgain(const Workers& workers, absl::Duration killed) {
  std::vector<double> served;
  for (const auto& worker : workers.all()) {
    Await([&] { return worker->FirstReplySince(killed) != absl::InfiniteDuration(); });
    served.push_back(absl::ToDoubleMilliseconds(worker->FirstReplySince(killed) - killed));
  }
  std::sort(served.begin(), served.end());
  return served;
}

void Outage(const std::string& address, int count, absl::Duration think, absl::Duration beat) {
  Plan plan;
  plan.metrics = 1;
  plan.think = think;
  plan.beat = beat;
  Workers workers(address, count, &plan);
  workers.Start();
  Await([&] { return plan.started >= count; });
  std::printf("{\"working\": %d}\n", count);
  std::fflush(stdout);
  int64_t nanos = 0;
  while (std::cin >> nanos) {
    const std::vector<double> served = ServedAgain(workers, absl::Nanoseconds(nanos));
    std::string all;
    for (const double ms : served) absl::StrAppendFormat(&all, "%s%.1f", all.empty() ? "" : ", ", ms);
    std::printf("{\"served_again_ms\": [%s], \"ended\": %" PRId64 "}\n", all.c_str(), plan.ended.load());
    std::fflush(stdout);
  }
  workers.Stop();
  std::printf("{\"ended\": %" PRId64 ", \"failed_calls\": %" PRId64 ", \"calls\": %s}\n", plan.ended.load(),
              plan.failed_calls.load(), plan.timings.Json().c_str());
}

void List(const std::string& address, int calls) {
  const auto stub = v1::ExperimentService::NewStub(Connect(address));
  Timings timings;
  std::string deep;  // a page far behind the first
  for (int i = 0; i < calls; ++i) {
    for (const auto& [name, token] :
         {std::pair<std::string, std::string>("first page", ""), {"later page", deep}}) {
      v1::ListExperimentsRequest request;
      request.set_page_size(20);
      request.set_page_token(token);
      v1::ListExperimentsResponse response;
      grpc::ClientContext context;
      const absl::Duration start = Now();
      const grpc::Status status = stub->ListExperiments(&context, request, &response);
      if (!status.ok()) Fail("list: " + status.error_message());
      timings.Add("ListExperiments, " + name, Now() - start);
      if (!response.next_page_token().empty()) deep = response.next_page_token();
    }
  }
  std::printf("{\"calls\": %s}\n", timings.Json().c_str());
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) Fail("usage: load_client ADDRESS COMMAND ...; see the source");
  const std::string &address = arguments[0], &command = arguments[1];
  const auto number = [&](size_t index) {
    return index < arguments.size() ? std::max(0, std::atoi(arguments[index].c_str())) : 0;
  };
  const auto milliseconds = [&](size_t index) { return absl::Milliseconds(number(index)); };
  if (command == "submit") {
    SubmitMany(address, number(2), number(3));
  } else if (command == "work") {
    Work(address, number(2), number(3), number(4));
  } else if (command == "latency") {
    Latency(address, number(2), number(3), milliseconds(4));
  } else if (command == "metrics") {
    Metrics(address, number(2), absl::Seconds(number(3)), number(4));
  } else if (command == "outage") {
    Outage(address, number(2), milliseconds(3), milliseconds(4));
  } else if (command == "list") {
    List(address, number(2));
  } else {
    Fail("unknown command " + command);
  }
  return 0;
}

}  // namespace
}  // namespace quantlab

int main(int argc, char** argv) {
  return quantlab::Run(std::vector<std::string>(argv + 1, argv + argc));
}
