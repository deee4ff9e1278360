// Reading the JSON files of a tokenizer. Every error names the file and the field.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_FIELDS_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/text/tokenizer_spec.h"

namespace quantlab::engine::tokenizer_fields {

using Json = nlohmann::json;

// Far above any real tokenizer (the largest public one has 17 MB).
inline constexpr uintmax_t kMaxFileBytes = 256u << 20;
inline constexpr int32_t kMaxTokenId = 1 << 24;

absl::Status Malformed(const std::string& path, const std::string& what);

// nullopt: there is no such file.
absl::StatusOr<std::optional<std::string>> ReadIfPresent(const std::string& path);
absl::StatusOr<std::optional<Json>> ReadJsonObject(const std::string& path);

// object[key]; nullptr where it is missing or null, or `object` is no object.
const Json* Find(const Json& object, const char* key);
// object[key] where it is text, else "".
std::string TextOf(const Json& object, const char* key);

// These read object[key] into *value where it is there and not null.
absl::Status ReadBool(const Json& object, const char* key, const std::string& path, bool* value);
// A token is written as text or as {"content": text, …}.
absl::Status ReadToken(const Json& object, const char* key, const std::string& path, std::string* value);

absl::StatusOr<int32_t> TokenId(const Json& value, const std::string& path, const std::string& token);

// Adds what `json` says about a token.
absl::Status AddToken(const Json& json, int32_t id, const std::string& path, TokenizerSpec* spec);

// Keeps the first token of each id and of each content: the more specific file is read first.
void KeepFirstOfEach(std::vector<AddedToken>* tokens);

}  // namespace quantlab::engine::tokenizer_fields

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_FIELDS_H_
