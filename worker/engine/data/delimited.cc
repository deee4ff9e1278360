// CSV (RFC 4180) and TSV (no quoting, as SST-2 is published): a header, then one record a row.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "base/status_macros.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"
#include "worker/engine/text/utf8.h"

namespace quantlab::engine {
namespace {

// Cuts a file into records. Lines end in LF or CRLF; empty lines are passed over.
class RecordReader {
 public:
  RecordReader(std::string_view content, const std::string& path, const ReadLimits& limits)
      : rest_(content), path_(path), limits_(limits) {}
  virtual ~RecordReader() = default;

  // False at the end of the file. `fields` are as the file means them, without quotes.
  absl::StatusOr<bool> Next(std::vector<std::string>* fields) {
    SkipEmptyLines();
    fields->clear();
    record_line_ = line_;
    if (rest_.empty()) return false;
    QL_RETURN_IF_ERROR(ReadRecord(fields));
    return true;
  }

  // Where the record starts, from 1.
  int64_t record_line() const { return record_line_; }

 protected:
  virtual absl::Status ReadRecord(std::vector<std::string>* fields) = 0;

  // Takes a line end, if there is one at the start of what is left.
  bool TakeLineEnd() {
    const size_t length = rest_.rfind("\r\n", 0) == 0 ? 2 : rest_.rfind('\n', 0) == 0 ? 1 : 0;
    rest_.remove_prefix(length);
    line_ += length > 0 ? 1 : 0;
    return length > 0;
  }
  absl::Status Malformed(int64_t line, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line, ": ", what));
  }
  absl::Status Check(const std::string& field) const { return CheckField(field, limits_, path_, line_); }

  std::string_view rest_;
  int64_t line_ = 1;

 private:
  void SkipEmptyLines() {
    while (TakeLineEnd()) {
    }
  }

  const std::string& path_;
  const ReadLimits& limits_;
  int64_t record_line_ = 1;
};

class CsvReader : public RecordReader {
 public:
  using RecordReader::RecordReader;

 private:
  absl::Status ReadRecord(std::vector<std::string>* fields) override {
    while (true) {
      std::string& field = fields->emplace_back();
      QL_RETURN_IF_ERROR(!rest_.empty() && rest_[0] == '"' ? ReadQuoted(&field) : ReadBare(&field));
      if (rest_.empty() || TakeLineEnd()) return absl::OkStatus();
      rest_.remove_prefix(1);  // the comma
    }
  }

  absl::Status ReadQuoted(std::string* field) {
    const int64_t opened = line_;
    rest_.remove_prefix(1);
    while (true) {
      const size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) {
        return Malformed(opened, "the quote that opens here is never closed");
      }
      Append(rest_.substr(0, quote), field);
      QL_RETURN_IF_ERROR(Check(*field));
      rest_.remove_prefix(quote + 1);
      if (rest_.empty() || rest_[0] != '"') break;
      field->push_back('"');  // two quotes stand for one
      rest_.remove_prefix(1);
    }
    const bool ends = rest_.empty() || rest_[0] == ',' || rest_[0] == '\n' || rest_.rfind("\r\n", 0) == 0;
    if (ends) return absl::OkStatus();
    return Malformed(line_, absl::StrCat("text behind a closing quote (opened in line ", opened,
                                         "); a quote inside a field is written twice"));
  }

  absl::Status ReadBare(std::string* field) {
    const size_t end = std::min(rest_.find_first_of(",\n\""), rest_.size());
    if (end < rest_.size() && rest_[end] == '"') {
      return Malformed(line_,
                       "a quote inside a field that does not start with one; put the field in quotes, "
                       "and write each quote inside it twice");
    }
    size_t length = end;
    if (end < rest_.size() && rest_[end] == '\n' && end > 0 && rest_[end - 1] == '\r') --length;
    Append(rest_.substr(0, length), field);
    rest_.remove_prefix(length);
    return Check(*field);
  }

  void Append(std::string_view text, std::string* field) {
    for (const char c : text) line_ += c == '\n' ? 1 : 0;
    field->append(text);
  }
};

class TsvReader : public RecordReader {
 public:
  using RecordReader::RecordReader;

 private:
  absl::Status ReadRecord(std::vector<std::string>* fields) override {
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    while (true) {
      const size_t tab = std::min(line.find('\t'), line.size());
      fields->emplace_back(line.substr(0, tab));
      QL_RETURN_IF_ERROR(Check(fields->back()));
      if (tab == line.size()) break;
      line.remove_prefix(tab + 1);
    }
    rest_.remove_prefix(end);
    TakeLineEnd();
    return absl::OkStatus();
  }
};

template <typename Reader>
class DelimitedFormat : public DatasetFormat {
 public:
  DelimitedFormat(std::string_view name, std::vector<std::string> extensions)
      : name_(name), extensions_(std::move(extensions)) {}

  std::string_view name() const override { return name_; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path) const override {
    return FindByExtension(path, extensions_);
  }

  absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    QL_ASSIGN_OR_RETURN(const std::string content, ReadTextFile(file.path, limits.max_file_bytes));
    Reader reader(content, file.path, limits);
    std::vector<std::string> header, fields;
    QL_ASSIGN_OR_RETURN(const bool has_header, reader.Next(&header));
    if (!has_header) return absl::InvalidArgumentError(absl::StrCat(file.path, ": is empty"));
    for (std::string& name : header) name = RepairUtf8(name);  // messages quote it
    QL_ASSIGN_OR_RETURN(const std::optional<Columns> columns, FindColumns(header, file, config, sink));
    if (!columns.has_value()) return absl::OkStatus();
    while (true) {
      QL_ASSIGN_OR_RETURN(const bool more, reader.Next(&fields));
      if (!more) return absl::OkStatus();
      if (fields.size() != header.size()) {
        return absl::InvalidArgumentError(absl::StrCat(file.path, ":", reader.record_line(), ": ",
                                                       fields.size(), " fields, but the header has ",
                                                       header.size()));
      }
      const std::string_view filter = columns->filter ? std::string_view(fields[*columns->filter]) : "";
      QL_RETURN_IF_ERROR(
          sink.row({fields[columns->text], fields[columns->label], filter, file.path, reader.record_line()}));
    }
  }

 private:
  const std::string name_;
  const std::vector<std::string> extensions_;
};

}  // namespace

std::unique_ptr<DatasetFormat> MakeCsvFormat() {
  return std::make_unique<DelimitedFormat<CsvReader>>("csv", std::vector<std::string>{".csv"});
}

std::unique_ptr<DatasetFormat> MakeTsvFormat() {
  return std::make_unique<DelimitedFormat<TsvReader>>("tsv", std::vector<std::string>{".tsv"});
}

}  // namespace quantlab::engine
