// Writes to several repositories that become durable together, by one synchronization of the disk.
#ifndef QUANTLAB_BASE_RECORDS_WRITE_GROUPS_H_
#define QUANTLAB_BASE_RECORDS_WRITE_GROUPS_H_

#include <functional>

#include "absl/status/status.h"

namespace quantlab {

class WriteGroups {
 public:
  virtual ~WriteGroups() = default;

  // Runs `body` and returns when everything that this thread wrote to the repositories in it is durable. In
  // `body` each write succeeds or fails by itself, and this thread reads what it has written; nobody else
  // does until then.
  //
  // After an error nothing of it is stored, as far as the database can tell: whoever keeps a copy of what it
  // wrote reads it again. Without any write the disk is not touched.
  //
  // Threads: safe; one group at a time, the others wait. A group does not begin another.
  // Errors: those of the repositories (base/records/repositories.h).
  virtual absl::Status Together(const std::function<void()>& body) = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_WRITE_GROUPS_H_
