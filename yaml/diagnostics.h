// The problems of an experiment file, each with its place. All are collected instead of stopping at the
// first.
#ifndef QUANTLAB_YAML_DIAGNOSTICS_H_
#define QUANTLAB_YAML_DIAGNOSTICS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/messages/message.h"

namespace quantlab {

// A place in a text. Line and column count from 1; 0 means the whole file.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
};

struct Diagnostic {
  Location at;
  std::string message;         // what is wrong, and what is allowed
  bool error = true;           // false: a warning
  Message coded_message = {};  // `message` as a message
};

// Threads: one thread at a time.
class Diagnostics {
 public:
  void Error(const Location& at, const Message& message) { Add(at, message, true); }
  void Warn(const Location& at, const Message& message) { Add(at, message, false); }
  // A text that has no code.
  void Error(const Location& at, absl::string_view text);
  void Warn(const Location& at, absl::string_view text);

  bool has_errors() const { return errors_ > 0; }
  const std::vector<Diagnostic>& all() const { return all_; }

 private:
  void Add(const Location& at, const Message& message, bool error);

  std::vector<Diagnostic> all_;
  int errors_ = 0;
};

// "quick.yaml:3:5: there is no key lerning_rate", as compilers write it.
std::string FormatDiagnostic(const Diagnostic& diagnostic);
// An error with its place.
Message PlacedMessage(const Diagnostic& diagnostic);

}  // namespace quantlab

#endif  // QUANTLAB_YAML_DIAGNOSTICS_H_
