// One line on a terminal that says what is being done, replaced as it goes on and erased at the end.
#ifndef QUANTLAB_CLIENT_QUANTCTL_STATUS_LINE_H_
#define QUANTLAB_CLIENT_QUANTCTL_STATUS_LINE_H_

#include "absl/time/time.h"
#include "base/messages/message.h"
#include "client/quantctl/session.h"

namespace quantlab::client {

// Writes nothing unless standard error is a terminal, or with --quiet. Clear it before anything else is
// written there.
//
// Threads: one at a time.
class StatusLine {
 public:
  explicit StatusLine(Session& session) : session_(session) {}
  ~StatusLine() { Clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // For steps that take a while: always shown.
  void Show(const Message& step);
  // For progress: at most ten times a second.
  void Update(const Message& progress);
  void Clear();

 private:
  Session& session_;
  absl::Time last_;
  bool shown_ = false;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_STATUS_LINE_H_
