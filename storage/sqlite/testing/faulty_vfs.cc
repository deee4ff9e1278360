#include "storage/sqlite/testing/faulty_vfs.h"

#include <utility>

namespace quantlab {
namespace {

// What stands before the file of the real layer, in the memory that SQLite gives for one file.
struct FaultyFile {
  sqlite3_file base;
  const FaultyVfs::Decide* decide;
};

sqlite3_file* Real(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<FaultyFile*>(file) + 1);
}

template <typename Operation>
int Perform(sqlite3_file* file, DiskOperation kind, int failure, Operation&& operation) {
  switch ((*reinterpret_cast<FaultyFile*>(file)->decide)(kind)) {
    case DiskFault::kNone:
      return operation(Real(file));
    case DiskFault::kDiskFull:
      return SQLITE_FULL;
    case DiskFault::kFailed:
      return failure;
    case DiskFault::kWrittenButFailed:
      operation(Real(file));
      return failure;
  }
  return failure;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  return Perform(file, DiskOperation::kWrite, SQLITE_IOERR_WRITE,
                 [&](sqlite3_file* real) { return real->pMethods->xWrite(real, data, size, offset); });
}

int Sync(sqlite3_file* file, int) {
  return Perform(file, DiskOperation::kSync, SQLITE_IOERR_FSYNC, [](sqlite3_file*) { return SQLITE_OK; });
}

// Calls the function of the real file of the same name.
template <auto Member, typename... Args>
auto Forward(sqlite3_file* file, Args... args) {
  sqlite3_file* const real = Real(file);
  return (real->pMethods->*Member)(real, args...);
}

const sqlite3_io_methods kMethods = {
    2,
    Forward<&sqlite3_io_methods::xClose>,
    Forward<&sqlite3_io_methods::xRead, void*, int, sqlite3_int64>,
    Write,
    Forward<&sqlite3_io_methods::xTruncate, sqlite3_int64>,
    Sync,
    Forward<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    Forward<&sqlite3_io_methods::xLock, int>,
    Forward<&sqlite3_io_methods::xUnlock, int>,
    Forward<&sqlite3_io_methods::xCheckReservedLock, int*>,
    Forward<&sqlite3_io_methods::xFileControl, int, void*>,
    Forward<&sqlite3_io_methods::xSectorSize>,
    Forward<&sqlite3_io_methods::xDeviceCharacteristics>,
    Forward<&sqlite3_io_methods::xShmMap, int, int, int, void volatile**>,
    Forward<&sqlite3_io_methods::xShmLock, int, int, int>,
    Forward<&sqlite3_io_methods::xShmBarrier>,
    Forward<&sqlite3_io_methods::xShmUnmap, int>,
    nullptr,
    nullptr,
};

// The decision and the real layer of an opened VFS.
struct Behind {
  sqlite3_vfs* real;
  const FaultyVfs::Decide* decide;
};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* opened) {
  const auto* behind = static_cast<const Behind*>(vfs->pAppData);
  auto* faulty = reinterpret_cast<FaultyFile*>(file);
  faulty->decide = behind->decide;
  faulty->base.pMethods = nullptr;
  const int result = behind->real->xOpen(behind->real, name, Real(file), flags, opened);
  if (Real(file)->pMethods != nullptr) faulty->base.pMethods = &kMethods;
  return result;
}

}  // namespace

FaultyVfs::FaultyVfs(Decide decide)
    : real_(sqlite3_vfs_find(nullptr)), decide_(std::move(decide)), vfs_(*real_) {
  vfs_.zName = "faulty";
  vfs_.szOsFile = static_cast<int>(sizeof(FaultyFile)) + real_->szOsFile;
  vfs_.pNext = nullptr;
  vfs_.pAppData = new Behind{real_, &decide_};
  vfs_.xOpen = Open;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, /*makeDflt=*/1);
  delete static_cast<Behind*>(vfs_.pAppData);
}

}  // namespace quantlab
