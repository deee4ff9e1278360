// The context of every quantctl command: settings, the coordinator, the terminal, Ctrl-C.
#ifndef QUANTLAB_CLIENT_QUANTCTL_SESSION_H_
#define QUANTLAB_CLIENT_QUANTCTL_SESSION_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/language.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "client/connection/cancellation.h"
#include "client/connection/client.h"
#include "client/embedded/embedded.h"
#include "client/quantctl/output.h"
#include "client/quantctl/settings.h"
#include "client/quantctl/table.h"
#include "platform/environment.h"

namespace quantlab::client {

// Properties of a file descriptor as a terminal.
struct Terminal {
  bool is_terminal = false;
  bool color = false;
  int width = 80, height = 24;

  // To which lines are wrapped; 0 where this is no terminal: programs get lines as they are.
  int Columns() const { return is_terminal ? width : 0; }

  // Colour only on a terminal that has it, and never with NO_COLOR or --no-color.
  static Terminal Of(int fd, bool no_color, const VariableLookup& environment);
};

// Turns SIGINT and SIGTERM into calls on a separate thread. Must be created before any other thread.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();

  // Called with 1, 2, … for each signal. Until a handler is set, the first signal ends the process with exit
  // code 130.
  void Handle(std::function<void(int count)> handler);
  int count() const;

 private:
  void Loop();

  // Set by the destructor, which sends a signal itself.
  std::atomic<bool> ending_{false};
  mutable Mutex mutex_;
  std::function<void(int)> handler_ ABSL_GUARDED_BY(mutex_);
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

class Session {
 public:
  // `flags` are all those of the command line. The language is known afterwards even if this fails.
  absl::Status Configure(const SettingFlags& flags, bool no_color, bool quiet);

  // The configured coordinator, or else the private one of the data folder, which is started if it is not
  // running.
  absl::StatusOr<Client*> Connect(bool want_worker = false);
  // Null unless Connect found no configured coordinator.
  EmbeddedService* embedded() { return embedded_.get(); }
  // Releases the embedded service; with `wait`, waits until it has stopped.
  void Disconnect(bool wait);

  bool is_table() const { return settings_.output == "table"; }
  // Writes to standard output; reports (once) if that fails.
  void Print(const std::string& text);
  void Print(const Table& table);
  // The same for sentences: on a terminal, lines end between words.
  void PrintText(const std::string& text);
  void PrintDocument(const std::string& schema, const Json& body);
  // A message in the user's language. Commands that it advises name the same service as this command line:
  // they repeat its --coordinator, --data-dir and the like.
  std::string Say(const Message& message) const;
  // A word of the catalogue's section [term]: a state, a unit.
  std::string Term(absl::string_view word) const { return RenderTerm(language_, word); }

  // Write to standard error, followed by a line break.
  void Note(const std::string& message);  // not with --quiet
  void Note(const Message& message) { Note(Say(message)); }
  void Warn(const std::string& message);
  void Warn(const Message& message) { Warn(Say(message)); }
  void Error(const std::string& message);
  void Error(const Message& message) { Error(Say(message)); }
  void Error(const absl::Status& status) { Error(MessageOf(status)); }

  const Settings& settings() const { return settings_; }
  Language language() const { return language_; }
  const Terminal& out() const { return out_; }
  const Terminal& err() const { return err_; }
  bool quiet() const { return quiet_; }
  Cancellation& cancellation() { return cancellation_; }
  Interrupts& interrupts() { return interrupts_; }

  // False if standard output failed (a full disk, not a closed pipe).
  bool output_ok() const { return output_ok_; }

 private:
  absl::Status OpenEmbedded(bool want_worker);
  // Writes a message with a label in front ("error:") to standard error.
  void Report(absl::string_view label, absl::string_view color, const std::string& message);

  Interrupts interrupts_;  // first: blocks the signals before any thread starts
  Cancellation cancellation_;
  Settings settings_;
  Terminal out_, err_;
  bool quiet_ = false;
  Language language_ = Language::kEnglish;
  std::string target_;  // of the command line: " --coordinator 127.0.0.1:7071"
  bool output_closed_ = false, output_ok_ = true;
  std::unique_ptr<EmbeddedService> embedded_;
  std::unique_ptr<Client> client_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_SESSION_H_
