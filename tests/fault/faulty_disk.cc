// Put before libc by LD_PRELOAD: writes, synchronizations and the wall clock of a program fail as a trial
// says.
//
// The trial writes the fields of Control into the file that QUANTLAB_FAULTS names, at any time. Files are
// those whose path begins with QUANTLAB_FAULTS_BELOW; of them, for kinds other than kDiskFull, only the
// database.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

// tests/fault/service_trials.py writes it: "<iiq".
struct Control {
  volatile int32_t fault;         // a Fault
  volatile int32_t percent;       // of the calls that fail
  volatile int64_t clock_offset;  // ns, added to the wall clock
};

enum Fault : int32_t { kNone, kDiskFull, kWriteFails, kWrittenButFails, kSyncFails };

const Control* Open() {
  static const Control none = {kNone, 0, 0};
  const char* path = std::getenv("QUANTLAB_FAULTS");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return &none;
  void* memory = mmap(nullptr, sizeof(Control), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? &none : static_cast<const Control*>(memory);
}

const Control& Now() {
  static const Control* const control = Open();
  return *control;
}

template <typename Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool Concerns(int fd, Fault fault) {
  static const char* const below = std::getenv("QUANTLAB_FAULTS_BELOW");
  if (below == nullptr) return false;
  char link[64] = "/proc/self/fd/", path[4096];
  char* end = link + std::strlen(link);
  char digits[16];
  int count = 0;
  for (unsigned rest = static_cast<unsigned>(fd); count == 0 || rest > 0; rest /= 10)
    digits[count++] = static_cast<char>('0' + rest % 10);
  while (count > 0) *end++ = digits[--count];
  *end = '\0';
  const ssize_t length = readlink(link, path, sizeof(path) - 1);
  if (length < 0) return false;
  path[length] = '\0';
  if (std::strncmp(path, below, std::strlen(below)) != 0) return false;
  return fault == kDiskFull || std::strstr(path, "/quantlab.db") != nullptr;
}

// The fault of this call; kNone for most.
Fault FaultOf(int fd, bool sync) {
  const auto fault = static_cast<Fault>(Now().fault);
  if (fault == kNone || fd < 0 || sync != (fault == kSyncFails) || !Concerns(fd, fault)) return kNone;
  static thread_local unsigned random = static_cast<unsigned>(getpid()) * 2654435761u;
  return rand_r(&random) % 100 < Now().percent ? fault : kNone;
}

template <typename Call>
ssize_t Write(int fd, Call&& call) {
  switch (FaultOf(fd, /*sync=*/false)) {
    case kDiskFull:
      errno = ENOSPC;
      return -1;
    case kWriteFails:
      errno = EIO;
      return -1;
    case kWrittenButFails:
      (void)!call();
      errno = EIO;
      return -1;
    default:
      return call();
  }
}

int Sync(int fd, int (*real)(int)) {
  if (FaultOf(fd, /*sync=*/true) == kNone) return real(fd);
  real(fd);
  errno = EIO;
  return -1;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = Real<ssize_t (*)(int, const void*, size_t)>("write");
  return Write(fd, [=] { return real(fd, data, size); });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  static const auto real = Real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return Write(fd, [=] { return real(fd, data, size, offset); });
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static const auto real = Real<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return Write(fd, [=] { return real(fd, data, size, offset); });
}

int fsync(int fd) {
  static const auto real = Real<int (*)(int)>("fsync");
  return Sync(fd, real);
}

int fdatasync(int fd) {
  static const auto real = Real<int (*)(int)>("fdatasync");
  return Sync(fd, real);
}

int clock_gettime(clockid_t clock, timespec* time) {
  static const auto real = Real<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, time);
  const int64_t offset = clock == CLOCK_REALTIME ? Now().clock_offset : 0;
  if (result != 0 || offset == 0) return result;
  const int64_t nanos = static_cast<int64_t>(time->tv_sec) * 1'000'000'000 + time->tv_nsec + offset;
  time->tv_sec = nanos / 1'000'000'000;
  time->tv_nsec = nanos % 1'000'000'000;
  return result;
}

}  // extern "C"
