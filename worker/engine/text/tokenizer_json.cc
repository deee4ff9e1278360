#include "worker/engine/text/tokenizer_json.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "worker/engine/text/precompiled.h"

namespace quantlab::engine {
namespace {

using namespace tokenizer_fields;  // NOLINT: the fields of this file's JSON

constexpr int kMaxNesting = 8;

std::string TypeOf(const Json& step) {
  const std::string type = TextOf(step, "type");
  return type.empty() ? "none" : type;
}

absl::Status Unsupported(const std::string& path, const std::string& what, const std::string& type,
                         const std::string& supported) {
  return Malformed(path, absl::StrCat("its ", what, " is of type ", type,
                                      ", which is not supported; supported: ", supported));
}

// Calls read(step) for each step of `steps`, which may be null, one step, or a Sequence of them (`list` names
// its member).
template <typename Read>
absl::Status ForEachStep(const Json* steps, const char* list, const std::string& path, const Read& read,
                         int depth = 0) {
  if (steps == nullptr) return absl::OkStatus();
  if (TypeOf(*steps) != "Sequence") return read(*steps);
  const Json* members = Find(*steps, list);
  if (members == nullptr || !members->is_array() || depth > kMaxNesting) {
    return Malformed(path, absl::StrCat("a Sequence without a list of ", list));
  }
  for (const Json& member : *members) {
    QL_RETURN_IF_ERROR(ForEachStep(&member, list, path, read, depth + 1));
  }
  return absl::OkStatus();
}

// ---- normalizers ----

absl::StatusOr<TextStep> ReadReplace(const Json& step, const std::string& path) {
  const Json* pattern = Find(step, "pattern");
  const std::string content = TextOf(step, "content");
  const std::string text = pattern == nullptr ? "" : TextOf(*pattern, "String");
  if (!text.empty()) return ReplaceStep(text, content);
  const std::string regex = pattern == nullptr ? "" : TextOf(*pattern, "Regex");
  if (regex == " {2,}") return ReplaceSpaceRunsStep(content);
  return Malformed(path, absl::StrCat("its normalizer Replace has the pattern ",
                                      pattern == nullptr ? "null" : pattern->dump(),
                                      "; supported: a String, or the Regex \" {2,}\""));
}

absl::StatusOr<TextStep> ReadPrecompiled(const Json& step, const std::string& path) {
  std::string blob;
  if (!absl::Base64Unescape(TextOf(step, "precompiled_charsmap"), &blob)) {
    return Malformed(path, "precompiled_charsmap is not Base64");
  }
  absl::StatusOr<PrecompiledMap> map = PrecompiledMap::Parse(blob);
  if (!map.ok()) return Malformed(path, std::string(map.status().message()));
  const auto shared = std::make_shared<const PrecompiledMap>(*std::move(map));
  return TextStep([shared](const std::string& text) { return shared->Normalize(text); });
}

absl::StatusOr<TextStep> ReadNormalizer(const Json& step, const std::string& path) {
  const std::string type = TypeOf(step);
  if (type == "Precompiled") return ReadPrecompiled(step, path);
  if (type == "Replace") return ReadReplace(step, path);
  if (type == "Lowercase") return LowercaseStep();
  if (type == "Prepend") return PrependStep(TextOf(step, "prepend"));
  if (type == "Strip") {
    bool left = true, right = true;
    QL_RETURN_IF_ERROR(ReadBool(step, "strip_left", path, &left));
    QL_RETURN_IF_ERROR(ReadBool(step, "strip_right", path, &right));
    return StripStep(left, right);
  }
  return Unsupported(path, "normalizer", type,
                     "BertNormalizer (with WordPiece), Lowercase, Precompiled, Prepend, Replace, Strip");
}

// ---- pre-tokenizers ----

absl::StatusOr<CutStep> ReadMetaspace(const Json& step, const std::string& path) {
  const std::string replacement = TextOf(step, "replacement");
  if (replacement.empty()) return Malformed(path, "its pre_tokenizer Metaspace lacks \"replacement\"");
  bool split = true, add_prefix_space = true;
  QL_RETURN_IF_ERROR(ReadBool(step, "split", path, &split));
  QL_RETURN_IF_ERROR(ReadBool(step, "add_prefix_space", path, &add_prefix_space));
  const std::string scheme = TextOf(step, "prepend_scheme");
  if (scheme == "first") return MetaspaceStep(replacement, PrependScheme::kFirst, split);
  if (!scheme.empty() && scheme != "always" && scheme != "never") {
    return Malformed(path, absl::StrCat("prepend_scheme is \"", scheme, "\"; allowed: always, first, never"));
  }
  const bool always = scheme.empty() ? add_prefix_space : scheme == "always";
  return MetaspaceStep(replacement, always ? PrependScheme::kAlways : PrependScheme::kNever, split);
}

absl::StatusOr<CutStep> ReadPreTokenizer(const Json& step, const std::string& path, const Json& config) {
  const std::string type = TypeOf(step);
  if (type == "WhitespaceSplit") return WhitespaceSplitStep();
  if (type == "Metaspace") return ReadMetaspace(step, path);
  if (type == "ByteLevel") {
    bool add_prefix_space = true, use_regex = true;
    QL_RETURN_IF_ERROR(ReadBool(step, "add_prefix_space", path, &add_prefix_space));
    QL_RETURN_IF_ERROR(ReadBool(step, "use_regex", path, &use_regex));
    QL_RETURN_IF_ERROR(ReadBool(config, "add_prefix_space", "tokenizer_config.json", &add_prefix_space));
    return ByteLevelStep(add_prefix_space, use_regex);
  }
  return Unsupported(path, "pre_tokenizer", type,
                     "BertPreTokenizer (with WordPiece), ByteLevel, Metaspace, WhitespaceSplit");
}

// ---- post-processors ----

// ["</s>", 2]
absl::Status ReadTokenAndId(const Json& step, const char* key, const std::string& path,
                            std::vector<int32_t>* ids) {
  const Json* pair = Find(step, key);
  if (pair == nullptr || !pair->is_array() || pair->size() != 2) {
    return Malformed(path, absl::StrCat("its post_processor's \"", key, "\" is not a token and its id"));
  }
  QL_ASSIGN_OR_RETURN(const int32_t id, TokenId((*pair)[1], path, (*pair)[0].dump()));
  ids->push_back(id);
  return absl::OkStatus();
}

// The ids of a special token of a template.
absl::StatusOr<std::vector<int32_t>> SpecialIds(const Json& step, const std::string& name,
                                                const std::string& path) {
  const Json* tokens = Find(step, "special_tokens");
  const Json* token = tokens == nullptr ? nullptr : Find(*tokens, name.c_str());
  const Json* ids = token == nullptr ? nullptr : Find(*token, "ids");
  if (ids == nullptr || !ids->is_array()) {
    return Malformed(path, absl::StrCat("its post_processor has no ids for ", name));
  }
  std::vector<int32_t> result;
  for (const Json& value : *ids) {
    QL_ASSIGN_OR_RETURN(const int32_t id, TokenId(value, path, name));
    result.push_back(id);
  }
  return result;
}

// A template of two texts: both once, in either order. Anything else leaves *parts empty, since single texts
// need no template of pairs.
absl::Status ReadPairTemplate(const Json& step, const std::string& path, std::vector<PairPart>* parts) {
  const Json* pair = Find(step, "pair");
  int first = 0, second = 0;
  std::vector<PairPart> read;
  for (const Json& item : pair != nullptr && pair->is_array() ? *pair : Json::array()) {
    const Json* special = Find(item, "SpecialToken");
    const Json* sequence = Find(item, "Sequence");
    if (special == nullptr && sequence == nullptr) return absl::OkStatus();
    const Json& part = special != nullptr ? *special : *sequence;
    const Json* stated = Find(part, "type_id");
    int32_t type = 0;
    if (stated != nullptr) {
      QL_ASSIGN_OR_RETURN(type, TokenId(*stated, path, "type_id"));
    }
    const std::string name = TextOf(part, "id");
    if (special == nullptr) {
      ++(name == "A" ? first : second);
      read.push_back({name == "A" ? PairPart::Kind::kFirst : PairPart::Kind::kSecond, -1, type});
      continue;
    }
    QL_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, SpecialIds(step, name, path));
    for (const int32_t id : ids) read.push_back({PairPart::Kind::kToken, id, type});
  }
  if (first == 1 && second == 1) *parts = std::move(read);
  return absl::OkStatus();
}

absl::Status ReadTemplate(const Json& step, const std::string& path, Frame* frame) {
  const Json* single = Find(step, "single");
  bool after_text = false;
  for (const Json& item : single != nullptr && single->is_array() ? *single : Json::array()) {
    const Json* special = Find(item, "SpecialToken");
    if (special == nullptr) {
      if (after_text || Find(item, "Sequence") == nullptr) break;
      after_text = true;
      continue;
    }
    QL_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, SpecialIds(step, TextOf(*special, "id"), path));
    std::vector<int32_t>& side = after_text ? frame->after : frame->before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (!after_text) return Malformed(path, "its post_processor's \"single\" has no Sequence");
  return ReadPairTemplate(step, path, &frame->pair);
}

absl::Status ReadPostProcessor(const Json& step, const std::string& path, Frame* frame) {
  const std::string type = TypeOf(step);
  if (type == "ByteLevel") return absl::OkStatus();  // changes offsets alone
  if (type == "TemplateProcessing") return ReadTemplate(step, path, frame);
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    QL_RETURN_IF_ERROR(ReadTokenAndId(step, "cls", path, &frame->before));
    QL_RETURN_IF_ERROR(ReadTokenAndId(step, "sep", path, &frame->after));
    const int32_t cls = frame->before.back(), sep = frame->after.back();
    frame->pair = type == "BertProcessing" ? BertPair(cls, sep) : RobertaPair(cls, sep);
    return absl::OkStatus();
  }
  return Unsupported(path, "post_processor", type,
                     "BertProcessing, ByteLevel, RobertaProcessing, TemplateProcessing");
}

