#include "yaml/fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/text/nearest_name.h"

namespace quantlab {
namespace {

bool IsPlain(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kScalar && !node.quoted;
}

}  // namespace

std::optional<bool> AsBool(const YamlNode& node) {
  if (!IsPlain(node)) return std::nullopt;
  if (node.text == "true" || node.text == "True") return true;
  if (node.text == "false" || node.text == "False") return false;
  return std::nullopt;
}

std::optional<int64_t> AsInt(const YamlNode& node) {
  int64_t value = 0;
  if (!IsPlain(node) || !absl::SimpleAtoi(node.text, &value)) return std::nullopt;
  return value;
}

std::optional<double> AsDouble(const YamlNode& node) {
  double value = 0;
  if (!IsPlain(node) || !absl::SimpleAtod(node.text, &value) || !std::isfinite(value)) return std::nullopt;
  return value;
}

Fields::Fields(const YamlNode* node, std::string path, Diagnostics& diagnostics)
    : node_(node), path_(std::move(path)), diagnostics_(diagnostics) {
  if (node_ == nullptr) return;
  at_ = node_->at;
  if (node_->kind == YamlNode::Kind::kMap) return;
  if (node_->kind != YamlNode::Kind::kNull) {
    diagnostics_.Error(at_, messages::kMustBeMap(path_.empty() ? "the file" : path_, YamlMessage(*node_)));
  }
  node_ = nullptr;
}

std::string Fields::PathOf(const std::string& key) const {
  return path_.empty() ? key : absl::StrCat(path_, ".", key);
}

void Fields::Wrong(const YamlNode& value, const std::string& key, const Message& allowed) {
  diagnostics_.Error(value.at, messages::kWrongValue(PathOf(key), YamlMessage(value), allowed));
}

const YamlNode* Fields::Take(const std::string& key) {
  known_.push_back(key);
  if (node_ == nullptr) return nullptr;
  const YamlNode* value = node_->Find(key);
  return value == nullptr || value->kind == YamlNode::Kind::kNull ? nullptr : value;
}

void Fields::Bool(const std::string& key, bool* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  if (const auto parsed = AsBool(*value)) {
    *out = *parsed;
  } else {
    Wrong(*value, key, messages::kTrueOrFalse());
  }
}

void Fields::Int(const std::string& key, int64_t min, int64_t max, int64_t* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  const auto parsed = AsInt(*value);
  if (parsed && *parsed >= min && *parsed <= max) {
    *out = *parsed;
  } else {
    Wrong(*value, key, messages::kIntegerRange(min, max));
  }
}

void Fields::Int(const std::string& key, int64_t min, int64_t max, int* out) {
  int64_t wide = *out;
  Int(key, min, max, &wide);
  *out = static_cast<int>(wide);
}

void Fields::Seed(const std::string& key, uint64_t* out) {
  // Programs that read the results as JSON numbers keep integers only up to 2^53.
  int64_t seed = static_cast<int64_t>(*out);
  Int(key, 0, int64_t{1} << 53, &seed);
  *out = static_cast<uint64_t>(seed);
}

void Fields::Double(const std::string& key, double min, double max, double* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  const auto parsed = AsDouble(*value);
  if (parsed && *parsed >= min && *parsed <= max) {
    *out = *parsed;
  } else {
    Wrong(*value, key, messages::kNumberRange(min, max));
  }
}

void Fields::Duration(const std::string& key, absl::Duration min, absl::Duration max, const Message& allowed,
                      absl::Duration* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  absl::Duration parsed;
  if (value->kind == YamlNode::Kind::kScalar && absl::ParseDuration(value->text, &parsed) && parsed >= min &&
      parsed <= max) {
    *out = parsed;
  } else {
    Wrong(*value, key, allowed);
  }
}

void Fields::Text(const std::string& key, std::string* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  if (value->kind == YamlNode::Kind::kScalar && !value->text.empty()) {
    *out = value->text;
  } else {
    Wrong(*value, key, messages::kNonEmptyText());
  }
}

void Fields::OneOf(const std::string& key, const std::vector<std::string>& allowed, std::string* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  if (value->kind == YamlNode::Kind::kScalar &&
      std::find(allowed.begin(), allowed.end(), value->text) != allowed.end()) {
    *out = value->text;
    return;
  }
  Wrong(*value, key, messages::kOneOfNames(allowed, NearestName(value->text, allowed)));
}

void Fields::Words(const std::string& key, std::vector<std::string>* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  const std::vector<YamlNode> one = {*value};
  const bool is_list = value->kind == YamlNode::Kind::kList;
  std::vector<std::string> words;
  for (const YamlNode& item : is_list ? value->items : one) {
    if (item.kind != YamlNode::Kind::kScalar || item.text.empty())
      return Wrong(item, key, messages::kListOfWords());
    words.push_back(item.text);
  }
  *out = std::move(words);
}

void Fields::Pairs(const std::string& key, std::vector<std::string>* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  if (value->kind != YamlNode::Kind::kMap) return Wrong(*value, key, messages::kMapOfWords());
  std::vector<std::string> pairs;
  for (const YamlEntry& entry : value->entries) {
    const bool plain = entry.value.kind == YamlNode::Kind::kScalar && !entry.value.text.empty();
    // ": " is where the two are told apart again.
    if (!plain || entry.key.empty() || absl::StrContains(entry.key, ": ")) {
      return Wrong(entry.value, absl::StrCat(key, ".", entry.key), messages::kMapOfWords());
    }
    pairs.push_back(absl::StrCat(entry.key, ": ", entry.value.text));
  }
  *out = std::move(pairs);
}

void Fields::Ints(const std::string& key, int64_t min, int64_t max, std::vector<int>* out) {
  const YamlNode* value = Take(key);
  if (value == nullptr) return;
  const std::vector<YamlNode> one = {*value};
  const bool is_list = value->kind == YamlNode::Kind::kList;
  std::vector<int> numbers;
  for (const YamlNode& item : is_list ? value->items : one) {
    const auto parsed = AsInt(item);
    const bool again =
        parsed && std::find(numbers.begin(), numbers.end(), static_cast<int>(*parsed)) != numbers.end();
    if (!parsed || *parsed < min || *parsed > max || again) {
      return Wrong(item, key, messages::kDifferentIntegers(min, max));
    }
    numbers.push_back(static_cast<int>(*parsed));
  }
  if (numbers.empty()) return Wrong(*value, key, messages::kAtLeastOneInteger());
  *out = std::move(numbers);
}

void Fields::Done() {
  if (node_ == nullptr) return;
  for (const YamlEntry& entry : node_->entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    std::vector<std::string> names = known_;
    std::sort(names.begin(), names.end());
    diagnostics_.Error(entry.at,
                       messages::kUnknownKey(entry.key, path_, NearestName(entry.key, known_), names));
  }
}

}  // namespace quantlab
