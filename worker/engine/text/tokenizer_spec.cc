#include "worker/engine/text/tokenizer_spec.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/text/utf8.h"
#include "worker/engine/text/tokenizer_fields.h"
#include "worker/engine/text/tokenizer_json.h"
#include "worker/engine/text/unicode_data.h"

namespace quantlab::engine {
namespace {

using namespace tokenizer_fields;  // NOLINT: the fields of this file's JSON

// How people make tokenizer.json from whatever transformers can read.
constexpr char kSaveAsJson[] =
    "save it as tokenizer.json with AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)";

// ---- the class of the tokenizer ----

struct TokenizerClass {
  const char* name;        // without "Fast"
  const char* model_type;  // of config.json, where no file names a class; "": none
  TokenizerKind kind;
};
constexpr TokenizerClass kClasses[] = {
    {"BertTokenizer", "bert", TokenizerKind::kWordPiece},
    {"DistilBertTokenizer", "distilbert", TokenizerKind::kWordPiece},
    {"ElectraTokenizer", "electra", TokenizerKind::kWordPiece},
    {"MobileBertTokenizer", "mobilebert", TokenizerKind::kWordPiece},
    {"RobertaTokenizer", "roberta", TokenizerKind::kBytePair},
    {"GPT2Tokenizer", "gpt2", TokenizerKind::kBytePair},
    {"LongformerTokenizer", "longformer", TokenizerKind::kBytePair},
    {"AlbertTokenizer", "albert", TokenizerKind::kUnigram},
    {"CamembertTokenizer", "camembert", TokenizerKind::kUnigram},
    {"XLMRobertaTokenizer", "xlm-roberta", TokenizerKind::kUnigram},
};
// Classes that leave everything to tokenizer.json.
constexpr const char* kGenericClasses[] = {"PreTrainedTokenizer", "TokenizersBackend"};

std::string SupportedClasses() {
  std::vector<std::string> names;
  for (const TokenizerClass& known : kClasses) names.push_back(known.name);
  for (const char* name : kGenericClasses) names.push_back(name);
  return absl::StrJoin(names, ", ");
}

// What the files say about the class; nullopt: they leave it to tokenizer.json.
absl::StatusOr<std::optional<TokenizerClass>> ClassOf(const std::string& folder, const Json& config) {
  const std::string model_path = folder + "/config.json";
  QL_ASSIGN_OR_RETURN(const std::optional<Json> model, ReadJsonObject(model_path));
  std::string name = TextOf(config, "tokenizer_class"), where = folder + "/tokenizer_config.json";
  if (name.empty() && model.has_value()) {
    name = TextOf(*model, "tokenizer_class");
    where = model_path;
  }
  if (name.empty()) {
    const std::string model_type = model.has_value() ? TextOf(*model, "model_type") : "";
    for (const TokenizerClass& known : kClasses) {
      if (model_type == known.model_type) return std::optional(known);
    }
    return std::optional<TokenizerClass>();
  }
  const std::string base(absl::StripSuffix(name, "Fast"));
  if (std::find(std::begin(kGenericClasses), std::end(kGenericClasses), base) != std::end(kGenericClasses)) {
    return std::optional<TokenizerClass>();
  }
  for (const TokenizerClass& known : kClasses) {
    if (base == known.name) return std::optional(known);
  }
  return Malformed(where, absl::StrCat("tokenizer_class is ", name,
                                       ", which is not supported; supported: ", SupportedClasses()));
}

// ---- names and added tokens ----

// What the special tokens are called where no file says it.
void SetDefaultNames(TokenizerSpec* spec) {
  if (spec->kind == TokenizerKind::kWordPiece) return;
  spec->unk_token = "<unk>";
  spec->cls_token = "<s>";
  spec->sep_token = "</s>";
  spec->pad_token = "<pad>";
  spec->mask_token = "<mask>";
}

absl::Status ReadTokenNames(const Json& object, const std::string& path, TokenizerSpec* spec) {
  QL_RETURN_IF_ERROR(ReadToken(object, "unk_token", path, &spec->unk_token));
  QL_RETURN_IF_ERROR(ReadToken(object, "cls_token", path, &spec->cls_token));
  QL_RETURN_IF_ERROR(ReadToken(object, "sep_token", path, &spec->sep_token));
  QL_RETURN_IF_ERROR(ReadToken(object, "pad_token", path, &spec->pad_token));
  return ReadToken(object, "mask_token", path, &spec->mask_token);
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
        // As RobertaTokenizer has it.
        added.lstrip = name == &spec->mask_token && spec->kind == TokenizerKind::kBytePair;
        spec->added_tokens.push_back(std::move(added));
        break;
      }
    }
  }
}

