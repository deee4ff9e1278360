#include "worker/engine/text/tokenizer.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text/utf8.h"
#include "worker/engine/text/added_tokens.h"
#include "worker/engine/text/text_model.h"
#include "worker/engine/text/tokenizer_spec.h"

namespace quantlab::engine {
namespace {

using Vocabulary = std::vector<std::pair<std::string, int32_t>>;

std::vector<AddedToken> Verbatim(const std::vector<AddedToken>& tokens) {
  std::vector<AddedToken> result;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(result),
               [](const AddedToken& token) { return !token.normalized; });
  return result;
}

std::vector<AddedToken> Normalized(const std::vector<AddedToken>& tokens, const TextModel& model) {
  std::vector<AddedToken> result;
  for (AddedToken token : tokens) {
    if (!token.normalized) continue;
    token.content = model.Normalize(token.content);
    if (!token.content.empty()) result.push_back(std::move(token));
  }
  return result;
}

// Ids by token, and the other way round.
struct Names {
  Names(const Vocabulary& vocabulary, const std::vector<AddedToken>& added) {
    for (const auto& [token, id] : vocabulary) Add(token, id);
    for (const AddedToken& token : added) Add(token.content, token.id);
    texts.resize(static_cast<size_t>(size));
    for (const auto& [token, id] : ids) texts[static_cast<size_t>(id)] = token;
  }

  void Add(const std::string& token, int32_t id) {
    ids[token] = id;
    size = std::max(size, id + 1);
  }

  // -1: none.
  int32_t Find(const std::string& token) const {
    const auto it = ids.find(token);
    return it == ids.end() ? -1 : it->second;
  }

  absl::StatusOr<int32_t> Require(const std::string& token, const char* role,
                                  const std::string& folder) const {
    const int32_t id = Find(token);
    if (id >= 0) return id;
    return absl::InvalidArgumentError(absl::StrCat(folder, ": the vocabulary lacks the ", role, " \"", token,
                                                   "\"; are the tokenizer's files complete, and of one "
                                                   "model?"));
  }

  std::unordered_map<std::string, int32_t> ids;
  std::vector<std::string> texts;  // by id
  int32_t size = 0;
};

// How two texts are put together with these special tokens: as tokenizer.json says, unless other files name
// other tokens, by which transformers then goes.
std::vector<PairPart> PairOf(const TokenizerSpec& spec, int32_t cls_id, int32_t sep_id) {
  if (!spec.pair.empty() && spec.pair.front().id == cls_id && spec.pair.back().id == sep_id) return spec.pair;
  return spec.kind == TokenizerKind::kBytePair ? RobertaPair(cls_id, sep_id) : BertPair(cls_id, sep_id);
}

// How many tokens of each of two texts fit together into `room`.
std::pair<size_t, size_t> LongestFirst(size_t first, size_t second, size_t room) {
  if (first + second <= room) return {first, second};
  // The longer text gets what the shorter one leaves. Where that is less than the shorter one has, each gets
  // half, and the longer one (of equals the second) the odd token.
  size_t shorter = std::min(first, second);
  size_t longer = room - std::min(room, shorter);
  if (longer < shorter) {
    shorter = room / 2;
    longer = room - shorter;
  }
  return first > second ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

absl::StatusOr<std::unique_ptr<const TextModel>> MakeModel(TokenizerSpec& spec, int32_t unk_id,
                                                           const std::string& folder) {
  if (spec.kind == TokenizerKind::kWordPiece) {
    return MakeWordPiece(spec.word_piece, spec.vocabulary, unk_id);
  }
  std::unique_ptr<const WordMatcher> matcher;
  if (spec.kind == TokenizerKind::kBytePair) {
    auto made = MakeBytePair(spec.byte_pair, spec.vocabulary);
    if (!made.ok()) return Annotate(made.status(), folder);
    matcher = *std::move(made);
  } else {
    matcher = MakeUnigram(std::move(spec.unigram));
  }
  return MakeTextPipeline(std::move(spec.pipeline), std::move(matcher));
}

// Leaves at most `size` ids.
void Truncate(TruncationSide side, size_t size, std::vector<int32_t>* ids) {
  if (ids->size() <= size) return;
  if (side == TruncationSide::kLeft) {
    ids->erase(ids->begin(), ids->end() - static_cast<std::ptrdiff_t>(size));
  } else {
    ids->resize(size);
  }
}

}  // namespace

struct Tokenizer::Impl {
  Impl(const TokenizerSpec& spec, Names n, std::unique_ptr<const TextModel> m)
      : kind(spec.kind),
        lower_case(spec.kind == TokenizerKind::kWordPiece && spec.word_piece.normalizer.lower_case),
        model_max_length(spec.model_max_length),
        truncation_side(spec.truncation_side),
        names(std::move(n)),
        model(std::move(m)),
        verbatim(Verbatim(spec.added_tokens)),
        normalized(Normalized(spec.added_tokens, *model)) {}

