#include "yaml/option_file.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "yaml/yaml_tree.h"

namespace quantlab {
namespace {

constexpr char kConfig[] = "--config";

absl::Status Wrong(const Location& at, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(at.file, ":", std::max(at.line, 1), ": ", what));
}

// True if there are only blank lines and comments, which a YAML parser does not accept as a document.
bool HasNoKeys(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!line.empty() && line[0] != '#') return false;
  }
  return true;
}

std::string KeyOf(const std::string& option) {
  return absl::StrReplaceAll(option, {{"-", "_"}});
}

bool Contains(const std::vector<std::string>& arguments, const std::string& option) {
  const std::string flag = absl::StrCat("--", option), assignment = flag + "=";
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return argument == flag || absl::StartsWith(argument, assignment);
  });
}

bool IsForCommandLineOnly(const std::string& option) {
  return option == "help" || option == "version" || option == "config" || absl::EndsWith(option, "-fd");
}

// The option that a key names.
absl::StatusOr<std::string> OptionOf(const YamlEntry& entry, const std::vector<std::string>& options) {
  std::vector<std::string> keys;
  for (const std::string& option : options) {
    if (IsForCommandLineOnly(option)) continue;
    keys.push_back(KeyOf(option));
    if (keys.back() == entry.key) return option;
  }
  std::sort(keys.begin(), keys.end());
  return Wrong(entry.at, absl::StrCat("unknown key '", entry.key, "'; allowed: ", absl::StrJoin(keys, ", ")));
}

// A scalar, or a list of scalars joined by commas; no value for null.
absl::StatusOr<std::optional<std::string>> ValueOf(const YamlEntry& entry) {
  const YamlNode& node = entry.value;
  if (node.kind == YamlNode::Kind::kNull) return std::nullopt;
  if (node.kind == YamlNode::Kind::kScalar) return node.text;
  std::vector<std::string> words;
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlNode::Kind::kScalar || absl::StrContains(item.text, ","))
      return Wrong(item.at, absl::StrCat("'", entry.key, "' must be a list of words"));
    words.push_back(item.text);
  }
  if (node.kind == YamlNode::Kind::kList && !words.empty()) return absl::StrJoin(words, ",");
  return Wrong(entry.at, absl::StrCat("'", entry.key, "' must be one value or a list of words"));
}

}  // namespace

std::string NamedOptionFile(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == kConfig && i + 1 < arguments.size()) return arguments[i + 1];
    absl::string_view value = arguments[i];
    if (absl::ConsumePrefix(&value, absl::StrCat(kConfig, "="))) return std::string(value);
  }
  return "";
}

absl::StatusOr<std::vector<std::string>> WithOptionFile(const std::vector<std::string>& arguments,
                                                        const std::vector<std::string>& options,
                                                        const std::string& file, const std::string& text) {
  if (HasNoKeys(text)) return arguments;
  Diagnostics diagnostics;
  const std::optional<YamlNode> root = ParseYaml(file, text, diagnostics);
  if (diagnostics.has_errors())
    return absl::InvalidArgumentError(FormatDiagnostic(diagnostics.all().front()));
  if (!root.has_value() || root->kind == YamlNode::Kind::kNull) return arguments;
  if (root->kind != YamlNode::Kind::kMap) return Wrong(root->at, "expected 'key: value' lines");
  std::vector<std::string> all;
  for (const YamlEntry& entry : root->entries) {
    QL_ASSIGN_OR_RETURN(const std::string option, OptionOf(entry, options));
    QL_ASSIGN_OR_RETURN(const std::optional<std::string> value, ValueOf(entry));
    if (value.has_value() && !Contains(arguments, option))
      all.push_back(absl::StrCat("--", option, "=", *value));
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace quantlab