// ---- the normalizer of WordPiece ----

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

// ---- vocab.txt ----

std::string_view WithoutSpaceAtEnd(std::string_view line) {
  size_t end = 0;
  for (size_t i = 0; i < line.size();) {
    const DecodedCodePoint next = DecodeUtf8(line.substr(i));
    i += static_cast<size_t>(next.length);
    if (!IsWhiteSpace(next.code_point)) end = i;
  }
  return line.substr(0, end);
}

// A vocabulary of SentencePiece marks the begin of a word, one of WordPiece its continuation.
absl::Status CheckIsWordPiece(const TokenizerSpec& spec, const std::string& path) {
  constexpr char kWordBegin[] = "\u2581";
  int64_t begins = 0, continuations = 0;
  for (const auto& [token, id] : spec.vocabulary) {
    begins += token.size() > sizeof(kWordBegin) - 1 && absl::StartsWith(token, kWordBegin);
    continuations += token.size() > 2 && absl::StartsWith(token, "##");
  }
  if (begins <= continuations) return absl::OkStatus();
  return Malformed(path, absl::StrCat("holds SentencePiece pieces (", begins, " begin with ", kWordBegin,
                                      "), which WordPiece cannot match; ", kSaveAsJson));
}

// One token a line, its id is the number of the line. Blank lines at the end, as editors leave them, are
// none.
absl::Status ReadVocabularyFile(std::string_view content, const std::string& path, TokenizerSpec* spec) {
  constexpr std::string_view kByteOrderMark = "\uFEFF";
  if (content.substr(0, kByteOrderMark.size()) == kByteOrderMark)
    content.remove_prefix(kByteOrderMark.size());
  content = content.substr(0, content.find_last_not_of(" \t\r\n") + 1);
  for (int32_t line = 0; !content.empty(); ++line) {
    const size_t end = std::min(content.find('\n'), content.size());
    const std::string_view text = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (!IsValidUtf8(text)) return Malformed(path, absl::StrCat("line ", line + 1, " is not valid UTF-8"));
    if (line > kMaxTokenId) return Malformed(path, "has too many lines for a vocabulary");
    spec->vocabulary.emplace_back(WithoutSpaceAtEnd(text), line);
  }
  return CheckIsWordPiece(*spec, path);
}

// ---- vocab.json and merges.txt ----

absl::Status ReadMergesFile(const std::string& content, const std::string& path, TokenizerSpec* spec) {
  int line = 0;
  for (absl::string_view text : absl::StrSplit(content, '\n')) {
    ++line;
    text = absl::StripTrailingAsciiWhitespace(text);
    if (text.empty() || absl::StartsWith(text, "#version")) continue;
    const std::pair<std::string, std::string> merge = absl::StrSplit(text, absl::MaxSplits(' ', 1));
    if (merge.first.empty() || merge.second.empty() || absl::StrContains(merge.second, ' ')) {
      return Malformed(path, absl::StrCat("line ", line, " is not a pair of tokens"));
    }
    spec->byte_pair.merges.push_back(merge);
  }
  return absl::OkStatus();
}

