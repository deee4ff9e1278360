// IdentityRepository over a SQL database of any dialect. See base/records/identities.h for the contract.
#ifndef QUANTLAB_STORAGE_SQL_SQL_IDENTITY_REPOSITORY_H_
#define QUANTLAB_STORAGE_SQL_SQL_IDENTITY_REPOSITORY_H_

#include <string>
#include <vector>

#include "base/records/identities.h"
#include "storage/sql/database.h"

namespace quantlab {

// Ownership: borrows the database, which outlives it.
class SqlIdentityRepository : public IdentityRepository {
 public:
  explicit SqlIdentityRepository(Database& database) : database_(database) {}

  absl::Status CreateIdentity(const IdentityRecord& record) override;
  absl::Status RevokeIdentity(const std::string& name, absl::Time time) override;
  absl::Status ReplaceToken(const std::string& old_sha256, const std::string& new_sha256,
                            const std::string& worker_id, absl::Time now, absl::Time expire_time) override;
  absl::StatusOr<std::vector<IdentityRecord>> ListIdentities() override;

 private:
  Database& database_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_SQL_IDENTITY_REPOSITORY_H_