// ---- models ----

absl::Status ReadVocabulary(const Json& model, const std::string& path, TokenizerSpec* spec) {
  const Json* vocabulary = Find(model, "vocab");
  if (vocabulary == nullptr || !vocabulary->is_object()) {
    return Malformed(path, "model.vocab is not an object");
  }
  for (const auto& [token, id] : vocabulary->items()) {
    QL_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, path, token));
    spec->vocabulary.emplace_back(token, value);
  }
  return absl::OkStatus();
}

absl::Status ReadWordPiece(const Json& model, const std::string& path, TokenizerSpec* spec) {
  QL_RETURN_IF_ERROR(ReadVocabulary(model, path, spec));
  QL_RETURN_IF_ERROR(ReadToken(model, "unk_token", path, &spec->unk_token));
  QL_RETURN_IF_ERROR(
      ReadToken(model, "continuing_subword_prefix", path, &spec->word_piece.continuation_prefix));
  const Json* limit = Find(model, "max_input_chars_per_word");
  if (limit == nullptr) return absl::OkStatus();
  if (!limit->is_number_unsigned() || limit->get<uint64_t>() > kMaxFileBytes) {
    return Malformed(path, "model.max_input_chars_per_word is not a sensible number");
  }
  spec->word_piece.max_word_characters = limit->get<int64_t>();
  return absl::OkStatus();
}

