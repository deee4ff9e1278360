#include "yaml/yaml_tree.h"

#include <map>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/text/escape.h"

namespace quantlab {
namespace {

// Thrown out of the parser; never leaves this file.
struct Stop {
  Location at;
  Message message;
};

// The memory of a tree.
struct Cost {
  int64_t nodes = 0;
  int64_t bytes = 0;
};

void AddCost(const YamlNode& node, Cost& cost) {
  ++cost.nodes;
  cost.bytes += static_cast<int64_t>(node.text.size());
  for (const YamlNode& item : node.items) AddCost(item, cost);
  for (const YamlEntry& entry : node.entries) {
    cost.bytes += static_cast<int64_t>(entry.key.size());
    AddCost(entry.value, cost);
  }
}

int Depth(const YamlNode& node) {
  int deepest = 0;
  for (const YamlNode& item : node.items) deepest = std::max(deepest, Depth(item));
  for (const YamlEntry& entry : node.entries) deepest = std::max(deepest, Depth(entry.value));
  return deepest + 1;
}

// Builds the tree from yaml-cpp's events.
class Builder : public YAML::EventHandler {
 public:
  Builder(const std::string& file, Diagnostics& diagnostics, YamlBudget& budget)
      : file_(file), diagnostics_(diagnostics), budget_(budget) {}

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(MakeNode(YamlNode::Kind::kNull, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw Stop{At(mark), messages::kAliasInsideItself()};
    const YamlNode& target = it->second;
    if (static_cast<int>(open_.size()) + Depth(target) > kYamlMaxDepth) throw TooDeep(mark);
    Cost cost;
    AddCost(target, cost);
    CountOrStop(cost, mark);
    Place(target);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark, static_cast<int64_t>(value.size()));
    node.quoted = tag == "!";
    node.text = value;
    if (!node.quoted && (value == "~" || value == "null" || value.empty())) {
      node.kind = YamlNode::Kind::kNull;
    }
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::optional<YamlEntry> key;      // a map's key whose value has not been read
    std::map<std::string, int> lines;  // of a map's keys
  };

  Location At(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  Stop TooDeep(const YAML::Mark& mark) const { return {At(mark), messages::kNestedTooDeep(kYamlMaxDepth)}; }

  void CountOrStop(const Cost& cost, const YAML::Mark& mark) {
    cost_.nodes += cost.nodes;
    cost_.bytes += cost.bytes;
    budget_.nodes -= cost.nodes;
    budget_.bytes -= cost.bytes;
    if (cost_.nodes > kYamlMaxNodes) throw Stop{At(mark), messages::kTooManyValues(kYamlMaxNodes)};
    if (cost_.bytes > kYamlMaxBytes) throw Stop{At(mark), messages::kTooMuchText(kYamlMaxBytes)};
    if (budget_.nodes < 0 || budget_.bytes < 0) throw Stop{At(mark), messages::kTooManyValuesInAll()};
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Stop{At(mark), messages::kTagUnsupported(tag)};
  }

  YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark, int64_t bytes = 0) {
    CountOrStop({1, bytes}, mark);
    YamlNode node;
    node.kind = kind;
    node.at = At(mark);
    return node;
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    CheckTag(mark, tag);
    if (open_.size() >= kYamlMaxDepth) throw TooDeep(mark);
    open_.push_back({MakeNode(kind, mark), anchor, std::nullopt, {}});
  }

  void Close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    Add(std::move(frame.node), frame.anchor);
  }

  void Add(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    Place(std::move(node));
  }

  void Place(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = open_.back();
    if (frame.node.kind == YamlNode::Kind::kList) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key) {
      PlaceKey(frame, std::move(node));
    } else {
      frame.key->value = std::move(node);
      if (!IsDuplicate(frame)) frame.node.entries.push_back(std::move(*frame.key));
      frame.key.reset();
    }
  }

  void PlaceKey(Frame& frame, YamlNode node) {
    if (node.kind != YamlNode::Kind::kScalar) {
      throw Stop{node.at, messages::kKeyNotWord(YamlMessage(node))};
    }
    frame.key = YamlEntry{std::move(node.text), node.at, {}};
  }

  bool IsDuplicate(Frame& frame) {
    const auto [first, added] = frame.lines.emplace(frame.key->key, frame.key->at.line);
    if (added) return false;
    diagnostics_.Error(frame.key->at, messages::kKeyTwice(frame.key->key, first->second));
    return true;
  }

  const std::string file_;
  Diagnostics& diagnostics_;
  YamlNode root_;
  std::vector<Frame> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  YamlBudget& budget_;
  Cost cost_;
};

// yaml-cpp takes some control characters for ends of the text, so they are refused before it sees them.
bool HasOnlyText(const std::string& file, const std::string& text, Diagnostics& diagnostics) {
  int line = 1, column = 1;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f) {
      diagnostics.Error({file, line, column}, messages::kControlCharacter(byte));
      return false;
    }
    column = c == '\n' ? 1 : column + 1;
    if (c == '\n') ++line;
  }
  return true;
}

}  // namespace

const YamlNode* YamlNode::Find(absl::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::optional<YamlNode> ParseYaml(const std::string& file, const std::string& text, Diagnostics& diagnostics,
                                  YamlBudget* budget) {
  YamlBudget own;
  if (budget == nullptr) budget = &own;
  if (!HasOnlyText(file, text, diagnostics)) return std::nullopt;
  // The one border at which yaml-cpp's exceptions stop.
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Builder builder(file, diagnostics, *budget);
    if (!parser.HandleNextDocument(builder)) {
      diagnostics.Error({file, 0, 0}, messages::kFileEmpty());
      return std::nullopt;
    }
    YamlNode root = builder.TakeRoot();
    Builder second(file, diagnostics, *budget);
    if (parser.HandleNextDocument(second)) {
      diagnostics.Error(second.TakeRoot().at, messages::kSecondDocument());
      return std::nullopt;
    }
    return root;
  } catch (const YAML::Exception& e) {
    diagnostics.Error({file, e.mark.line + 1, e.mark.column + 1}, messages::kNotYaml(e.msg));
  } catch (const Stop& stop) {
    diagnostics.Error(stop.at, stop.message);
  }
  return std::nullopt;
}

void MergeYaml(YamlNode& base, const YamlNode& over) {
  if (base.kind != YamlNode::Kind::kMap || over.kind != YamlNode::Kind::kMap) {
    base = over;
    return;
  }
  std::map<absl::string_view, size_t> places;
  for (size_t i = 0; i < base.entries.size(); ++i) places.emplace(base.entries[i].key, i);
  std::vector<const YamlEntry*> added;
  for (const YamlEntry& entry : over.entries) {
    const auto place = places.find(entry.key);
    if (place == places.end()) {
      added.push_back(&entry);
      continue;
    }
    MergeYaml(base.entries[place->second].value, entry.value);
    base.entries[place->second].at = entry.at;
  }
  for (const YamlEntry* entry : added) base.entries.push_back(*entry);
}

std::string DescribeYaml(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map of keys and values";
    case YamlNode::Kind::kScalar:
      break;
  }
  const std::string shown = Shorten(node.text, 60);
  return node.quoted ? absl::StrCat("\"", shown, "\"") : shown;
}

Message YamlMessage(const YamlNode& node) {
  const std::string text = DescribeYaml(node);
  return node.kind == YamlNode::Kind::kScalar ? messages::kWord(text) : messages::kTerm(text);
}

}  // namespace quantlab
