#include "yaml/include_reader.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/messages/messages.h"

namespace quantlab {
namespace {

constexpr int kMaxIncludeDepth = 8;
// Files may be included more than once; this bounds what a chain of such files costs.
constexpr int kMaxIncludes = 256;

// Merges `over` into `base`. seed and seeds are one setting, so either replaces the other.
void LayOver(YamlNode& base, const YamlNode& over) {
  for (const auto& [key, other] : {std::pair{"seed", "seeds"}, std::pair{"seeds", "seed"}}) {
    if (over.Find(key) == nullptr || over.Find(other) != nullptr) continue;
    base.entries.erase(std::remove_if(base.entries.begin(), base.entries.end(),
                                      [other = other](const YamlEntry& entry) { return entry.key == other; }),
                       base.entries.end());
  }
  MergeYaml(base, over);
}

class IncludeReader {
 public:
  IncludeReader(const std::vector<SourceFile>& files, Diagnostics& diagnostics)
      : files_(files), diagnostics_(diagnostics) {}

  std::optional<YamlNode> Read() { return ReadOne(files_[0], 0); }

 private:
  std::optional<YamlNode> ReadOne(const SourceFile& file, int depth) {
    std::optional<YamlNode> own = ParseYaml(file.name, file.content, diagnostics_, &budget_);
    if (!own) return std::nullopt;
    if (own->kind != YamlNode::Kind::kMap) {
      diagnostics_.Error(own->at, messages::kFileMustBeMap(YamlMessage(*own)));
      return std::nullopt;
    }
    YamlNode merged = *own;
    merged.entries.clear();
    const YamlNode* include = own->Find("include");
    if (include != nullptr && !Include(*include, file.name, depth, merged)) return std::nullopt;
    LayOver(merged, *own);
    return merged;
  }

  bool Include(const YamlNode& include, const std::string& includer, int depth, YamlNode& merged) {
    const bool is_list = include.kind == YamlNode::Kind::kList;
    const std::vector<YamlNode> one = {include};
    bool ok = true;
    for (const YamlNode& item : is_list ? include.items : one) {
      if (item.kind != YamlNode::Kind::kScalar || item.text.empty()) {
        diagnostics_.Error(item.at,
                           messages::kWrongValue("include", YamlMessage(item), messages::kListOfFiles()));
        ok = false;
        continue;
      }
      ok = IncludeOne(item, includer, depth, merged) && ok;
    }
    return ok;
  }

  bool IncludeOne(const YamlNode& item, const std::string& includer, int depth, YamlNode& merged) {
    const std::string wanted = ResolveInclude(includer, item.text);
    if (depth + 1 > kMaxIncludeDepth) {
      diagnostics_.Error(item.at, messages::kIncludesTooDeep(kMaxIncludeDepth));
      return false;
    }
    if (++included_ > kMaxIncludes) {
      if (included_ == kMaxIncludes + 1) {
        diagnostics_.Error(item.at, messages::kTooManyIncludes(kMaxIncludes));
      }
      return false;
    }
    for (const SourceFile& file : files_) {
      const std::string name = std::filesystem::path(file.name).lexically_normal().string();
      if (name != wanted && file.name != item.text) continue;
      const auto included = ReadOne(file, depth + 1);
      if (!included) return false;
      LayOver(merged, *included);
      return true;
    }
    diagnostics_.Error(item.at, messages::kIncludeNotSent(wanted));
    return false;
  }

  const std::vector<SourceFile>& files_;
  Diagnostics& diagnostics_;
  YamlBudget budget_;
  int included_ = 0;
};

}  // namespace

std::optional<YamlNode> ReadWithIncludes(const std::vector<SourceFile>& files, Diagnostics& diagnostics) {
  return IncludeReader(files, diagnostics).Read();
}

std::string ResolveInclude(const std::string& includer, const std::string& included) {
  const std::filesystem::path folder = std::filesystem::path(includer).parent_path();
  return (folder / included).lexically_normal().string();
}

}  // namespace quantlab
