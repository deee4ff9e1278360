// SQLite by SQLiteCpp, as a dialect of storage/sql/connection.h.
#ifndef QUANTLAB_STORAGE_SQLITE_SQLITE_CONNECTION_H_
#define QUANTLAB_STORAGE_SQLITE_SQLITE_CONNECTION_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/sql/connection.h"

namespace quantlab {

// An SQLite error as a status, with the remedy in the message.
absl::Status StatusFromSqlite(const SQLite::Exception& error);

// Throws SqlError, never SQLite's exceptions.
class SqliteConnection : public Connection {
 public:
  struct Options {
    bool read_only = false;
    absl::Duration busy_timeout = absl::Seconds(10);
    // Called after each checkpoint with its duration, by the thread whose commit made it due; empty:
    // checkpoints are SQLite's own.
    std::function<void(absl::Duration)> observe_checkpoint = {};
  };
  // Creates the file where it is missing, unless read-only.
  static std::unique_ptr<SqliteConnection> Open(const std::string& path, const Options& options);
  ~SqliteConnection() override;

  Statement& Prepare(const char* sql) override;
  void Execute(const std::string& sql) override;
  void BeginWrite() override { Execute("BEGIN IMMEDIATE"); }
  void BeginRead() override { Execute("BEGIN"); }
  bool InTransaction() const override;

 private:
  SqliteConnection(const std::string& path, const Options& options);
  static int OnWalCommit(void* self, sqlite3* database, const char* name, int pages);

  const std::function<void(absl::Duration)> observe_checkpoint_;
  SQLite::Database database_;
  std::map<const char*, std::unique_ptr<Statement>> statements_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQLITE_SQLITE_CONNECTION_H_
