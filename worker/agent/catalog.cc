#include "worker/agent/catalog.h"

#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "worker/agent/file_tools.h"

namespace quantlab::agent {
namespace {

// Says where in the file something is wrong. Used inside this file only, and caught in ReadCatalog:
// yaml-cpp itself reports by exceptions.
struct CatalogError {
  int line;
  std::string what;
};

[[noreturn]] void Fail(const YAML::Node& at, const std::string& what) {
  throw CatalogError{at.IsDefined() ? at.Mark().line + 1 : 0, what};
}

std::string Text(const YAML::Node& map, const char* key) {
  const YAML::Node value = map[key];
  if (!value.IsDefined() || !value.IsScalar()) Fail(map, absl::StrCat("'", key, "' is missing or no text"));
  return value.Scalar();
}

std::string Digest(const YAML::Node& map) {
  std::string digest = Text(map, "sha256");
  if (!IsSha256Hex(digest)) Fail(map["sha256"], "'sha256' must be 64 lower-case hex digits");
  return digest;
}

AssetFile ReadFileEntry(const YAML::Node& node) {
  if (!node.IsMap()) Fail(node, "an entry of 'files' has path, sha256 and size");
  AssetFile file;
  file.path = Text(node, "path");
  if (!IsSafeRelativePath(file.path)) Fail(node["path"], "'path' must stay below its folder");
  file.sha256 = Digest(node);
  try {
    file.size = node["size"].as<int64_t>();
  } catch (const YAML::Exception&) {
    Fail(node, "'size' must be a number of bytes");
  }
  if (file.size < 0) Fail(node["size"], "'size' must be a number of bytes");
  return file;
}

CatalogSource ReadWheel(const YAML::Node& wheel) {
  if (!wheel.IsMap()) Fail(wheel, "'wheel' has package, version, sha256, prefix and files");
  CatalogSource source;
  source.package = Text(wheel, "package");
  source.version = Text(wheel, "version");
  source.wheel_sha256 = Digest(wheel);
  source.prefix = Text(wheel, "prefix");
  const YAML::Node files = wheel["files"];
  if (!files.IsDefined() || !files.IsSequence() || files.size() == 0) Fail(wheel, "'files' must list files");
  for (const YAML::Node& file : files) source.files.push_back(ReadFileEntry(file));
  return source;
}

std::map<std::string, CatalogSource> ReadEntries(const std::string& text) {
  const YAML::Node root = YAML::Load(text);
  if (!root.IsMap() || !root["entries"].IsDefined() || !root["entries"].IsMap()) {
    throw CatalogError{1, "a catalogue has a map 'entries'"};
  }
  std::map<std::string, CatalogSource> result;
  for (const auto& entry : root["entries"]) {
    if (!entry.first.IsScalar() || !entry.second.IsMap()) Fail(entry.first, "an entry is a name with a map");
    if (entry.second["wheel"].IsDefined()) result[entry.first.Scalar()] = ReadWheel(entry.second["wheel"]);
  }
  return result;
}

}  // namespace

absl::StatusOr<std::map<std::string, CatalogSource>> ReadCatalog(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 4 << 20));
  try {
    return ReadEntries(text);
  } catch (const CatalogError& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", error.line, ": ", error.what));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", error.mark.line + 1, ": ", error.msg));
  }
}

}  // namespace quantlab::agent