// A merge is written ["a", "b"] or, earlier, "a b".
absl::Status ReadMerge(const Json& merge, const std::string& path, BytePairSpec* spec) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    spec->merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    return absl::OkStatus();
  }
  const std::vector<std::string> parts = merge.is_string()
                                             ? absl::StrSplit(merge.get_ref<const std::string&>(), ' ')
                                             : std::vector<std::string>();
  if (parts.size() != 2) {
    return Malformed(path, absl::StrCat("merge ", spec->merges.size() + 1, " is not a pair of tokens"));
  }
  spec->merges.emplace_back(parts[0], parts[1]);
  return absl::OkStatus();
}

absl::Status ReadBytePair(const Json& model, const std::string& path, TokenizerSpec* spec) {
  QL_RETURN_IF_ERROR(ReadVocabulary(model, path, spec));
  BytePairSpec& bpe = spec->byte_pair;
  QL_RETURN_IF_ERROR(ReadToken(model, "continuing_subword_prefix", path, &bpe.continuing_prefix));
  QL_RETURN_IF_ERROR(ReadToken(model, "end_of_word_suffix", path, &bpe.end_suffix));
  QL_RETURN_IF_ERROR(ReadBool(model, "fuse_unk", path, &bpe.fuse_unk));
  QL_RETURN_IF_ERROR(ReadBool(model, "byte_fallback", path, &bpe.byte_fallback));
  QL_RETURN_IF_ERROR(ReadBool(model, "ignore_merges", path, &bpe.ignore_merges));
  if (const Json* dropout = Find(model, "dropout"); dropout != nullptr && *dropout != 0.0) {
    return Malformed(path, "model.dropout makes ids random; set it to null");
  }
  const Json* merges = Find(model, "merges");
  if (merges == nullptr || !merges->is_array()) return Malformed(path, "model.merges is not a list");
  for (const Json& merge : *merges) QL_RETURN_IF_ERROR(ReadMerge(merge, path, &bpe));
  std::string unknown;
  QL_RETURN_IF_ERROR(ReadToken(model, "unk_token", path, &unknown));
  if (unknown.empty()) return absl::OkStatus();
  const auto found = std::find_if(spec->vocabulary.begin(), spec->vocabulary.end(),
                                  [&](const auto& entry) { return entry.first == unknown; });
  if (found == spec->vocabulary.end()) {
    return Malformed(path, absl::StrCat("model.unk_token \"", unknown, "\" is not in the vocabulary"));
  }
  bpe.unk_id = found->second;
  return absl::OkStatus();
}

