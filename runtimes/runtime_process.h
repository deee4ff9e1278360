// A runtime as a child process that speaks the runtime protocol, version 1: one JSON object a line, one
// answer for each request. docs/en/runtime-protocol.md describes it for those who write such a program.
#ifndef QUANTLAB_RUNTIMES_RUNTIME_PROCESS_H_
#define QUANTLAB_RUNTIMES_RUNTIME_PROCESS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/process.h"
#include "runtimes/agreement.h"

namespace quantlab::runtimes {

inline constexpr int kRuntimeProtocol = 1;
// Of a request or an answer, without its end.
inline constexpr size_t kMaxRuntimeLine = size_t{64} << 20;

// Token ids of each text, with special tokens, without padding.
using Batch = std::vector<std::vector<int32_t>>;

// What a runtime says about itself.
struct RuntimeIdentity {
  std::string title;                            // "ONNX Runtime"
  std::string version;                          // "1.32.0"
  std::map<std::string, std::string> versions;  // of everything that it computes with: "numpy", …
  std::vector<std::string> formats;             // that it loads, the preferred one first
};

// Every request fails with the program's own words where it answered with an error (FAILED_PRECONDITION);
// with INTERNAL where the answer is malformed or the program ended, with the end of what it wrote to standard
// error; with DEADLINE_EXCEEDED and CANCELLED. After any of the last three the program is killed, and every
// further request fails.
//
// Ownership: owns the child; destroying it asks the child to quit, and kills it where it does not.
// Threads:   one at a time.
class RuntimeProcess {
 public:
  struct Options {
    absl::Duration timeout = absl::Minutes(10);  // of one request
    std::function<bool()> should_stop;           // asked several times a second; may be empty
  };

  // Starts the program and learns what it is. Errors: also those of ProcessLauncher::Launch.
  static absl::StatusOr<std::unique_ptr<RuntimeProcess>> Start(const std::vector<std::string>& argv,
                                                               Options options);
  ~RuntimeProcess();

  const RuntimeIdentity& identity() const { return identity_; }
  pid_t pid() const { return process_->pid(); }

  // The number of the loaded model. `folder`: absolute.
  absl::StatusOr<int64_t> Load(const std::string& folder, const std::string& format, int threads);
  // One row for each text, all of one length.
  absl::StatusOr<Logits> Run(int64_t model, const Batch& batch);
  // Keeps the batch for Measure, and computes it `passes` times.
  absl::Status WarmUp(int64_t model, const Batch& batch, int passes);
  // Seconds of one forward pass of that batch, by the runtime's own clock.
  absl::StatusOr<double> Measure(int64_t model);

 private:
  explicit RuntimeProcess(Options options) : options_(std::move(options)) {}

  absl::Status Launch(const std::vector<std::string>& argv);
  absl::Status Greet();
  // The members of a request without its braces and id: `"do":"run"`. Returns the answer, which is an object.
  absl::StatusOr<std::string> Ask(const std::string& members);
  absl::Status Send(const std::string& line, absl::Time deadline);
  absl::StatusOr<std::string> Receive(absl::Time deadline);
  absl::Status Wait(int events, absl::Time deadline);
  // Read what is there to be read. False: the program has closed its output.
  bool Drain();
  void DrainErrors();
  absl::Status Ended();
  // Ends the program; `status` is the answer to this request.
  absl::Status Give(absl::Status status);

  const Options options_;
  std::unique_ptr<Process> process_;
  UniqueFd input_;
  RuntimeIdentity identity_;
  std::string output_, errors_;  // read, not yet used; the end of standard error
  bool errors_closed_ = false;   // by the program
  int64_t next_id_ = 1;
  absl::Status broken_;
};

}  // namespace quantlab::runtimes

#endif  // QUANTLAB_RUNTIMES_RUNTIME_PROCESS_H_
