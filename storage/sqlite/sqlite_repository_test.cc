// SQLite held to the suite that every backend is held to, and what is SQLite's own.
#include "storage/repository_conformance.h"

namespace quantlab {
namespace {

absl::StatusOr<std::unique_ptr<Storage>> OpenSqlite(const std::string& folder) {
  return OpenStorage(folder);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, RepositoryConformance, ::testing::Values(OpenSqlite));

}  // namespace
}  // namespace quantlab