absl::Status ReadUnigram(const Json& model, const std::string& path, TokenizerSpec* spec) {
  UnigramSpec& unigram = spec->unigram;
  QL_RETURN_IF_ERROR(ReadBool(model, "byte_fallback", path, &unigram.byte_fallback));
  const Json* vocabulary = Find(model, "vocab");
  if (vocabulary == nullptr || !vocabulary->is_array() || vocabulary->empty() ||
      vocabulary->size() > kMaxTokenId) {
    return Malformed(path, "model.vocab is not a list of pieces with their scores");
  }
  for (const Json& piece : *vocabulary) {
    const auto id = static_cast<int32_t>(unigram.pieces.size());
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number() ||
        !std::isfinite(piece[1].get<double>())) {
      return Malformed(path, absl::StrCat("model.vocab[", id, "] is not a piece with its score"));
    }
    unigram.pieces.emplace_back(piece[0].get<std::string>(), piece[1].get<double>());
    spec->vocabulary.emplace_back(unigram.pieces.back().first, id);
  }
  const Json* unknown = Find(model, "unk_id");
  if (unknown == nullptr || !unknown->is_number_unsigned() ||
      unknown->get<uint64_t>() >= unigram.pieces.size()) {
    return Malformed(path, "model.unk_id is not the index of a piece");
  }
  unigram.unk_id = unknown->get<int32_t>();
  return absl::OkStatus();
}

