#include "storage/sql/sql_identity_repository.h"

#include "absl/strings/str_cat.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"

namespace quantlab {
namespace {

// Whether an active identity other than `name` is bound to the worker id.
bool IsTaken(Connection& connection, const std::string& worker_id, const std::string& name, absl::Time now) {
  Query query(connection,
              "SELECT 1 FROM identities WHERE worker_id = ? AND name <> ? AND revoke_time IS NULL AND "
              "expire_time > ?");
  return query.Bind(worker_id).Bind(name).Bind(now).Step();
}

absl::Status Taken(const std::string& worker_id) {
  return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kWorkerIdTaken(worker_id));
}

absl::StatusOr<IdentityRecord> ReadRecord(const Query& query) {
  IdentityRecord record;
  record.name = query.Text(0);
  const std::optional<Role> role = RoleFromName(query.Text(1));
  if (!role) return absl::DataLossError(absl::StrCat("the stored role of ", record.name, " is unknown"));
  record.role = *role;
  record.token_sha256 = query.Text(2);
  record.joins = query.Bool(3);
  record.worker_id = query.Text(4);
  record.create_time = query.Time(5);
  record.expire_time = query.Time(6);
  record.lifetime = absl::Nanoseconds(query.Int(7));
  record.revoke_time = query.OptionalTime(8);
  return record;
}

}  // namespace

absl::Status SqlIdentityRepository::CreateIdentity(const IdentityRecord& record) {
  return database_.Write(absl::StrCat("creating identity ", record.name), [&](Connection& connection) {
    const int removed =
        Query(connection,
              "DELETE FROM identities WHERE name = ? AND (revoke_time IS NOT NULL OR expire_time <= ?)")
            .Bind(record.name)
            .Bind(record.create_time)
            .Execute();
    if (removed == 0 &&
        Query(connection, "SELECT 1 FROM identities WHERE name = ?").Bind(record.name).Step()) {
      return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kIdentityExists(record.name));
    }
    Query(connection,
          "INSERT INTO identities (name, role, token_sha256, joins, worker_id, create_time, expire_time, "
          "lifetime) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .Bind(record.name)
        .Bind(RoleName(record.role))
        .Bind(record.token_sha256)
        .Bind(record.joins)
        .Bind(record.worker_id)
        .Bind(record.create_time)
        .Bind(record.expire_time)
        .Bind(absl::ToInt64Nanoseconds(record.lifetime))
        .Execute();
    return absl::OkStatus();
  });
}

absl::Status SqlIdentityRepository::RevokeIdentity(const std::string& name, absl::Time time) {
  return database_.Write(absl::StrCat("revoking identity ", name), [&](Connection& connection) {
    const int found =
        Query(connection, "UPDATE identities SET revoke_time = coalesce(revoke_time, ?) WHERE name = ?")
            .Bind(time)
            .Bind(name)
            .Execute();
    return found > 0 ? absl::OkStatus()
                     : MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchIdentity(name));
  });
}

absl::Status SqlIdentityRepository::ReplaceToken(const std::string& old_sha256, const std::string& new_sha256,
                                                 const std::string& worker_id, absl::Time now,
                                                 absl::Time expire_time) {
  return database_.Write("exchanging a token", [&](Connection& connection) {
    std::string name;
    {
      Query query(connection,
                  "SELECT name FROM identities WHERE token_sha256 = ? AND joins = 1 AND revoke_time IS NULL");
      if (!query.Bind(old_sha256).Step())
        return MessageStatus(absl::StatusCode::kAborted, messages::kTokenWasExchanged());
      name = query.Text(0);
    }
    if (IsTaken(connection, worker_id, name, now)) return Taken(worker_id);
    Query(connection,
          "UPDATE identities SET token_sha256 = ?, joins = 0, worker_id = ?, expire_time = ? WHERE name = ?")
        .Bind(new_sha256)
        .Bind(worker_id)
        .Bind(expire_time)
        .Bind(name)
        .Execute();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<IdentityRecord>> SqlIdentityRepository::ListIdentities() {
  using Result = absl::StatusOr<std::vector<IdentityRecord>>;
  return database_.Read("listing identities", [&](Connection& connection) -> Result {
    std::vector<IdentityRecord> all;
    Query query(connection,
                "SELECT name, role, token_sha256, joins, worker_id, create_time, expire_time, lifetime, "
                "revoke_time FROM identities ORDER BY name");
    while (query.Step()) {
      absl::StatusOr<IdentityRecord> record = ReadRecord(query);
      if (!record.ok()) return record.status();
      all.push_back(*std::move(record));
    }
    return all;
  });
}

}  // namespace quantlab
