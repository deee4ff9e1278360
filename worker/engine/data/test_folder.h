// A folder with files for one test; it goes away with the object.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_TEST_FOLDER_H_
#define QUANTLAB_WORKER_ENGINE_DATA_TEST_FOLDER_H_

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

namespace quantlab::engine {

class TestFolder {
 public:
  TestFolder() {
    path_ = testing::TempDir() + "/dataset_" + std::to_string(::getpid()) + "_" + std::to_string(++count_);
    std::filesystem::create_directories(path_);
  }
  TestFolder(std::initializer_list<std::pair<std::string, std::string>> files) : TestFolder() {
    for (const auto& [name, content] : files) Write(name, content);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  void Write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
  }
  const std::string& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::string path_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_TEST_FOLDER_H_
