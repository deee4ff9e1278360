// A folder of a test's own, removed with it.
#ifndef QUANTLAB_WORKER_AGENT_TESTING_TEMP_FOLDER_H_
#define QUANTLAB_WORKER_AGENT_TESTING_TEMP_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace quantlab::agent {

class TempFolder {
 public:
  TempFolder() : path_(::testing::TempDir() + "/agent_XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
  }
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_TESTING_TEMP_FOLDER_H_