  // Ids of what stands between two added tokens.
  void TokenizePart(std::string_view part, bool at_start, size_t limit, std::vector<int32_t>* ids) const {
    if (normalized.empty()) return model->Run(part, at_start, limit, ids);
    const std::string text = model->Normalize(part);
    normalized.Split(
        text,
        [&](std::string_view piece) {
          model->Match(piece, at_start && piece.data() == text.data(), limit, ids);
          return ids->size() < limit;
        },
        [&](int32_t id) {
          ids->push_back(id);
          return ids->size() < limit;
        });
  }

  const TokenizerKind kind;
  const bool lower_case;
  const int64_t model_max_length;
  const TruncationSide truncation_side;
  const Names names;
  const std::unique_ptr<const TextModel> model;
  const AddedTokenMatcher verbatim, normalized;
  Frame frame;
  int32_t pad_id = -1, unk_id = -1, mask_id = -1;
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& model_folder,
                                                           std::optional<TruncationSide> side) {
  QL_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizerSpec(model_folder));
  if (side.has_value()) spec.truncation_side = *side;
  Names names(spec.vocabulary, spec.added_tokens);
  int32_t unk_id = -1;
  if (spec.kind == TokenizerKind::kWordPiece) {
    QL_ASSIGN_OR_RETURN(unk_id, names.Require(spec.unk_token, "unk_token", model_folder));
    QL_RETURN_IF_ERROR(names.Require(spec.pad_token, "pad_token", model_folder).status());
  } else {
    unk_id = spec.kind == TokenizerKind::kBytePair ? spec.byte_pair.unk_id : spec.unigram.unk_id;
  }
  if (!spec.frame.has_value()) {
    QL_ASSIGN_OR_RETURN(const int32_t cls_id, names.Require(spec.cls_token, "cls_token", model_folder));
    QL_ASSIGN_OR_RETURN(const int32_t sep_id, names.Require(spec.sep_token, "sep_token", model_folder));
    spec.frame = Frame{{cls_id}, {sep_id}, PairOf(spec, cls_id, sep_id)};
  }
  for (const std::vector<int32_t>* ids : {&spec.frame->before, &spec.frame->after}) {
    for (const int32_t id : *ids) names.size = std::max(names.size, id + 1);
  }
  for (const PairPart& part : spec.frame->pair) names.size = std::max(names.size, part.id + 1);
  names.texts.resize(static_cast<size_t>(names.size));
  QL_ASSIGN_OR_RETURN(std::unique_ptr<const TextModel> model, MakeModel(spec, unk_id, model_folder));
  auto impl = std::make_unique<Impl>(spec, std::move(names), std::move(model));
  impl->frame = *std::move(spec.frame);
  impl->unk_id = unk_id;
  impl->pad_id = impl->names.Find(spec.pad_token);
  impl->mask_id = impl->names.Find(spec.mask_token);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

std::vector<int32_t> Tokenizer::Tokenize(std::string_view text, int64_t max_tokens) const {
  std::vector<int32_t> ids;
  const size_t limit = max_tokens > 0 ? static_cast<size_t>(max_tokens) : std::numeric_limits<size_t>::max();
  ids.reserve(std::min(limit, text.size() / 4) + 2);
  std::string repaired;
  if (!IsValidUtf8(text)) {
    repaired = RepairUtf8(text);
    text = repaired;
  }
  impl_->verbatim.Split(
      text,
      [&](std::string_view part) {
        impl_->TokenizePart(part, part.data() == text.data(), limit, &ids);
        return ids.size() < limit;
      },
      [&](int32_t id) {
        ids.push_back(id);
        return ids.size() < limit;
      });
  if (ids.size() > limit) ids.resize(limit);
  return ids;
}

std::vector<int32_t> Tokenizer::TokenizeWithin(std::string_view text, int64_t max_tokens) const {
  if (impl_->truncation_side == TruncationSide::kRight) return Tokenize(text, max_tokens);
  std::vector<int32_t> ids = Tokenize(text);
  Truncate(impl_->truncation_side, static_cast<size_t>(max_tokens), &ids);
  return ids;
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, int max_length) const {
  const std::vector<int32_t>&before = impl_->frame.before, &after = impl_->frame.after;
  const auto specials = static_cast<int64_t>(before.size() + after.size());
  std::vector<int32_t> ids;
  if (max_length <= 0) {
    ids = Tokenize(text);
  } else if (max_length > specials) {
    ids = TokenizeWithin(text, max_length - specials);
  }
  ids.insert(ids.begin(), before.begin(), before.end());
  ids.insert(ids.end(), after.begin(), after.end());
  return ids;
}

TokenizedPair Tokenizer::EncodePair(std::string_view first, std::string_view second, int max_length) const {
  std::vector<int32_t> texts[2] = {Tokenize(first), Tokenize(second)};
  if (max_length > 0) {
    const auto room = static_cast<size_t>(std::max(0, max_length - pair_specials()));
    const auto [first_size, second_size] = LongestFirst(texts[0].size(), texts[1].size(), room);
    Truncate(impl_->truncation_side, first_size, &texts[0]);
    Truncate(impl_->truncation_side, second_size, &texts[1]);
  }
  TokenizedPair result;
  for (const PairPart& part : impl_->frame.pair) {
    if (part.kind == PairPart::Kind::kToken) {
      result.ids.push_back(part.id);
    } else {
      const std::vector<int32_t>& ids = texts[part.kind == PairPart::Kind::kSecond];
      result.ids.insert(result.ids.end(), ids.begin(), ids.end());
    }
    result.types.resize(result.ids.size(), part.type);
  }
  return result;
}

bool Tokenizer::encodes_pairs() const {
  return !impl_->frame.pair.empty();
}

int Tokenizer::pair_specials() const {
  const std::vector<PairPart>& parts = impl_->frame.pair;
  return static_cast<int>(std::count_if(
      parts.begin(), parts.end(), [](const PairPart& part) { return part.kind == PairPart::Kind::kToken; }));
}

int32_t Tokenizer::largest_pair_type() const {
  int32_t largest = 0;
  for (const PairPart& part : impl_->frame.pair) largest = std::max(largest, part.type);
  return largest;
}

std::string Tokenizer::kind() const {
  return TokenizerKindName(impl_->kind);
}
int32_t Tokenizer::pad_id() const {
  return impl_->pad_id;
}
int32_t Tokenizer::unk_id() const {
  return impl_->unk_id;
}
int32_t Tokenizer::cls_id() const {
  return impl_->frame.before.front();
}
int32_t Tokenizer::sep_id() const {
  return impl_->frame.after.empty() ? -1 : impl_->frame.after.back();
}
int32_t Tokenizer::mask_id() const {
  return impl_->mask_id;
}
int32_t Tokenizer::vocab_size() const {
  return impl_->names.size;
}
int64_t Tokenizer::model_max_length() const {
  return impl_->model_max_length;
}
bool Tokenizer::lower_case() const {
  return impl_->lower_case;
}

std::string Tokenizer::TokenText(int32_t id) const {
  if (id < 0 || id >= impl_->names.size) return "";
  return impl_->names.texts[static_cast<size_t>(id)];
}

}  // namespace quantlab::engine
