// SQLite by SQLiteCpp, as the rest of storage/ uses it: a connection with its prepared statements, and the
// one border at which SQLite's exceptions become absl::Status.
//
// Inside Guard() an SQL error is an exception and a refusal by the rules is a status; outside there are
// statuses only.
#ifndef QUANTLAB_STORAGE_SQLITE_CONNECTION_H_
#define QUANTLAB_STORAGE_SQLITE_CONNECTION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quantlab {

// What an SQLite error means here: RESOURCE_EXHAUSTED disk full, UNAVAILABLE busy, DATA_LOSS damaged, …
// with the remedy in the message. `what`: "reading quick-k3f9a2".
absl::Status StatusFromSqlite(const SQLite::Exception& error, absl::string_view what);

// Calls `body`, which returns a Status or a StatusOr, and turns what it throws into one.
template <typename Body>
auto Guard(absl::string_view what, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    return StatusFromSqlite(error, what);
  }
}

// Wall time as the database keeps it: nanoseconds since 1970, clamped to what 64 bits hold.
int64_t NanosFromTime(absl::Time time);
absl::Time TimeFromNanos(int64_t nanos);

// One use of a prepared statement. Ends its statement's execution when it goes.
//
//   Query query(connection, "SELECT name FROM runs WHERE key = ?");
//   query.Bind(key);
//   while (query.Step()) names.push_back(query.Text(0));
class Connection;
class Query {
 public:
  Query(Connection& connection, const char* sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Each call binds the next parameter.
  Query& Bind(int64_t value);
  Query& Bind(int value) { return Bind(int64_t{value}); }
  Query& Bind(bool value) { return Bind(int64_t{value}); }
  Query& Bind(const std::string& value);
  Query& Bind(const char* value) { return Bind(std::string(value)); }
  Query& Bind(absl::string_view value) { return Bind(std::string(value)); }
  Query& Bind(absl::Time value) { return Bind(NanosFromTime(value)); }
  Query& BindNull();
  template <typename T>
  Query& Bind(const std::optional<T>& value) {
    return value ? Bind(*value) : BindNull();
  }

  // True: there is a row.
  bool Step();
  // A statement without rows; returns the number of rows that it changed.
  int Execute();

  bool IsNull(int column) const;
  int64_t Int(int column) const;
  bool Bool(int column) const { return Int(column) != 0; }
  std::string Text(int column) const;
  absl::Time Time(int column) const { return TimeFromNanos(Int(column)); }
  std::optional<absl::Time> OptionalTime(int column) const;

 private:
  SQLite::Statement& statement_;
  int bound_ = 0;
};

// Threads: one at a time.
class Connection {
 public:
  struct Options {
    bool read_only = false;
    absl::Duration busy_timeout = absl::Seconds(10);
  };
  // Throws. Creates the file where it is missing, unless read-only.
  Connection(const std::string& path, const Options& options);

  // For statements without parameters and rows.
  void Execute(const std::string& sql) { database_.exec(sql); }
  int64_t LastInsertKey() const { return database_.getLastInsertRowid(); }
  // Whether BEGIN has had no end yet; SQLite itself may have rolled back after a grave error.
  bool InTransaction() const;

 private:
  friend class Query;
  // Prepared once per connection. `sql` is a literal: its address is its key.
  SQLite::Statement& Prepared(const char* sql);

  SQLite::Database database_;
  std::map<const char*, std::unique_ptr<SQLite::Statement>> statements_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQLITE_CONNECTION_H_
