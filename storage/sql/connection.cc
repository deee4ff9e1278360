#include "storage/sql/connection.h"

#include <limits>

namespace quantlab {

int64_t NanosFromTime(absl::Time time) {
  return absl::ToUnixNanos(time);  // saturates
}

absl::Time TimeFromNanos(int64_t nanos) {
  if (nanos == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  if (nanos == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  return absl::FromUnixNanos(nanos);
}

Query& Query::Bind(int64_t value) {
  statement_.BindInt(++bound_, value);
  return *this;
}

Query& Query::Bind(const std::string& value) {
  statement_.BindText(++bound_, value);
  return *this;
}

Query& Query::BindNull() {
  statement_.BindNull(++bound_);
  return *this;
}

int64_t Query::InsertedKey() {
  if (!Step()) throw SqlError(absl::InternalError("an INSERT gave no key"));
  return Int(0);
}

std::optional<absl::Time> Query::OptionalTime(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

}  // namespace quantlab
