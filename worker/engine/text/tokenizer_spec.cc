#include "worker/engine/text/tokenizer_spec.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "worker/engine/text/utf8.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

// Far above any real tokenizer (the largest public one has 17 MB); a file that lies is refused early.
constexpr uintmax_t kMaxFileBytes = 256u << 20;
constexpr int32_t kMaxTokenId = 1 << 24;

absl::Status Malformed(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

// nullopt: there is no such file.
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

// nullopt: there is no such file.
absl::StatusOr<std::optional<Json>> ReadJsonObject(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::optional<std::string> content, ReadIfPresent(path));
  if (!content.has_value()) return std::optional<Json>();
  Json json = Json::parse(*content, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed(path, "is not a JSON object");
  return std::optional<Json>(std::move(json));
}

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// Reads object[key] into *value where it is there and not null.
absl::Status ReadBool(const Json& object, const char* key, const std::string& path, bool* value) {
  const Json* field = Find(object, key);
  if (field == nullptr) return absl::OkStatus();
  if (!field->is_boolean()) return Malformed(path, absl::StrCat("\"", key, "\" is neither true nor false"));
  *value = field->get<bool>();
  return absl::OkStatus();
}

// A token is written as text or as {"content": text, …}.
absl::Status ReadToken(const Json& object, const char* key, const std::string& path, std::string* value) {
  const Json* field = Find(object, key);
  if (field == nullptr) return absl::OkStatus();
  if (const Json* content = Find(*field, "content")) field = content;
  if (!field->is_string()) return Malformed(path, absl::StrCat("\"", key, "\" is not a token"));
  *value = field->get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadTokenNames(const Json& object, const std::string& path, TokenizerSpec* spec) {
  QL_RETURN_IF_ERROR(ReadToken(object, "unk_token", path, &spec->unk_token));
  QL_RETURN_IF_ERROR(ReadToken(object, "cls_token", path, &spec->cls_token));
  QL_RETURN_IF_ERROR(ReadToken(object, "sep_token", path, &spec->sep_token));
  QL_RETURN_IF_ERROR(ReadToken(object, "pad_token", path, &spec->pad_token));
  return ReadToken(object, "mask_token", path, &spec->mask_token);
}

absl::StatusOr<int32_t> TokenId(const Json& value, const std::string& path, const std::string& token) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > kMaxTokenId) {
    return Malformed(path,
                     absl::StrCat("the id of token \"", token, "\" is not an integer of 0 to ", kMaxTokenId));
  }
  return static_cast<int32_t>(value.get<int64_t>());
}

// The first of an id counts, so that a more specific file can be read first.
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
  const bool known =
      std::any_of(spec->added_tokens.begin(), spec->added_tokens.end(),
                  [&](const AddedToken& t) { return t.id == id || t.content == token.content; });
  if (!known && !token.content.empty()) spec->added_tokens.push_back(std::move(token));
  return absl::OkStatus();
}

absl::Status CheckType(const Json& file, const char* field, std::initializer_list<const char*> allowed,
                       const std::string& path) {
  const Json* object = Find(file, field);
  const Json* type = object == nullptr ? nullptr : Find(*object, "type");
  const std::string name = type != nullptr && type->is_string() ? type->get<std::string>() : "none";
  if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) return absl::OkStatus();
  return Malformed(path, absl::StrCat("its ", field, " is of type ", name, ", expected ", *allowed.begin(),
                                      ": only WordPiece tokenizers of the BERT family are supported"));
}

