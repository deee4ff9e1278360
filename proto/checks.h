// The checks of conversions from messages, with errors that name the field: "files[3].path: …".
// Only for proto/*.cc.
#ifndef QUANTLAB_PROTO_CHECKS_H_
#define QUANTLAB_PROTO_CHECKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "proto/convert.h"

namespace quantlab::proto_checks {

absl::Status Bad(absl::string_view field, absl::string_view problem);

// `status` of a part, with the part's name before the field's.
absl::Status Within(absl::string_view part, const absl::Status& status);

// At most `max_bytes`.
absl::Status Text(absl::string_view field, absl::string_view value, int max_bytes = kMaxNameBytes);
// And not empty.
absl::Status NonEmpty(absl::string_view field, absl::string_view value, int max_bytes = kMaxNameBytes);
// Relative, '/'-separated, without empty parts, ".", "..", backslashes and control characters.
absl::Status RelativePath(absl::string_view field, absl::string_view value);
// One part of such a path.
absl::Status PathPart(absl::string_view field, absl::string_view value);
// Absolute, without ".." and control characters.
absl::Status AbsolutePath(absl::string_view field, absl::string_view value);
// 64 lower-case hex digits; `optional`: or nothing.
absl::Status Digest(absl::string_view field, absl::string_view value, bool optional = false);
absl::Status AtLeast(absl::string_view field, int64_t value, int64_t least);
// Finite and within [low, high].
absl::Status Between(absl::string_view field, double value, double low, double high);
absl::Status Items(absl::string_view field, int64_t count, int64_t max = kMaxItems);
absl::Status Facts(absl::string_view field, const google::protobuf::Map<std::string, std::string>& from,
                   std::map<std::string, std::string>* to);

// One part that is a message or an enum.
template <typename Message, typename T>
absl::Status Part(absl::string_view field, const Message& from, T* to) {
  auto converted = FromProto(from);
  if (!converted.ok()) return Within(field, converted.status());
  *to = *std::move(converted);
  return absl::OkStatus();
}

// A repeated field of messages.
template <typename Repeated, typename T>
absl::Status Parts(absl::string_view field, const Repeated& from, std::vector<T>* to) {
  QL_RETURN_IF_ERROR(Items(field, from.size()));
  to->resize(from.size());
  for (int i = 0; i < from.size(); ++i) {
    QL_RETURN_IF_ERROR(Part(absl::StrCat(field, "[", i, "]"), from.Get(i), &(*to)[i]));
  }
  return absl::OkStatus();
}

// A repeated field of texts, each not empty.
template <typename Repeated>
absl::Status Texts(absl::string_view field, const Repeated& from, std::vector<std::string>* to) {
  QL_RETURN_IF_ERROR(Items(field, from.size()));
  to->assign(from.begin(), from.end());
  for (size_t i = 0; i < to->size(); ++i) {
    QL_RETURN_IF_ERROR(NonEmpty(absl::StrCat(field, "[", i, "]"), (*to)[i]));
  }
  return absl::OkStatus();
}

template <typename Domain, typename Repeated>
void AddAll(const std::vector<Domain>& from, Repeated* to) {
  for (const Domain& item : from) *to->Add() = ToProto(item);
}

}  // namespace quantlab::proto_checks

#endif  // QUANTLAB_PROTO_CHECKS_H_
