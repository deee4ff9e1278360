#include "worker/engine/text/tokenizer_fields.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "base/text/strict_json.h"

namespace quantlab::engine::tokenizer_fields {

absl::Status Malformed(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::StatusOr<std::optional<std::string>> ReadIfPresent(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::optional<std::string>();
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  if (size > kMaxFileBytes) {
    return Malformed(path,
                     absl::StrCat("is ", size, " bytes long; a tokenizer file has at most ", kMaxFileBytes));
  }
  std::ifstream in(path, std::ios::binary);
  std::string content(static_cast<size_t>(size), '\0');
  if (!in.read(content.data(), static_cast<std::streamsize>(size))) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  }
  return std::optional<std::string>(std::move(content));
}

absl::StatusOr<std::optional<Json>> ReadJsonObject(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::optional<std::string> content, ReadIfPresent(path));
  if (!content.has_value()) return std::optional<Json>();
  if (const absl::Status depth = CheckJsonDepth(*content); !depth.ok())
    return Malformed(path, std::string(depth.message()));
  Json json = Json::parse(*content, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) json = Json::parse(StrictJson(*content), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed(path, "is not a JSON object");
  return std::optional<Json>(std::move(json));
}

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string TextOf(const Json& object, const char* key) {
  const Json* field = Find(object, key);
  return field != nullptr && field->is_string() ? field->get<std::string>() : std::string();
}

absl::Status ReadBool(const Json& object, const char* key, const std::string& path, bool* value) {
  const Json* field = Find(object, key);
  if (field == nullptr) return absl::OkStatus();
  if (!field->is_boolean()) return Malformed(path, absl::StrCat("\"", key, "\" is neither true nor false"));
  *value = field->get<bool>();
  return absl::OkStatus();
}

absl::Status ReadToken(const Json& object, const char* key, const std::string& path, std::string* value) {
  const Json* field = Find(object, key);
  if (field == nullptr) return absl::OkStatus();
  if (const Json* content = Find(*field, "content")) field = content;
  if (!field->is_string()) return Malformed(path, absl::StrCat("\"", key, "\" is not a token"));
  *value = field->get<std::string>();
  return absl::OkStatus();
}

absl::StatusOr<int32_t> TokenId(const Json& value, const std::string& path, const std::string& token) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > kMaxTokenId) {
    return Malformed(path,
                     absl::StrCat("the id of token \"", token, "\" is not an integer of 0 to ", kMaxTokenId));
  }
  return static_cast<int32_t>(value.get<int64_t>());
}

absl::Status AddToken(const Json& json, int32_t id, const std::string& path, TokenizerSpec* spec) {
  AddedToken token;
  token.id = id;
  QL_RETURN_IF_ERROR(ReadToken(json, "content", path, &token.content));
  bool special = false;
  QL_RETURN_IF_ERROR(ReadBool(json, "special", path, &special));
  token.normalized = !special;
  QL_RETURN_IF_ERROR(ReadBool(json, "single_word", path, &token.single_word));
  QL_RETURN_IF_ERROR(ReadBool(json, "lstrip", path, &token.lstrip));
  QL_RETURN_IF_ERROR(ReadBool(json, "rstrip", path, &token.rstrip));
  QL_RETURN_IF_ERROR(ReadBool(json, "normalized", path, &token.normalized));
  if (!token.content.empty()) spec->added_tokens.push_back(std::move(token));
  return absl::OkStatus();
}

void KeepFirstOfEach(std::vector<AddedToken>* tokens) {
  std::unordered_set<int32_t> ids;
  std::unordered_set<std::string> contents;
  std::vector<AddedToken> kept;
  for (AddedToken& token : *tokens) {
    if (ids.count(token.id) > 0 || contents.count(token.content) > 0) continue;
    ids.insert(token.id);
    contents.insert(token.content);
    kept.push_back(std::move(token));
  }
  *tokens = std::move(kept);
}

}  // namespace quantlab::engine::tokenizer_fields
