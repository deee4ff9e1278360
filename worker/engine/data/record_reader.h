// Splits files into records and fields: the common part of CSV, TSV and Orange's .tab.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_RECORD_READER_H_
#define QUANTLAB_WORKER_ENGINE_DATA_RECORD_READER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/messages/message.h"
#include "worker/engine/data/readers.h"

namespace quantlab::engine {

// How fields are separated.
struct RecordSyntax {
  char separator = ',';
  // A field that begins with a quote ends at the next single one; two quotes encode one (RFC 4180). Blanks
  // outside of the quotes do not count. False: quotes are ordinary characters.
  bool quoted = true;
  // Whether a field that does not begin with a quote may hold quotes.
  bool bare_quotes = false;
};

// Cuts `content` into records. Lines end in LF, CRLF or CR.
// Ownership: borrows everything; `content`, `path` and `limits` outlive this object.
// Errors:    INVALID_ARGUMENT malformed, RESOURCE_EXHAUSTED a field too long; both name file and line.
class RecordReader {
 public:
  RecordReader(std::string_view content, const std::string& path, const ReadLimits& limits,
               RecordSyntax syntax)
      : rest_(content), path_(path), limits_(limits), syntax_(syntax) {}

  // Skips empty lines. False at the end of the file. `fields` are unquoted.
  //
  absl::StatusOr<bool> Next(std::vector<std::string>* fields);

  // As Next, but an empty line is a record with one empty field.
  absl::StatusOr<bool> NextLine(std::vector<std::string>* fields);

  // Line on which the last record starts, from 1.
  int64_t record_line() const { return record_line_; }

 private:
  bool TakeLineEnd();
  void SkipBlanksBeforeQuote();
  bool AtFieldEnd() const;
  absl::Status ReadQuoted(std::string* field);
  absl::Status ReadBare(std::string* field);
  void Append(std::string_view text, std::string* field);
  absl::Status Malformed(int64_t line, const Message& what) const;

  std::string_view rest_;
  const std::string& path_;
  const ReadLimits& limits_;
  const RecordSyntax syntax_;
  int64_t line_ = 1;
  int64_t record_line_ = 1;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_RECORD_READER_H_