absl::Status ReadBytePairFiles(const std::string& folder, const Json& config, TokenizerSpec* spec) {
  const std::string vocab_path = folder + "/vocab.json", merges_path = folder + "/merges.txt";
  QL_ASSIGN_OR_RETURN(const std::optional<Json> vocabulary, ReadJsonObject(vocab_path));
  QL_ASSIGN_OR_RETURN(const std::optional<std::string> merges, ReadIfPresent(merges_path));
  if (!vocabulary.has_value() || !merges.has_value()) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": has neither tokenizer.json nor vocab.json with ",
                     "merges.txt, one of which its tokenizer class needs (tokenizer_class "
                     "in tokenizer_config.json, else model_type in config.json)"));
  }
  for (const auto& [token, id] : vocabulary->items()) {
    QL_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, vocab_path, token));
    spec->vocabulary.emplace_back(token, value);
  }
  QL_RETURN_IF_ERROR(ReadMergesFile(*merges, merges_path, spec));
  bool add_prefix_space = false;
  QL_RETURN_IF_ERROR(
      ReadBool(config, "add_prefix_space", folder + "/tokenizer_config.json", &add_prefix_space));
  AddByteLevelSteps(add_prefix_space, spec);
  return absl::OkStatus();
}

// ---- the whole ----

absl::Status NoVocabulary(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".model") continue;
    return Malformed(entry.path().string(),
                     absl::StrCat("is a SentencePiece model without a tokenizer.json; ", kSaveAsJson));
  }
  return absl::NotFoundError(absl::StrCat(folder,
                                          ": has neither tokenizer.json nor vocab.txt; a model folder in "
                                          "the Hugging Face layout has one of them"));
}

absl::Status ReadVocabularyFiles(const std::string& folder, const Json& config,
                                 const std::optional<TokenizerClass>& known, TokenizerSpec* spec) {
  if (known.has_value() && known->kind == TokenizerKind::kBytePair) {
    return ReadBytePairFiles(folder, config, spec);
  }
  const std::string path = folder + "/vocab.txt";
  QL_ASSIGN_OR_RETURN(const std::optional<std::string> vocabulary, ReadIfPresent(path));
  if (!vocabulary.has_value()) return NoVocabulary(folder);
  if (known.has_value() && known->kind != TokenizerKind::kWordPiece) {
    return Malformed(path, absl::StrCat("is no file of a ", known->name, "; ", kSaveAsJson));
  }
  return ReadVocabularyFile(*vocabulary, path, spec);
}

absl::Status CheckKind(const std::optional<TokenizerClass>& known, TokenizerKind kind,
                       const std::string& path) {
  if (!known.has_value() || known->kind == kind) return absl::OkStatus();
  return Malformed(path, absl::StrCat("its model is of type ", TokenizerKindName(kind), ", but a ",
                                      known->name, " has one of type ", TokenizerKindName(known->kind)));
}

// Absent, or beyond any model where there is no limit: transformers writes 1e30.
int64_t ReadMaxLength(const Json& config) {
  constexpr double kNoLimit = 1e9;
  const Json* length = Find(config, "model_max_length");
  if (length == nullptr || !length->is_number()) return 0;
  const double value = length->get<double>();
  return value >= 1 && value < kNoLimit ? static_cast<int64_t>(value) : 0;
}

// tokenizer_config.json's truncation_side, else truncation.direction of tokenizer.json ("Left"), as
// transformers reads them.
absl::StatusOr<TruncationSide> ReadTruncationSide(const Json& config, const std::string& config_path,
                                                  const std::optional<Json>& file,
                                                  const std::string& json_path) {
  const Json* side = Find(config, "truncation_side");
  const std::string* path = &config_path;
  if (side == nullptr && file.has_value()) {
    const Json* truncation = Find(*file, "truncation");
    if (truncation != nullptr && truncation->is_object()) side = Find(*truncation, "direction");
    path = &json_path;
  }
  if (side == nullptr) return TruncationSide::kRight;
  const std::string name = side->is_string() ? absl::AsciiStrToLower(side->get<std::string>()) : side->dump();
  const std::optional<TruncationSide> known = ParseTruncationSide(name);
  if (known.has_value()) return *known;
  return Malformed(*path, absl::StrCat("the side of truncation is ", name, "; allowed: right, left"));
}

