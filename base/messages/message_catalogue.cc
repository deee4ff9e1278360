#include "base/messages/message_catalogue.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/messages/access.h"
#include "base/messages/checkpoint.h"
#include "base/messages/export.h"
#include "base/messages/hub.h"
#include "base/messages/inputs.h"
#include "base/messages/message_json.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
#include "base/messages/runtimes.h"
#include "base/messages/shell.h"
#include "base/messages/storage.h"
#include "base/messages/task.h"
#include "base/messages/transfer.h"
#include "base/text/list.h"

namespace quantlab {
namespace {

constexpr char kStatusPayload[] = "quantlab/message";
constexpr char kTermSection[] = "term.";

// ---- sentences -----------------------------------------------------------------------------------------

// A part of a sentence: text, or a placeholder of an argument.
struct Piece {
  std::string text;                                                // where `argument` is empty
  std::string argument;                                            // its name
  std::optional<std::pair<std::string, std::string>> one_or_many;  // instead of the argument itself
  std::string before, after;                                       // around it, where it is not empty
};

// The text between braces. nullopt: it is malformed.
std::optional<Piece> ParsePlaceholder(absl::string_view text) {
  Piece piece;
  const size_t question = text.find('?');
  if (question != absl::string_view::npos) {
    piece.argument = std::string(text.substr(0, question));
    const std::pair<std::string, std::string> around =
        absl::StrSplit(text.substr(question + 1), absl::MaxSplits('|', 1));
    piece.before = around.first;
    piece.after = around.second;
    return piece;
  }
  const std::vector<std::string> parts = absl::StrSplit(text, '|');
  if (parts.size() != 1 && parts.size() != 3) return std::nullopt;
  piece.argument = parts[0];
  if (parts.size() == 3) piece.one_or_many.emplace(parts[1], parts[2]);
  return piece;
}

// nullopt: braces that do not match.
std::optional<std::vector<Piece>> SplitSentence(absl::string_view sentence) {
  std::vector<Piece> pieces;
  std::string text;
  while (!sentence.empty()) {
    const char c = sentence[0];
    const bool doubled = sentence.size() > 1 && sentence[1] == c;
    if ((c == '{' || c == '}') && doubled) {
      text += c;
      sentence.remove_prefix(2);
    } else if (c == '{') {
      const size_t end = sentence.find('}');
      if (end == absl::string_view::npos) return std::nullopt;
      pieces.push_back({std::exchange(text, ""), "", {}, "", ""});
      auto piece = ParsePlaceholder(sentence.substr(1, end - 1));
      if (!piece) return std::nullopt;
      pieces.push_back(*std::move(piece));
      sentence.remove_prefix(end + 1);
    } else if (c == '}') {
      return std::nullopt;
    } else {
      text += c;
      sentence.remove_prefix(1);
    }
  }
  pieces.push_back({std::move(text), "", {}, "", ""});
  return pieces;
}

using Sentences = std::map<std::string, std::string>;

// A catalogue that cannot be parsed does not pass its test; here it is empty.
const Sentences& SentencesOf(Language language) {
  static const auto* const english =
      new Sentences(ParseCatalogue(CatalogueText(Language::kEnglish)).value_or(Sentences()));
  static const auto* const chinese =
      new Sentences(ParseCatalogue(CatalogueText(Language::kChinese)).value_or(Sentences()));
  return language == Language::kEnglish ? *english : *chinese;
}

// ---- arguments -----------------------------------------------------------------------------------------

std::string WithSeparators(int64_t value) {
  std::string digits = absl::StrCat(value);
  for (size_t at = digits.size(); at > (value < 0 ? 4u : 3u);) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string WithUnit(Language language, const std::string& number, absl::string_view unit) {
  return absl::StrCat(number, " ", RenderTerm(language, unit));
}

std::string RenderBytes(Language language, int64_t bytes) {
  if (std::abs(static_cast<double>(bytes)) < 1024) return WithUnit(language, absl::StrCat(bytes), "bytes");
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (std::abs(value) < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return std::abs(value) < 10 ? absl::StrFormat("%.1f %s", value, unit)
                              : absl::StrFormat("%.0f %s", value, unit);
}

std::string RenderDuration(Language language, double seconds) {
  if (!std::isfinite(seconds)) return RenderTerm(language, "unlimited");
  if (std::abs(seconds) < 1) {
    return WithUnit(language, absl::StrCat(static_cast<int64_t>(std::llround(seconds * 1000))), "ms");
  }
  if (std::abs(seconds) < 60) {
    return WithUnit(language, absl::StrCat(std::round(seconds * 10) / 10), "s");
  }
  int64_t left = std::llround(seconds);
  std::vector<std::string> parts;
  for (const auto& [unit, length] : {std::pair<const char*, int64_t>{"h", 3600}, {"min", 60}, {"s", 1}}) {
    if (left / length != 0) parts.push_back(WithUnit(language, absl::StrCat(left / length), unit));
    left %= length;
  }
  return absl::StrJoin(parts, " ");
}

std::string RenderMessages(Language language, const std::vector<Message>& messages) {
  std::vector<std::string> sentences;
  for (const Message& message : messages) sentences.push_back(Render(language, message));
  return absl::StrJoin(sentences, language == Language::kEnglish ? ", " : "，");
}

std::string RenderInteger(Language language, ArgumentKind kind, int64_t value) {
  if (kind == ArgumentKind::kBytes) return RenderBytes(language, value);
  return kind == ArgumentKind::kCount ? WithSeparators(value) : absl::StrCat(value);
}

std::string RenderReal(Language language, ArgumentKind kind, double value) {
  if (kind == ArgumentKind::kDuration) return RenderDuration(language, value);
  return kind == ArgumentKind::kPercent ? absl::StrFormat("%.2f%%", 100 * value) : absl::StrCat(value);
}

std::string RenderText(Language language, ArgumentKind kind, const std::string& value) {
  if (kind == ArgumentKind::kTerm) return RenderTerm(language, value);
  return kind == ArgumentKind::kText ? Render(language, TextMessage(value)) : value;
}

// FirstOf() ends a list that it cut in English.
std::string RenderWords(Language language, const std::vector<std::string>& words) {
  if (language == Language::kEnglish) return absl::StrJoin(words, ", ");
  const std::optional<size_t> more = words.size() > 1 ? LeftOut(words.back()) : std::nullopt;
  if (!more.has_value()) return absl::StrJoin(words, "、");
  return absl::StrCat(absl::StrJoin(words.begin(), words.end() - 1, "、"), " 等（另有 ", *more, " 个）");
}

std::string RenderArgument(Language language, ArgumentKind kind, const MessageValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return RenderText(language, kind, *text);
  if (const auto* integer = std::get_if<int64_t>(&value)) return RenderInteger(language, kind, *integer);
  if (const auto* real = std::get_if<double>(&value)) return RenderReal(language, kind, *real);
  if (const auto* words = std::get_if<std::vector<std::string>>(&value)) return RenderWords(language, *words);
  return RenderMessages(language, std::get<std::vector<Message>>(value));
}

const MessageValue* FindValue(const Message& message, absl::string_view name) {
  for (const MessageArgument& argument : message.arguments) {
    if (argument.name == name) return &argument.value;
  }
  return nullptr;
}

bool HasTypeOf(ArgumentKind kind, const MessageValue& value) {
  switch (kind) {
    case ArgumentKind::kWord:
    case ArgumentKind::kTerm:
    case ArgumentKind::kText:
      return std::holds_alternative<std::string>(value);
    case ArgumentKind::kNumber:
    case ArgumentKind::kCount:
    case ArgumentKind::kBytes:
      return std::holds_alternative<int64_t>(value);
    case ArgumentKind::kReal:
    case ArgumentKind::kPercent:
    case ArgumentKind::kDuration:
      return std::holds_alternative<double>(value);
    case ArgumentKind::kWords:
      return std::holds_alternative<std::vector<std::string>>(value);
    case ArgumentKind::kMessage:
      break;
  }
  const auto* messages = std::get_if<std::vector<Message>>(&value);
  return messages != nullptr && std::all_of(messages->begin(), messages->end(), IsRenderable);
}

std::string Fill(Language language, const MessageSpec& spec, const Message& message,
                 absl::string_view sentence) {
  std::string filled;
  for (const Piece& piece : SplitSentence(sentence).value_or(std::vector<Piece>())) {
    if (piece.argument.empty()) {
      filled += piece.text;
      continue;
    }
    const auto declared =
        std::find_if(spec.arguments.begin(), spec.arguments.end(),
                     [&](const auto& argument) { return argument.first == piece.argument; });
    const MessageValue* value = FindValue(message, piece.argument);
    if (declared == spec.arguments.end() || value == nullptr) continue;
    if (piece.one_or_many.has_value()) {
      const auto* number = std::get_if<int64_t>(value);
      filled += number != nullptr && *number == 1 ? piece.one_or_many->first : piece.one_or_many->second;
    } else {
      const std::string rendered = RenderArgument(language, declared->second, *value);
      if (!rendered.empty()) absl::StrAppend(&filled, piece.before, rendered, piece.after);
    }
  }
  return filled;
}

template <typename Code>
MessageSpec SpecOf(const Code& code) {
  MessageSpec spec{code.code(), {}};
  code.ForEachArgument(
      [&spec](const char* name, ArgumentKind kind) { spec.arguments.emplace_back(name, kind); });
  return spec;
}

bool IsInteger(ArgumentKind kind) {
  return kind == ArgumentKind::kNumber || kind == ArgumentKind::kCount || kind == ArgumentKind::kBytes;
}

}  // namespace

const std::vector<MessageSpec>& AllMessages() {
  static const auto* const all = new std::vector<MessageSpec>{
#define QL_MESSAGE(name, ...) SpecOf(messages::name),
#include "base/messages/access.inc"
#include "base/messages/checkpoint.inc"
#include "base/messages/export.inc"
#include "base/messages/hub.inc"
#include "base/messages/inputs.inc"
#include "base/messages/message_list.inc"
#include "base/messages/queue.inc"
#include "base/messages/runtimes.inc"
#include "base/messages/shell.inc"
#include "base/messages/storage.inc"
#include "base/messages/task.inc"
#include "base/messages/transfer.inc"
#undef QL_MESSAGE
  };
  return *all;
}

const MessageSpec* FindMessage(absl::string_view code) {
  static const auto* const by_code = [] {
    auto* const made = new std::map<std::string, const MessageSpec*, std::less<>>;
    for (const MessageSpec& spec : AllMessages()) made->emplace(spec.code, &spec);
    return made;
  }();
  const auto it = by_code->find(code);
  return it == by_code->end() ? nullptr : it->second;
}

bool IsRenderable(const Message& message) {
  const MessageSpec* spec = FindMessage(message.code);
  if (spec == nullptr) return false;
  return std::all_of(spec->arguments.begin(), spec->arguments.end(), [&](const auto& declared) {
    const MessageValue* value = FindValue(message, declared.first);
    return value != nullptr && HasTypeOf(declared.second, *value);
  });
}

std::string Render(Language language, const Message& message) {
  if (!IsRenderable(message)) return "";
  const Sentences& sentences = SentencesOf(language);
  const auto sentence = sentences.find(message.code);
  return sentence == sentences.end() ? ""
                                     : Fill(language, *FindMessage(message.code), message, sentence->second);
}

std::string RenderOr(Language language, const Message& message, absl::string_view text) {
  std::string sentence = Render(language, message);
  return sentence.empty() ? std::string(text) : sentence;
}

std::string RenderTerm(Language language, absl::string_view word) {
  const Sentences& sentences = SentencesOf(language);
  const auto it = sentences.find(absl::StrCat(kTermSection, word));
  return it == sentences.end() ? std::string(word) : it->second;
}

Message TextMessage(absl::string_view text) {
  return text.empty() ? Message() : messages::kText(text);
}

Message MessageOr(const Message& message, absl::string_view text) {
  return IsRenderable(message) ? message : TextMessage(text);
}

absl::Status MessageStatus(absl::StatusCode code, const Message& message) {
  return WithMessage(absl::Status(code, English(message)), message);
}

absl::Status WithMessage(absl::Status status, const Message& message) {
  if (!status.ok() && !message.empty()) {
    status.SetPayload(kStatusPayload, absl::Cord(MessageToJson(message)));
  }
  return status;
}

Message MessageOf(const absl::Status& status) {
  if (status.ok()) return Message();
  const absl::string_view text = status.message();
  const auto payload = status.GetPayload(kStatusPayload);
  const Message message = payload ? MessageFromJson(std::string(*payload)).value_or(Message()) : Message();
  const std::string english = English(message);
  if (english.empty()) return TextMessage(text);
  if (text == english) return message;
  // Annotate() put its context before the text.
  const std::string annotated = absl::StrCat(": ", english);
  if (!absl::EndsWith(text, annotated)) return TextMessage(text);
  return messages::kInContext(text.substr(0, text.size() - annotated.size()), message);
}

absl::StatusOr<Sentences> ParseCatalogue(absl::string_view text) {
  Sentences sentences;
  std::string section;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const auto bad = [&](absl::string_view problem) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", problem));
    };
    if (line[0] == '[') {
      if (!absl::ConsumeSuffix(&line, "]")) return bad("a section must end with ]");
      section = std::string(line.substr(1));
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) return bad("there is no =");
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, equals)));
    const std::string sentence =
        absl::StrReplaceAll(absl::StripAsciiWhitespace(line.substr(equals + 1)), {{"\\n", "\n"}});
    if (section.empty()) return bad("there is no [section] above it");
    if (name.empty() || sentence.empty()) return bad("the name or the sentence is empty");
    if (!sentences.emplace(absl::StrCat(section, ".", name), sentence).second) {
      return bad(absl::StrCat(section, ".", name, " is there twice"));
    }
  }
  return sentences;
}

std::vector<std::string> CheckSentence(const MessageSpec& spec, absl::string_view sentence) {
  const auto pieces = SplitSentence(sentence);
  if (!pieces) return {"its braces do not match"};
  std::vector<std::string> problems;
  std::set<std::string> used;
  for (const Piece& piece : *pieces) {
    if (piece.argument.empty()) continue;
    used.insert(piece.argument);
    const auto declared =
        std::find_if(spec.arguments.begin(), spec.arguments.end(),
                     [&](const auto& argument) { return argument.first == piece.argument; });
    if (declared == spec.arguments.end()) {
      problems.push_back(absl::StrCat("there is no argument ", piece.argument));
    } else if (piece.one_or_many.has_value() && !IsInteger(declared->second)) {
      problems.push_back(absl::StrCat(piece.argument, " is no integer, so it cannot choose a text"));
    }
  }
  for (const auto& [name, kind] : spec.arguments) {
    if (used.count(name) == 0) problems.push_back(absl::StrCat("it does not use ", name));
  }
  return problems;
}

}  // namespace quantlab
