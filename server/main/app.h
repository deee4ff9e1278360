// The coordinator put together: storage, core, services, server. What main runs and tests start.
#ifndef QUANTLAB_SERVER_MAIN_APP_H_
#define QUANTLAB_SERVER_MAIN_APP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/main/options.h"

namespace quantlab {

// Threads: one thread starts, ticks and stops it.
class App {
 public:
  // Opens the data folder, recovers, and serves. `exit_code` says what to exit with on an error.
  static absl::StatusOr<std::unique_ptr<App>> Start(const Options& options, int* exit_code);
  ~App();

  // What clients connect to: "unix:/…", "127.0.0.1:8500".
  std::string target() const;

  // OK while new connections are served, or after fewer than six checks in a row that failed. Else the
  // process cannot serve again and should end with an error, for its supervisor to start it anew. To be
  // called every few seconds; waits up to 5 s when nothing answers.
  absl::Status CheckServes();

  // To be called about four times a second.
  void Tick();

  // Refuses new work, answers waiting calls, gives those that run a moment, and closes everything.
  void Stop();

 private:
  struct Parts;
  explicit App(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_MAIN_APP_H_
