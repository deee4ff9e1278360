// YAML text as a tree in which every node has its place, read with limits: input may be malformed, enormous
// when expanded, or nested without end.
#ifndef QUANTLAB_YAML_YAML_TREE_H_
#define QUANTLAB_YAML_YAML_TREE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/messages/message.h"
#include "yaml/diagnostics.h"

namespace quantlab {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  Location at;
  std::string text;     // of a scalar
  bool quoted = false;  // a quoted scalar is text, never a number or a truth value
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  // in the order of the file; keys are unique

  // nullptr when this is no map or has no such key.
  const YamlNode* Find(absl::string_view key) const;
};

struct YamlEntry {
  std::string key;
  Location at;  // of the key
  YamlNode value;
};

// Limits of one text. Nodes and the bytes of keys and scalars count after aliases were expanded.
inline constexpr int kYamlMaxDepth = 32;
inline constexpr int kYamlMaxNodes = 20000;
inline constexpr int64_t kYamlMaxBytes = 4 << 20;

// The limits of all texts of one request together; ParseYaml subtracts from it.
struct YamlBudget {
  int64_t nodes = 5 * kYamlMaxNodes;
  int64_t bytes = 4 * kYamlMaxBytes;
};

// Parses one document. Duplicate keys, tags, several documents, control characters and anything beyond the
// limits are errors; `file` names the text in them. `budget` may be nullptr.
std::optional<YamlNode> ParseYaml(const std::string& file, const std::string& text, Diagnostics& diagnostics,
                                  YamlBudget* budget = nullptr);

// Merges `over` into `base`: maps merge key by key, everything else is replaced.
void MergeYaml(YamlNode& base, const YamlNode& over);

// "a list", "the text "x"", … for error messages.
std::string DescribeYaml(const YamlNode& node);
Message YamlMessage(const YamlNode& node);  // the same as a message

}  // namespace quantlab

#endif  // QUANTLAB_YAML_YAML_TREE_H_
