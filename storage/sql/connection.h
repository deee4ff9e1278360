// The interface between the repositories and a SQL database: what a dialect implements, and how statements
// are prepared, bound and executed.
//
// Statements are written once, in the subset of SQL that SQLite and PostgreSQL share: parameters are `?` or
// `?N`, upserts ON CONFLICT … DO UPDATE, new keys come back by RETURNING. A dialect supplies connections
// (Connection, Statement), the schema, and the meaning of its error codes; transitions, fencing, sequence
// numbers and pages stay in the code above.
//
// Inside Guard() an error of the database is a SqlError and a violated rule is a status; outside there are
// only statuses.
#ifndef QUANTLAB_STORAGE_SQL_CONNECTION_H_
#define QUANTLAB_STORAGE_SQL_CONNECTION_H_

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"

namespace quantlab {

// An error of the database, as a status with the remedy in its message: RESOURCE_EXHAUSTED disk full,
// UNAVAILABLE busy, DATA_LOSS damaged.
class SqlError : public std::exception {
 public:
  explicit SqlError(absl::Status status) : status_(std::move(status)) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return "an error of the database"; }

 private:
  const absl::Status status_;
};

// Calls `body`, which returns a Status or a StatusOr, and turns the SqlError that it throws into one.
// `what`: "reading quick-k3f9a2".
template <typename Body>
auto Guard(absl::string_view what, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const SqlError& error) {
    return Annotate(error.status(), what);
  }
}

// A prepared statement of a dialect. Every function may throw SqlError. Parameters count from 1, columns
// from 0. Threads: one at a time.
class Statement {
 public:
  virtual ~Statement() = default;

  virtual void BindInt(int parameter, int64_t value) = 0;
  virtual void BindText(int parameter, const std::string& value) = 0;
  virtual void BindNull(int parameter) = 0;

  // True: there is a row.
  virtual bool Step() = 0;
  // A statement without rows; returns the number of rows that it changed.
  virtual int Execute() = 0;
  // Ends the execution, so that the statement can be bound again. Does not throw.
  virtual void Reset() noexcept = 0;

  virtual bool IsNull(int column) const = 0;
  virtual int64_t Int(int column) const = 0;
  virtual std::string Text(int column) const = 0;
};

// A connection of a dialect. Threads: one at a time.
class Connection {
 public:
  virtual ~Connection() = default;

  // Prepared once per connection. `sql` is a literal: its address is its key.
  virtual Statement& Prepare(const char* sql) = 0;
  // For statements without parameters and rows.
  virtual void Execute(const std::string& sql) = 0;

  // Begins a transaction that may write, and waits for other writers at once.
  virtual void BeginWrite() = 0;
  // Begins a transaction that sees one state of the database.
  virtual void BeginRead() = 0;
  // Whether a transaction is open; a database may have rolled back by itself after a severe error.
  virtual bool InTransaction() const = 0;
};

// Wall time as stored in the database: nanoseconds since 1970, clamped to 64 bits.
int64_t NanosFromTime(absl::Time time);
absl::Time TimeFromNanos(int64_t nanos);

// One use of a prepared statement. Its destructor ends the statement's execution.
//
//   Query query(connection, "SELECT name FROM runs WHERE key = ?");
//   query.Bind(key);
//   while (query.Step()) names.push_back(query.Text(0));
class Query {
 public:
  Query(Connection& connection, const char* sql) : statement_(connection.Prepare(sql)) {}
  ~Query() { statement_.Reset(); }
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
  bool Step() { return statement_.Step(); }
  // A statement without rows; returns the number of rows that it changed.
  int Execute() { return statement_.Execute(); }
  // The key that INSERT … RETURNING key returns.
  int64_t InsertedKey();

  bool IsNull(int column) const { return statement_.IsNull(column); }
  int64_t Int(int column) const { return statement_.Int(column); }
  bool Bool(int column) const { return Int(column) != 0; }
  std::string Text(int column) const { return statement_.Text(column); }
  absl::Time Time(int column) const { return TimeFromNanos(Int(column)); }
  std::optional<absl::Time> OptionalTime(int column) const;

 private:
  Statement& statement_;
  int bound_ = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_CONNECTION_H_
