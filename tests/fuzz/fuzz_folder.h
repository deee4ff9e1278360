// A folder of this process for parsers that read files; in memory where the system has such a place.
#ifndef QUANTLAB_TESTS_FUZZ_FUZZ_FOLDER_H_
#define QUANTLAB_TESTS_FUZZ_FUZZ_FOLDER_H_

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

#include "absl/status/status.h"

namespace quantlab::fuzz {

class Folder {
 public:
  Folder() {
    const char* const root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    path_ = std::string(root) + "/quantlab_fuzz_" + std::to_string(getpid());
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string Write(const std::string& name, std::string_view content) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// What does not hold is a finding.
inline void Require(bool condition) {
  if (!condition) std::abort();
}

// An error says something, and not more than a reader can take.
inline void CheckError(const absl::Status& status) {
  Require(!status.message().empty());
  Require(status.message().size() < 64 * 1024);
}

}  // namespace quantlab::fuzz

#endif  // QUANTLAB_TESTS_FUZZ_FUZZ_FOLDER_H_
