// Propagation of absl::Status. Debian 12's Abseil has no ASSIGN_OR_RETURN of its own yet.
//
//   QL_RETURN_IF_ERROR(Check(x));
//   QL_ASSIGN_OR_RETURN(auto model, Model::Load(path));
#ifndef QUANTLAB_BASE_STATUS_MACROS_H_
#define QUANTLAB_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

#define QL_CONCAT_INNER(a, b) a##b
#define QL_CONCAT(a, b) QL_CONCAT_INNER(a, b)

#define QL_RETURN_IF_ERROR(expr)                            \
  do {                                                      \
    if (absl::Status ql_status = (expr); !ql_status.ok()) { \
      return ql_status;                                     \
    }                                                       \
  } while (false)

#define QL_ASSIGN_OR_RETURN(lhs, expr) QL_ASSIGN_OR_RETURN_IMPL(QL_CONCAT(ql_statusor_, __LINE__), lhs, expr)

#define QL_ASSIGN_OR_RETURN_IMPL(statusor, lhs, expr)      \
  auto statusor = (expr);                                  \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = std::move(statusor).value()

namespace quantlab {

// The same error, with its payloads, and `context` before its message: "reading /a/b: No such file".
inline absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload(
      [&annotated](absl::string_view url, const absl::Cord& payload) { annotated.SetPayload(url, payload); });
  return annotated;
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_STATUS_MACROS_H_
