// A folder of one test's own, removed with everything in it. No two are the same, so that the same test may
// run in several processes at a time.
#ifndef QUANTLAB_BASE_TESTING_TEMP_FOLDER_H_
#define QUANTLAB_BASE_TESTING_TEMP_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quantlab {

class TempFolder {
 public:
  // The name is short: a Unix socket's address has room for 107 bytes.
  TempFolder() : path_(::testing::TempDir() + "quantlab-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no temporary folder " << path_;
  }
  // With these files, each a name and its content.
  explicit TempFolder(const std::vector<std::pair<std::string, std::string>>& files) : TempFolder() {
    for (const auto& [name, content] : files) Write(name, content);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Writes a file, with the folders above it, and gives its path.
  std::string Write(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file.string();
  }

 private:
  std::string path_;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TESTING_TEMP_FOLDER_H_
