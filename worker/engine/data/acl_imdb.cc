// The Large Movie Review Dataset as Stanford publishes it: {train,test}/{neg,pos}/*.txt, one review a file.
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/status_macros.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"

namespace quantlab::engine {
namespace {

class AclImdbFormat : public DatasetFormat {
 public:
  std::string_view name() const override { return "acl_imdb"; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path, bool /*chosen*/) const override {
    for (const std::string& root : {path, path + "/aclImdb"}) {
      std::vector<DataFile> folders = FindIn(root);
      if (!folders.empty()) return folders;
    }
    return std::vector<DataFile>();
  }

  std::vector<std::string> TextFiles(const DataFile& folder) const override {
    std::vector<std::string> paths;
    for (const std::string& name : SortedNames(folder.path)) {
      if (absl::EndsWith(name, ".txt")) paths.push_back(absl::StrCat(folder.path, "/", name));
    }
    return paths;
  }

  absl::Status Read(const DataFile& folder, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    if (!config.filter_column.empty()) {
      return FileError(folder.path, 0, messages::kNoColumnsToFilter(config.filter_column));
    }
    if (!config.text_pair_column.empty()) {
      return FileError(folder.path, 0, messages::kNoColumnsForPairs(config.text_pair_column));
    }
    const std::vector<std::string> paths = TextFiles(folder);
    for (const std::string& path : paths) {
      QL_ASSIGN_OR_RETURN(const std::string text,
                          ReadTextFile(path, limits.max_field_bytes, config.encoding, sink));
      QL_RETURN_IF_ERROR(sink.row({text, folder.label, "", path, 0, {}}));
    }
    if (!paths.empty()) return absl::OkStatus();
    return FileError(folder.path, 0, messages::kNoTextFiles());
  }

 private:
  static std::vector<DataFile> FindIn(const std::string& root) {
    std::vector<DataFile> folders;
    for (const auto& [name, part] : {std::pair("train", Part::kTrain), std::pair("test", Part::kTest)}) {
      for (const char* label : {"neg", "pos"}) {
        const std::string folder = absl::StrCat(root, "/", name, "/", label);
        std::error_code error;
        if (std::filesystem::is_directory(folder, error)) folders.push_back({folder, part, label});
      }
    }
    // Without train/pos it is another format.
    for (const DataFile& folder : folders) {
      if (folder.part == Part::kTrain && folder.label == "pos") return folders;
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<DatasetFormat> MakeAclImdbFormat() {
  return std::make_unique<AclImdbFormat>();
}

}  // namespace quantlab::engine
