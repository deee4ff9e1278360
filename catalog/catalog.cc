#include "catalog/catalog.h"

#include <algorithm>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/config/task.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "platform/paths.h"
#include "yaml/fields.h"

namespace quantlab {
namespace {

constexpr int64_t kMaxCatalogBytes = 1 << 20;
// Larger files are refused: a typing error in a size must not fill a worker's disk.
constexpr int64_t kMaxFileBytes = int64_t{1} << 40;

AssetFile ReadFileEntry(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  AssetFile file;
  file.size = -1;
  Fields fields(&node, path, diagnostics);
  fields.Text("path", &file.path);
  fields.Text("sha256", &file.sha256);
  fields.Int("size", 0, kMaxFileBytes, &file.size);
  fields.Done();
  const std::string problem = RelativePathProblem(file.path);
  if (!problem.empty())
    diagnostics.Error(node.at, messages::kCatalogPathRefused(path + ".path", TextMessage(problem)));
  if (!IsSha256Hex(file.sha256)) {
    diagnostics.Error(node.at, messages::kCatalogDigestWrong(path + ".sha256"));
  }
  if (file.size < 0) diagnostics.Error(node.at, messages::kCatalogKeyMissing(path + ".size"));
  return file;
}

CatalogSource ReadWheel(const YamlNode& node, const std::string& path, Diagnostics& diagnostics) {
  CatalogSource source;
  Fields fields(&node, path, diagnostics);
  fields.Text("package", &source.package);
  fields.Text("version", &source.version);
  fields.Text("sha256", &source.wheel_sha256);
  fields.Text("prefix", &source.prefix);
  const YamlNode* files = fields.Take("files");
  fields.Done();
  if (source.package.empty() || source.version.empty()) {
    diagnostics.Error(node.at, messages::kCatalogPackageMissing(path));
  }
  // Both are used on a command line and in a URL.
  for (const std::string& word : {source.package, source.version}) {
    const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' ||
             c == '+';
    });
    if (!plain || (!word.empty() && word[0] == '-')) {
      diagnostics.Error(node.at, messages::kCatalogPackageWrong(path, word));
    }
  }
  if (!IsSha256Hex(source.wheel_sha256)) {
    diagnostics.Error(node.at, messages::kCatalogDigestWrong(path + ".sha256"));
  }
  if (files == nullptr || files->kind != YamlNode::Kind::kList || files->items.empty()) {
    diagnostics.Error(node.at, messages::kCatalogNoFiles(path + ".files"));
    return source;
  }
  for (const YamlNode& item : files->items) {
    source.files.push_back(ReadFileEntry(item, path + ".files", diagnostics));
  }
  return source;
}

void ReadRows(Fields& fields, DatasetFormat* rows) {
  fields.OneOf("format", DatasetFormatNames(), &rows->format);
  fields.Text("encoding", &rows->encoding);
  fields.Text("text_column", &rows->text_column);
  fields.Text("text_pair_column", &rows->text_pair_column);
  fields.Text("label_column", &rows->label_column);
  fields.OneOf("task", TaskNames(), &rows->task);
  fields.Text("filter_column", &rows->filter_column);
  fields.Text("filter_value", &rows->filter_value);
  fields.Words("labels", &rows->labels);
}

CatalogEntry ReadEntry(const YamlEntry& yaml, Diagnostics& diagnostics) {
  CatalogEntry entry;
  entry.name = yaml.key;
  Fields fields(&yaml.value, yaml.key, diagnostics);
  std::string role;
  fields.OneOf("role", {"model", "dataset"}, &role);
  entry.role = role == "dataset" ? AssetRole::kDataset : AssetRole::kModel;
  fields.Words("aliases", &entry.aliases);
  fields.Text("description", &entry.description);
  fields.Text("license", &entry.license);
  fields.Text("path", &entry.path);
  fields.Text("remedy", &entry.remedy);
  if (const YamlNode* wheel = fields.Take("wheel")) {
    entry.wheel = ReadWheel(*wheel, yaml.key + ".wheel", diagnostics);
  }
  if (entry.role == AssetRole::kDataset) ReadRows(fields, &entry.rows);
  fields.Done();
  if (role.empty()) diagnostics.Error(yaml.at, messages::kCatalogRoleMissing(yaml.key));
  if (entry.wheel.has_value() == !entry.path.empty()) {
    diagnostics.Error(yaml.at, messages::kCatalogOneSource(yaml.key));
  }
  return entry;
}