// A token that frames the text is the one that the model knows by that role.
void NameFrameTokens(TokenizerSpec* spec) {
  if (!spec->frame.has_value()) return;
  const auto name = [spec](int32_t id, std::string* token) {
    for (const auto& [text, known] : spec->vocabulary) {
      if (known == id) *token = text;
    }
    for (const AddedToken& added : spec->added_tokens) {
      if (added.id == id) *token = added.content;
    }
  };
  name(spec->frame->before.front(), &spec->cls_token);
  if (!spec->frame->after.empty()) name(spec->frame->after.back(), &spec->sep_token);
}

}  // namespace

const char* TokenizerKindName(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::kWordPiece:
      return "WordPiece";
    case TokenizerKind::kBytePair:
      return "BPE";
    case TokenizerKind::kUnigram:
      return "Unigram";
  }
  return "?";
}

std::vector<PairPart> BertPair(int32_t cls, int32_t sep) {
  using Kind = PairPart::Kind;
  return {{Kind::kToken, cls, 0},
          {Kind::kFirst, -1, 0},
          {Kind::kToken, sep, 0},
          {Kind::kSecond, -1, 1},
          {Kind::kToken, sep, 1}};
}

std::vector<PairPart> RobertaPair(int32_t cls, int32_t sep) {
  using Kind = PairPart::Kind;
  return {{Kind::kToken, cls, 0}, {Kind::kFirst, -1, 0},  {Kind::kToken, sep, 0},
          {Kind::kToken, sep, 0}, {Kind::kSecond, -1, 0}, {Kind::kToken, sep, 0}};
}

absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& folder) {
  TokenizerSpec spec;
  const std::string json_path = folder + "/tokenizer.json", config_path = folder + "/tokenizer_config.json",
                    map_path = folder + "/special_tokens_map.json";
  QL_ASSIGN_OR_RETURN(const std::optional<Json> file, ReadJsonObject(json_path));
  QL_ASSIGN_OR_RETURN(const std::optional<Json> map, ReadJsonObject(map_path));
  QL_ASSIGN_OR_RETURN(const std::optional<Json> config_file, ReadJsonObject(config_path));
  const Json config = config_file.value_or(Json::object());
  QL_ASSIGN_OR_RETURN(const std::optional<TokenizerClass> known, ClassOf(folder, config));
  if (file.has_value()) {
    QL_RETURN_IF_ERROR(ReadTokenizerJson(*file, json_path, config, &spec));
    QL_RETURN_IF_ERROR(CheckKind(known, spec.kind, json_path));
  } else {
    QL_RETURN_IF_ERROR(ReadVocabularyFiles(folder, config, known, &spec));
  }
  if (spec.kind == TokenizerKind::kWordPiece) {
    QL_RETURN_IF_ERROR(ReadNormalizer(file.has_value() ? Find(*file, "normalizer") : nullptr, json_path,
                                      config, config_path, &spec.word_piece.normalizer));
  }
  SetDefaultNames(&spec);
  if (map.has_value()) QL_RETURN_IF_ERROR(ReadTokenNames(*map, map_path, &spec));
  QL_RETURN_IF_ERROR(ReadTokenNames(config, config_path, &spec));
  QL_RETURN_IF_ERROR(ReadAddedTokens(config, config_path, folder, &spec));
  KeepFirstOfEach(&spec.added_tokens);
  AddSpecialTokens(&spec);
  NameFrameTokens(&spec);
  spec.model_max_length = ReadMaxLength(config);
  QL_ASSIGN_OR_RETURN(spec.truncation_side, ReadTruncationSide(config, config_path, file, json_path));
  return spec;
}

}  // namespace quantlab::engine
