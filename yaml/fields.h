// Typed reading of a map's keys: each value checked where it is read, unknown keys found at the end.
//
//   Fields training(node, "training", diagnostics);
//   training.Int("epochs", 1, 1000, &config.epochs);
//   training.Done();  // reports every key that was not read
#ifndef QUANTLAB_YAML_FIELDS_H_
#define QUANTLAB_YAML_FIELDS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/config/method_spec.h"
#include "yaml/yaml_tree.h"

namespace quantlab {

std::optional<bool> AsBool(const YamlNode& node);
std::optional<int64_t> AsInt(const YamlNode& node);
std::optional<double> AsDouble(const YamlNode& node);  // finite

// Borrows the node and the diagnostics. Where a key is missing or its value is wrong, the target keeps its
// value, which is the default.
class Fields {
 public:
  // `node` may be nullptr: then every key is missing. `path` is for messages: "evaluation.latency".
  Fields(const YamlNode* node, std::string path, Diagnostics& diagnostics);

  // The value of a key, marked as known; nullptr when it is missing or empty.
  const YamlNode* Take(const std::string& key);

  bool Has(absl::string_view key) const { return node_ != nullptr && node_->Find(key) != nullptr; }

  void Bool(const std::string& key, bool* out);
  void Int(const std::string& key, int64_t min, int64_t max, int64_t* out);
  void Int(const std::string& key, int64_t min, int64_t max, int* out);
  void Seed(const std::string& key, uint64_t* out);
  void Double(const std::string& key, double min, double max, double* out);
  void Text(const std::string& key, std::string* out);
  // "90m"; `allowed` is for the message.
  void Duration(const std::string& key, absl::Duration min, absl::Duration max, const Message& allowed,
                absl::Duration* out);
  void OneOf(const std::string& key, const std::vector<std::string>& allowed, std::string* out);
  // A list of words; one word is read as a list of one.
  void Words(const std::string& key, std::vector<std::string>* out);
  // A map of words, as "key: value" for each.
  void Pairs(const std::string& key, std::vector<std::string>* out);
  void Ints(const std::string& key, int64_t min, int64_t max, std::vector<int>* out);

  // Reports unknown keys as errors, with the known ones and the nearest of them.
  void Done();

  // The place of this map; the whole file where there is none.
  const Location& at() const { return at_; }
  const std::string& path() const { return path_; }

 private:
  void Wrong(const YamlNode& value, const std::string& key, const Message& allowed);
  std::string PathOf(const std::string& key) const;

  const YamlNode* node_;
  const std::string path_;
  Diagnostics& diagnostics_;
  Location at_;
  std::vector<std::string> known_;
};

}  // namespace quantlab

#endif  // QUANTLAB_YAML_FIELDS_H_