void CheckNames(const std::vector<CatalogEntry>& entries, const std::string& file, Diagnostics& diagnostics) {
  std::set<std::string> seen;
  for (const CatalogEntry& entry : entries) {
    std::vector<std::string> names = entry.aliases;
    names.push_back(entry.name);
    for (const std::string& name : names) {
      if (!seen.insert(name).second) diagnostics.Error({file, 0, 0}, messages::kCatalogNameTwice(name));
    }
  }
}

}  // namespace

const char* AssetRoleName(AssetRole role) {
  return role == AssetRole::kModel ? "model" : "dataset";
}

absl::StatusOr<Catalog> Catalog::Parse(const std::string& file, const std::string& text) {
  Diagnostics diagnostics;
  Catalog catalog;
  if (const auto root = ParseYaml(file, text, diagnostics)) {
    Fields fields(&*root, "", diagnostics);
    int version = 0;
    fields.Int("version", 1, 1, &version);
    const YamlNode* entries = fields.Take("entries");
    fields.Done();
    if (version == 0) diagnostics.Error({file, 0, 0}, messages::kCatalogNoVersion());
    if (entries != nullptr && entries->kind == YamlNode::Kind::kMap) {
      for (const YamlEntry& entry : entries->entries) {
        catalog.entries_.push_back(ReadEntry(entry, diagnostics));
      }
    } else {
      diagnostics.Error(entries == nullptr ? Location{file, 0, 0} : entries->at,
                        messages::kCatalogNoEntries());
    }
    CheckNames(catalog.entries_, file, diagnostics);
  }
  if (!diagnostics.has_errors()) return catalog;
  std::vector<Message> problems;
  for (const Diagnostic& diagnostic : diagnostics.all()) {
    if (diagnostic.error) problems.push_back(PlacedMessage(diagnostic));
  }
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kCatalogProblems(problems));
}

absl::StatusOr<Catalog> Catalog::Load(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxCatalogBytes));
  return Parse(path, text);
}

const CatalogEntry* Catalog::Find(const std::string& name, AssetRole role) const {
  for (const CatalogEntry& entry : entries_) {
    if (entry.role != role) continue;
    if (entry.name == name) return &entry;
    if (std::find(entry.aliases.begin(), entry.aliases.end(), name) != entry.aliases.end()) return &entry;
  }
  return nullptr;
}

std::vector<std::string> Catalog::Names(AssetRole role) const {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : entries_) {
    if (entry.role == role) names.push_back(entry.name);
  }
  return names;
}

std::string AssetDigest(const std::vector<AssetFile>& files) {
  std::vector<std::string> lines;
  for (const AssetFile& file : files) lines.push_back(absl::StrCat(file.sha256, "  ", file.path, "\n"));
  std::sort(lines.begin(), lines.end());
  return Sha256Hex(absl::StrJoin(lines, ""));
}

absl::StatusOr<std::string> AssetsFolder(const std::string& given, const VariableLookup& environment) {
  if (!given.empty()) return given;
  if (std::string folder = environment("QUANTLAB_ASSETS"); !folder.empty()) return folder;
  QL_ASSIGN_OR_RETURN(const std::string cache, XdgFolder(environment, "XDG_CACHE_HOME", ".cache"));
  return cache + "/quantlab/assets";
}

}  // namespace quantlab