absl::Status ReadModel(const Json& model, const std::string& path, TokenizerSpec* spec) {
  const Json* vocabulary = Find(model, "vocab");
  if (vocabulary == nullptr || !vocabulary->is_object())
    return Malformed(path, "model.vocab is not an object");
  for (const auto& [token, id] : vocabulary->items()) {
    QL_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, path, token));
    spec->vocabulary.emplace_back(token, value);
  }
  QL_RETURN_IF_ERROR(ReadToken(model, "unk_token", path, &spec->unk_token));
  QL_RETURN_IF_ERROR(ReadToken(model, "continuing_subword_prefix", path, &spec->continuation_prefix));
  if (const Json* limit = Find(model, "max_input_chars_per_word")) {
    if (!limit->is_number_unsigned() || limit->get<uint64_t>() > kMaxFileBytes) {
      return Malformed(path, "model.max_input_chars_per_word is not a sensible number");
    }
    spec->max_word_characters = limit->get<int64_t>();
  }
  return absl::OkStatus();
}

absl::Status ReadTokenizerJson(const Json& file, const std::string& path, TokenizerSpec* spec) {
  QL_RETURN_IF_ERROR(CheckType(file, "normalizer", {"BertNormalizer"}, path));
  QL_RETURN_IF_ERROR(CheckType(file, "pre_tokenizer", {"BertPreTokenizer"}, path));
  QL_RETURN_IF_ERROR(
      CheckType(file, "post_processor", {"TemplateProcessing", "BertProcessing", "none"}, path));
  // Early files name no type for the model.
  QL_RETURN_IF_ERROR(CheckType(file, "model", {"WordPiece", "none"}, path));
  const Json* model = Find(file, "model");
  if (model == nullptr) return Malformed(path, "has no model");
  QL_RETURN_IF_ERROR(ReadModel(*model, path, spec));
  const Json* added = Find(file, "added_tokens");
  if (added == nullptr) return absl::OkStatus();
  if (!added->is_array()) return Malformed(path, "added_tokens is not a list");
  for (const Json& token : *added) {
    const Json* id = Find(token, "id");
    QL_ASSIGN_OR_RETURN(const int32_t value, TokenId(id == nullptr ? Json() : *id, path, token.dump()));
    QL_RETURN_IF_ERROR(AddToken(token, value, path, spec));
  }
  return absl::OkStatus();
}

// Accents are stripped with lower-casing unless a file says something else.
absl::Status ReadNormalizer(const Json* normalizer, const std::string& normalizer_path, const Json& config,
                            const std::string& config_path, NormalizerOptions* options) {
  std::optional<bool> strip;
  const auto read_strip = [&strip](const Json& object, const std::string& path) {
    bool value = false;
    QL_RETURN_IF_ERROR(ReadBool(object, "strip_accents", path, &value));
    if (Find(object, "strip_accents") != nullptr) strip = value;
    return absl::OkStatus();
  };
  if (normalizer != nullptr) {
    QL_RETURN_IF_ERROR(ReadBool(*normalizer, "clean_text", normalizer_path, &options->clean_text));
    QL_RETURN_IF_ERROR(ReadBool(*normalizer, "handle_chinese_chars", normalizer_path, &options->cjk_spacing));
    QL_RETURN_IF_ERROR(ReadBool(*normalizer, "lowercase", normalizer_path, &options->lower_case));
    QL_RETURN_IF_ERROR(read_strip(*normalizer, normalizer_path));
  }
  QL_RETURN_IF_ERROR(ReadBool(config, "do_lower_case", config_path, &options->lower_case));
  QL_RETURN_IF_ERROR(ReadBool(config, "tokenize_chinese_chars", config_path, &options->cjk_spacing));
  QL_RETURN_IF_ERROR(read_strip(config, config_path));
  options->strip_accents = strip.value_or(options->lower_case);
  return absl::OkStatus();
}

// One token a line, its id is the number of the line.
absl::Status ReadVocabularyFile(const std::string& content, const std::string& path, TokenizerSpec* spec) {
  size_t begin = 0;
  for (int32_t line = 0; begin < content.size(); ++line) {
    size_t end = std::min(content.find('\n', begin), content.size());
    const size_t next = end + 1;
    while (end > begin && content[end - 1] == '\r') --end;
    std::string token = content.substr(begin, end - begin);
    if (!IsValidUtf8(token)) return Malformed(path, absl::StrCat("line ", line + 1, " is not valid UTF-8"));
    if (line > kMaxTokenId) return Malformed(path, "has too many lines for a vocabulary");
    spec->vocabulary.emplace_back(std::move(token), line);
    begin = next;
  }
  return absl::OkStatus();
}

