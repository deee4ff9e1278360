// The wording of attempts in core's messages and errors.
#ifndef QUANTLAB_SERVER_CORE_ATTEMPT_WORDS_H_
#define QUANTLAB_SERVER_CORE_ATTEMPT_WORDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/records/records.h"

namespace quantlab {

// ABORTED, with the reason ATTEMPT_FENCED.
inline absl::Status Fenced(const AttemptKey& attempt) {
  return WithReason(absl::AbortedError(absl::StrCat(
                        "attempt ", attempt.number, " of ", attempt.run_id,
                        " is no longer assigned to this worker; stop it and discard its results")),
                    "ATTEMPT_FENCED");
}

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_ATTEMPT_WORDS_H_
