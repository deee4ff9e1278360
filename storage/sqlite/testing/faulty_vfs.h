// A file layer beneath SQLite whose writes and synchronizations fail on demand: for tests of storage.
//
// Synchronizations are not passed on, which makes tests fast: nothing here cuts the power.
//
// Registered as SQLite's standard one during its lifetime; connections must be opened and closed within it.
#ifndef QUANTLAB_STORAGE_SQLITE_TESTING_FAULTY_VFS_H_
#define QUANTLAB_STORAGE_SQLITE_TESTING_FAULTY_VFS_H_

#include <functional>
#include <sqlite3.h>

namespace quantlab {

enum class DiskFault {
  kNone,
  kDiskFull,          // nothing is written
  kFailed,            // nothing is written, for another reason
  kWrittenButFailed,  // all is written, and the caller sees a failure
};

enum class DiskOperation { kWrite, kSync };

// Threads: safe, if `decide` is.
class FaultyVfs {
 public:
  // Called before each write and synchronization of a file that SQLite opens meanwhile.
  using Decide = std::function<DiskFault(DiskOperation)>;

  explicit FaultyVfs(Decide decide);
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

 private:
  sqlite3_vfs* const real_;
  const Decide decide_;
  sqlite3_vfs vfs_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQLITE_TESTING_FAULTY_VFS_H_
