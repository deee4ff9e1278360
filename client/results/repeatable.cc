#include "client/results/repeatable.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr char kMain[] = "experiment.yaml";

// The name in the file itself; empty if it has none, or cannot be parsed.
std::string NameIn(const std::string& yaml) {
  try {
    const YAML::Node name = YAML::Load(yaml)["name"];
    return name.IsDefined() && name.IsScalar() ? name.Scalar() : "";
  } catch (const YAML::Exception&) {
    return "";
  }
}

// Quoted so that both YAML and JSON can read it.
std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The number of leading ".." in `path`.
int Ups(const fs::path& path) {
  return static_cast<int>(std::count(path.begin(), path.end(), ".."));
}

// The path of each file relative to the folder of the main one: "exp.yaml", "../base.yaml".
std::vector<fs::path> FromMain(const v1::Experiment& experiment) {
  const fs::path folder = fs::path(experiment.files(0).name()).lexically_normal().parent_path();
  std::vector<fs::path> paths;
  for (const v1::SourceFile& file : experiment.files()) {
    const fs::path path = fs::path(file.name()).lexically_normal();
    const fs::path relative = folder.empty() ? path : path.lexically_relative(folder);
    // An include with an absolute path is only found at that path.
    paths.push_back(relative.empty() || relative.is_absolute() ? path.filename() : relative);
  }
  return paths;
}

}  // namespace

std::vector<TextFile> RepeatableFiles(const v1::Experiment& experiment) {
  std::vector<TextFile> files;
  if (experiment.files().empty()) return files;
  const std::string& submitted = experiment.files(0).content();
  if (experiment.files_size() == 1 && NameIn(submitted) == experiment.name()) return {{kMain, submitted}};
  const std::vector<fs::path> paths = FromMain(experiment);
  int ups = 0;
  for (const fs::path& path : paths) ups = std::max(ups, Ups(path));
  // Deep enough that no file is outside source/.
  fs::path folder = "source";
  for (int i = 0; i < ups; ++i) folder /= "folder";
  const std::string main = (folder / paths[0]).lexically_normal().generic_string();
  files.push_back({kMain, absl::StrCat("# Runs this experiment again: quantctl run ", kMain, "\nname: ",
                                       Quoted(experiment.name()), "\ninclude: [", Quoted(main), "]\n")});
  for (size_t i = 0; i < paths.size(); ++i) {
    files.push_back({(folder / paths[i]).lexically_normal().generic_string(),
                     experiment.files(static_cast<int>(i)).content()});
  }
  return files;
}

}  // namespace quantlab::client