// ---- the whole ----

absl::Status CheckWordPieceSteps(const Json& file, const std::string& path, TokenizerSpec* spec) {
  const auto check = [&](const char* field, const char* type) {
    const Json* step = Find(file, field);
    const std::string found = step == nullptr ? "none" : TypeOf(*step);
    return found == type ? absl::OkStatus()
                         : Unsupported(path, field, found, absl::StrCat(type, " (with WordPiece)"));
  };
  QL_RETURN_IF_ERROR(check("normalizer", "BertNormalizer"));
  QL_RETURN_IF_ERROR(check("pre_tokenizer", "BertPreTokenizer"));
  Frame frame;
  QL_RETURN_IF_ERROR(ForEachStep(Find(file, "post_processor"), "processors", path,
                                 [&](const Json& step) { return ReadPostProcessor(step, path, &frame); }));
  spec->pair = std::move(frame.pair);
  return absl::OkStatus();
}

absl::Status ReadSteps(const Json& file, const std::string& path, const Json& config, TokenizerSpec* spec) {
  QL_RETURN_IF_ERROR(
      ForEachStep(Find(file, "normalizer"), "normalizers", path, [&](const Json& step) -> absl::Status {
        QL_ASSIGN_OR_RETURN(TextStep read, ReadNormalizer(step, path));
        spec->pipeline.normalizers.push_back(std::move(read));
        return absl::OkStatus();
      }));
  QL_RETURN_IF_ERROR(
      ForEachStep(Find(file, "pre_tokenizer"), "pretokenizers", path, [&](const Json& step) -> absl::Status {
        QL_ASSIGN_OR_RETURN(CutStep read, ReadPreTokenizer(step, path, config));
        spec->pipeline.pre_tokenizers.push_back(std::move(read));
        return absl::OkStatus();
      }));
  Frame frame;
  QL_RETURN_IF_ERROR(ForEachStep(Find(file, "post_processor"), "processors", path,
                                 [&](const Json& step) { return ReadPostProcessor(step, path, &frame); }));
  if (frame.before.empty()) {
    return Malformed(path,
                     "its post_processor puts no token before the text, from which a classifier would "
                     "read its answer");
  }
  spec->frame = std::move(frame);
  return absl::OkStatus();
}

absl::Status ReadAdded(const Json& file, const std::string& path, TokenizerSpec* spec) {
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

}  // namespace

absl::Status ReadTokenizerJson(const Json& file, const std::string& path, const Json& config,
                               TokenizerSpec* spec) {
  const Json* model = Find(file, "model");
  if (model == nullptr) return Malformed(path, "has no model");
  const std::string type = TypeOf(*model);
  // Early files of WordPiece name no type for the model.
  if (type == "WordPiece" || type == "none") {
    QL_RETURN_IF_ERROR(CheckWordPieceSteps(file, path, spec));
    QL_RETURN_IF_ERROR(ReadWordPiece(*model, path, spec));
    return ReadAdded(file, path, spec);
  }
  if (type == "BPE") {
    spec->kind = TokenizerKind::kBytePair;
    QL_RETURN_IF_ERROR(ReadBytePair(*model, path, spec));
  } else if (type == "Unigram") {
    spec->kind = TokenizerKind::kUnigram;
    QL_RETURN_IF_ERROR(ReadUnigram(*model, path, spec));
  } else {
    return Unsupported(path, "model", type, "WordPiece, BPE, Unigram");
  }
  QL_RETURN_IF_ERROR(ReadSteps(file, path, config, spec));
  return ReadAdded(file, path, spec);
}

void AddByteLevelSteps(bool add_prefix_space, TokenizerSpec* spec) {
  spec->kind = TokenizerKind::kBytePair;
  spec->pipeline.pre_tokenizers.push_back(ByteLevelStep(add_prefix_space, /*use_regex=*/true));
}

}  // namespace quantlab::engine
