#include "model_folder/hub_name.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace quantlab {
namespace {

constexpr absl::string_view kPrefix = "hf:";
constexpr size_t kLongestPart = 96;
constexpr size_t kLongestRevision = 250;

// An owner or a name: letters, digits, '-', '_' and '.', none of the last three at its ends, and no "--" or
// "..". Source: huggingface_hub, utils/_validators.py, validate_repo_id.
bool IsPart(absl::string_view part) {
  const auto allowed = [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; };
  if (part.empty() || part.size() > kLongestPart || !std::all_of(part.begin(), part.end(), allowed))
    return false;
  for (const char end : {part.front(), part.back()}) {
    if (end == '-' || end == '.') return false;
  }
  return !absl::StrContains(part, "--") && !absl::StrContains(part, "..") && !absl::EndsWith(part, ".git");
}

bool IsRevision(absl::string_view revision) {
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return !revision.empty() && revision.size() <= kLongestRevision && revision.front() != '/' &&
         revision.back() != '/' && !absl::StrContains(revision, "..") && !absl::StrContains(revision, "//") &&
         std::all_of(revision.begin(), revision.end(), allowed);
}

}  // namespace

bool HasHubPrefix(absl::string_view name) {
  return absl::StartsWith(name, kPrefix);
}

std::optional<HubName> ParseHubName(absl::string_view name) {
  if (!HasHubPrefix(name)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  HubName parsed;
  if (const size_t at = name.find('@'); at != absl::string_view::npos) {
    parsed.revision = std::string(name.substr(at + 1));
    name = name.substr(0, at);
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() > 2 || !std::all_of(parts.begin(), parts.end(), IsPart)) return std::nullopt;
  if (!IsRevision(parsed.revision)) return std::nullopt;
  parsed.repository = std::string(name);
  return parsed;
}

bool IsBareHubName(absl::string_view name) {
  static constexpr absl::string_view kNames[] = {
      "bert-base-uncased",
      "bert-base-cased",
      "bert-large-uncased",
      "bert-large-cased",
      "bert-base-multilingual-uncased",
      "bert-base-multilingual-cased",
      "bert-base-chinese",
      "bert-base-german-cased",
      "distilbert-base-uncased",
      "distilbert-base-cased",
      "distilbert-base-multilingual-cased",
      "distilbert-base-uncased-finetuned-sst-2-english",
      "roberta-base",
      "roberta-large",
      "distilroberta-base",
      "xlm-roberta-base",
      "xlm-roberta-large",
      "camembert-base",
  };
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace quantlab
