// The whole coordinator: storage, core, services, server. Run by main and by tests.
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
  // Opens the data folder, recovers, and serves. `exit_code` is set to the process's exit code on an error.
  static absl::StatusOr<std::unique_ptr<App>> Start(const Options& options, int* exit_code);
  ~App();

  // What clients connect to: "unix:/…", "127.0.0.1:8500".
  std::string target() const;

  // Where metrics are served: "127.0.0.1:9464"; empty: nowhere.
  std::string metrics_address() const;

  // OK while new connections are served, or after fewer than six failed checks in a row. Otherwise the
  // process cannot recover and should exit with an error, so that its supervisor restarts it. Call it every
  // few seconds; waits up to 5 s for each address when nothing answers.
  absl::Status CheckServes();

  // OK unless the file of this machine's socket was removed or replaced, after which nobody can connect to
  // it: the process should exit with this error, so that its supervisor restarts it. Call it about four times
  // a second.
  absl::Status CheckSocket() const;

  // Call it about four times a second.
  void Tick();

  // Finishes deletions that were interrupted, and removes what nothing refers to, in the background. Call it
  // at the start and about once an hour.
  void CleanUp();

  // Refuses new work, answers waiting calls, lets running ones end for a moment, and closes everything.
  void Stop();

 private:
  struct Parts;
  explicit App(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_MAIN_APP_H_
