#include "worker/runner/json_fields.h"

#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codec/json_values.h"

namespace quantlab::runner {
namespace {

using nlohmann::json;

const json& EmptyObject() {
  static const json* const empty = new json(json::object());
  return *empty;
}

// A double that is exactly an integer of type T.
template <typename T>
std::optional<T> Exact(double value) {
  const double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
  const double lowest = std::numeric_limits<T>::is_signed ? -limit : 0.0;
  if (!(value >= lowest && value < limit) || std::trunc(value) != value) return std::nullopt;
  return static_cast<T>(value);
}

}  // namespace

JsonFields::JsonFields(const json& value, std::string path, absl::Status* status)
    : json_(&value), path_(std::move(path)), status_(status) {
  if (!value.is_object()) {
    if (status_->ok()) {
      *status_ = absl::InvalidArgumentError(
          absl::StrCat(path_.empty() ? "the document" : path_, " must be an object"));
    }
    json_ = &EmptyObject();
  }
}

void JsonFields::Fail(const char* name, const std::string& what) {
  if (!status_->ok()) return;
  *status_ = absl::InvalidArgumentError(
      absl::StrCat(path_, path_.empty() ? "" : ".", LowerCamelCase(name), " ", what));
}

const json* JsonFields::Find(const char* name) const {
  auto it = json_->find(LowerCamelCase(name));
  if (it == json_->end()) it = json_->find(name);
  return it == json_->end() || it->is_null() ? nullptr : &*it;
}

std::optional<int64_t> JsonFields::ToInt64(const json& value) const {
  int64_t number = 0;
  if (value.is_number_unsigned()) {
    const uint64_t wide = value.get<uint64_t>();
    if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(wide);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) return Exact<int64_t>(value.get<double>());
  if (value.is_string() && absl::SimpleAtoi(value.get_ref<const std::string&>(), &number)) return number;
  return std::nullopt;
}

std::optional<uint64_t> JsonFields::ToUint64(const json& value) const {
  uint64_t number = 0;
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer()) return std::nullopt;  // negative
  if (value.is_number_float()) return Exact<uint64_t>(value.get<double>());
  if (value.is_string() && absl::SimpleAtoi(value.get_ref<const std::string&>(), &number)) return number;
  return std::nullopt;
}

std::string JsonFields::String(const char* name) {
  const json* value = Find(name);
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  Fail(name, "must be a string");
  return "";
}

int64_t JsonFields::Int64(const char* name) {
  const json* value = Find(name);
  if (value == nullptr) return 0;
  if (const auto number = ToInt64(*value)) return *number;
  Fail(name, "must be a 64-bit integer");
  return 0;
}

uint64_t JsonFields::Uint64(const char* name) {
  const json* value = Find(name);
  if (value == nullptr) return 0;
  if (const auto number = ToUint64(*value)) return *number;
  Fail(name, "must be an unsigned 64-bit integer");
  return 0;
}

int32_t JsonFields::Int32(const char* name) {
  const int64_t number = Int64(name);
  if (number >= std::numeric_limits<int32_t>::min() && number <= std::numeric_limits<int32_t>::max()) {
    return static_cast<int32_t>(number);
  }
  Fail(name, "must be a 32-bit integer");
  return 0;
}

double JsonFields::Double(const char* name) {
  const json* value = Find(name);
  if (value == nullptr) return 0;
  double number = 0;
  if (NumberFromJson(*value, &number)) return number;
  if (value->is_string() && absl::SimpleAtod(value->get_ref<const std::string&>(), &number) &&
      std::isfinite(number)) {
    return number;
  }
  Fail(name, "must be a number, or \"NaN\", \"Infinity\" or \"-Infinity\"");
  return 0;
}

bool JsonFields::Bool(const char* name) {
  const json* value = Find(name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  if (*value == "true" || *value == "false") return *value == "true";
  Fail(name, "must be true or false");
  return false;
}

int JsonFields::Enum(const char* name, const std::vector<std::string>& values) {
  const json* value = Find(name);
  if (value == nullptr) return 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (*value == values[i]) return static_cast<int>(i);
  }
  // A number that this version does not know counts as absent.
  if (value->is_number_integer()) {
    const int64_t number = ToInt64(*value).value_or(0);
    return number >= 0 && number < static_cast<int64_t>(values.size()) ? static_cast<int>(number) : 0;
  }
  Fail(name, absl::StrCat("must be one of ", absl::StrJoin(values, ", ")));
  return 0;
}

std::vector<std::string> JsonFields::Strings(const char* name) {
  std::vector<std::string> strings;
  const json* value = Find(name);
  if (value == nullptr) return strings;
  if (!value->is_array()) Fail(name, "must be an array");
  for (const json& item : *value) {
    if (!item.is_string()) {
      Fail(name, "must hold strings only");
      break;
    }
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

std::vector<int32_t> JsonFields::Int32s(const char* name) {
  std::vector<int32_t> numbers;
  const json* value = Find(name);
  if (value == nullptr) return numbers;
  if (!value->is_array()) Fail(name, "must be an array");
  for (const json& item : *value) {
    const auto number = ToInt64(item);
    if (!number || *number < std::numeric_limits<int32_t>::min() ||
        *number > std::numeric_limits<int32_t>::max()) {
      Fail(name, "must hold 32-bit integers only");
      break;
    }
    numbers.push_back(static_cast<int32_t>(*number));
  }
  return numbers;
}

JsonFields JsonFields::Message(const char* name) {
  const json* value = Find(name);
  return JsonFields(value == nullptr ? EmptyObject() : *value,
                    absl::StrCat(path_, path_.empty() ? "" : ".", LowerCamelCase(name)), status_);
}

void JsonFields::Messages(const char* name, const std::function<void(JsonFields&)>& read) {
  const json* value = Find(name);
  if (value == nullptr) return;
  if (!value->is_array()) return Fail(name, "must be an array");
  for (size_t i = 0; i < value->size(); ++i) {
    JsonFields item((*value)[i],
                    absl::StrCat(path_, path_.empty() ? "" : ".", LowerCamelCase(name), "[", i, "]"),
                    status_);
    read(item);
  }
}

void JsonFields::MessageMap(const char* name,
                            const std::function<void(const std::string& key, JsonFields&)>& read) {
  const json* value = Find(name);
  if (value == nullptr) return;
  if (!value->is_object()) return Fail(name, "must be an object");
  for (const auto& entry : value->items()) {
    JsonFields item(entry.value(),
                    absl::StrCat(path_, path_.empty() ? "" : ".", LowerCamelCase(name), ".", entry.key()),
                    status_);
    read(entry.key(), item);
  }
}

}  // namespace quantlab::runner
