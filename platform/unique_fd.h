// Owns one file descriptor and closes it.
#ifndef QUANTLAB_PLATFORM_UNIQUE_FD_H_
#define QUANTLAB_PLATFORM_UNIQUE_FD_H_

#include <unistd.h>
#include <utility>

namespace quantlab {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = other.Release();
    }
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ >= 0) close(Release());
  }
  // For files whose last error matters: the result of close().
  int Close() { return close(Release()); }

 private:
  int fd_ = -1;
};

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_UNIQUE_FD_H_
