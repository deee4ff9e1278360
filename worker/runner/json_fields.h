// Reads the JSON mapping of a proto3 message without protobuf: the fields of one object, by name.
//
// Accepts what protobuf's own parser accepts: lowerCamelCase and the original names, absent and null
// fields as the type's zero, 64-bit integers as numbers or strings, doubles as numbers or "NaN",
// "Infinity", "-Infinity", enums as names or numbers; unknown fields are ignored.
// Source: https://protobuf.dev/programming-guides/json/
#ifndef QUANTLAB_WORKER_RUNNER_JSON_FIELDS_H_
#define QUANTLAB_WORKER_RUNNER_JSON_FIELDS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"

namespace quantlab::runner {

// Keeps the first error of a whole document; the fields read after it are zero.
//
// Threads: one at a time. Lifetime: borrows the JSON and, in the fields of an inner object, the status.
class JsonFields {
 public:
  // `path` names the object in errors: "config.dataset". `status` receives the first error.
  JsonFields(const nlohmann::json& json, std::string path, absl::Status* status);

  // `name` is the field's name in the .proto file ("batch_size").
  std::string String(const char* name);
  int64_t Int64(const char* name);
  uint64_t Uint64(const char* name);
  int32_t Int32(const char* name);
  double Double(const char* name);
  bool Bool(const char* name);
  // `values` by number, from 0: {"RUN_KIND_UNSPECIFIED", "RUN_KIND_BASELINE"}.
  int Enum(const char* name, const std::vector<std::string>& values);

  std::vector<std::string> Strings(const char* name);
  std::vector<int32_t> Int32s(const char* name);

  bool Has(const char* name) const { return Find(name) != nullptr; }
  // The object `name`; an absent one reads as empty.
  JsonFields Message(const char* name);
  // Calls `read` for each element of the repeated message `name`.
  void Messages(const char* name, const std::function<void(JsonFields&)>& read);
  // Calls `read` for each entry of the map `name` with message values.
  void MessageMap(const char* name, const std::function<void(const std::string& key, JsonFields&)>& read);

  // Keeps the first error of the document.
  void Fail(const char* name, const std::string& what);

 private:
  // nullptr: absent or null.
  const nlohmann::json* Find(const char* name) const;
  std::optional<int64_t> ToInt64(const nlohmann::json& value) const;
  std::optional<uint64_t> ToUint64(const nlohmann::json& value) const;

  const nlohmann::json* json_;
  std::string path_;
  absl::Status* status_;
};

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_JSON_FIELDS_H_