// Tokens that people add beside a vocab.txt: tokenizer_config.json's added_tokens_decoder (id -> token) and
// the older added_tokens.json (token -> id).
absl::Status ReadAddedTokens(const Json& config, const std::string& config_path, const std::string& folder,
                             TokenizerSpec* spec) {
  if (const Json* decoder = Find(config, "added_tokens_decoder")) {
    if (!decoder->is_object()) return Malformed(config_path, "added_tokens_decoder is not an object");
    for (const auto& [key, token] : decoder->items()) {
      const Json id = Json::parse(key, nullptr, false);
      QL_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, config_path, key));
      QL_RETURN_IF_ERROR(AddToken(token, value, config_path, spec));
    }
  }
  const std::string path = folder + "/added_tokens.json";
  QL_ASSIGN_OR_RETURN(const std::optional<Json> added, ReadJsonObject(path));
  if (!added.has_value()) return absl::OkStatus();
  for (const auto& [content, id] : added->items()) {
    QL_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, path, content));
    QL_RETURN_IF_ERROR(AddToken(Json{{"content", content}}, value, path, spec));
  }
  return absl::OkStatus();
}

// The special tokens are added tokens whatever the files say, as transformers makes them.
void AddSpecialTokens(TokenizerSpec* spec) {
  for (const std::string* name :
       {&spec->unk_token, &spec->cls_token, &spec->sep_token, &spec->pad_token, &spec->mask_token}) {
    const bool known = std::any_of(spec->added_tokens.begin(), spec->added_tokens.end(),
                                   [name](const AddedToken& t) { return t.content == *name; });
    if (known) continue;
    for (const auto& [token, id] : spec->vocabulary) {
      if (token == *name && !name->empty()) {
        AddedToken added;
        added.content = token;
        added.id = id;
        spec->added_tokens.push_back(std::move(added));
        break;
      }
    }
  }
}

}  // namespace

absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& folder) {
  TokenizerSpec spec;
  const std::string json_path = folder + "/tokenizer.json", vocab_path = folder + "/vocab.txt",
                    config_path = folder + "/tokenizer_config.json",
                    map_path = folder + "/special_tokens_map.json";
  QL_ASSIGN_OR_RETURN(const std::optional<Json> file, ReadJsonObject(json_path));
  QL_ASSIGN_OR_RETURN(const std::optional<Json> map, ReadJsonObject(map_path));
  QL_ASSIGN_OR_RETURN(const std::optional<Json> config_file, ReadJsonObject(config_path));
  const Json config = config_file.value_or(Json::object());
  if (file.has_value()) {
    QL_RETURN_IF_ERROR(ReadTokenizerJson(*file, json_path, &spec));
  } else {
    QL_ASSIGN_OR_RETURN(const std::optional<std::string> vocabulary, ReadIfPresent(vocab_path));
    if (!vocabulary.has_value()) {
      return absl::NotFoundError(absl::StrCat(folder,
                                              ": has neither tokenizer.json nor vocab.txt; a model folder in "
                                              "the Hugging Face layout has one of them"));
    }
    QL_RETURN_IF_ERROR(ReadVocabularyFile(*vocabulary, vocab_path, &spec));
  }
  QL_RETURN_IF_ERROR(ReadNormalizer(file.has_value() ? Find(*file, "normalizer") : nullptr, json_path, config,
                                    config_path, &spec.normalizer));
  if (map.has_value()) QL_RETURN_IF_ERROR(ReadTokenNames(*map, map_path, &spec));
  QL_RETURN_IF_ERROR(ReadTokenNames(config, config_path, &spec));
  QL_RETURN_IF_ERROR(ReadAddedTokens(config, config_path, folder, &spec));
  AddSpecialTokens(&spec);
  return spec;
}

}  // namespace quantlab::engine
