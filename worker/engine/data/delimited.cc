// CSV (RFC 4180) and TSV (no quoting, as SST-2 is published): a header, then one record a row.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"
#include "worker/engine/data/record_reader.h"

namespace quantlab::engine {
namespace {

// How a CSV file separates its columns.
struct Separator {
  char character = ',';
  bool has_line = false;  // a first line "sep=;", which spreadsheets write and read
};

// `line` without what stands in quotes.
std::string Unquoted(std::string_view line) {
  std::string outside;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted) outside += c;
  }
  return outside;
}

// What the first line names, else what stands in a first line that has no commas: spreadsheets write
// semicolons where the comma is the decimal point, and tabs into files that are called .csv; databases write
// bars.
Separator SeparatorOf(std::string_view content) {
  constexpr std::string_view kNamed = "sep=";
  content.remove_prefix(std::min(content.find_first_not_of("\r\n"), content.size()));
  const std::string_view line = content.substr(0, content.find_first_of("\r\n"));
  if (line.substr(0, kNamed.size()) == kNamed && line.size() == kNamed.size() + 1) return {line.back(), true};
  const std::string outside = Unquoted(line);
  for (const char separator : {',', ';', '\t', '|'}) {
    if (outside.find(separator) != std::string::npos) return {separator, false};
  }
  return {};
}

class DelimitedFormat : public DatasetFormat {
 public:
  DelimitedFormat(std::string_view name, std::vector<std::string> extensions, RecordSyntax syntax)
      : name_(name), extensions_(std::move(extensions)), syntax_(syntax) {}

  std::string_view name() const override { return name_; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path, bool chosen) const override {
    return FindByExtension(path, extensions_, chosen);
  }

  absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    QL_ASSIGN_OR_RETURN(const std::string content,
                        ReadTextFile(file.path, limits.max_file_bytes, config.encoding, sink));
    const Separator separator = syntax_.quoted ? SeparatorOf(content) : Separator{syntax_.separator, false};
    RecordSyntax syntax = syntax_;
    syntax.separator = separator.character;
    RecordReader reader(content, file.path, limits, syntax);
    std::vector<std::string> header;
    QL_ASSIGN_OR_RETURN(bool has_header, reader.Next(&header));
    if (separator.has_line) {
      QL_ASSIGN_OR_RETURN(has_header, reader.Next(&header));
    }
    if (!has_header) return FileError(file.path, 0, messages::kEmptyFile());
    if (separator.character != syntax_.separator) {
      sink.note(absl::StrCat(file.path, " separates its columns by ",
                             JsonQuote(std::string(1, separator.character))));
    }
    QL_ASSIGN_OR_RETURN(const std::optional<Columns> columns, FindColumns(header, file, config, sink));
    if (!columns.has_value()) return absl::OkStatus();
    return ReadRows(reader, file, header, *columns, sink);
  }

 private:
  static absl::Status ReadRows(RecordReader& reader, const DataFile& file,
                               const std::vector<std::string>& header, const Columns& columns,
                               const RowSink& sink) {
    std::vector<std::string> fields;
    int64_t repeated = 0;
    while (true) {
      QL_ASSIGN_OR_RETURN(const bool more, reader.Next(&fields));
      if (!more) break;
      if (AllBlank(fields)) {
        sink.empty_row();
        continue;
      }
      if (IsHeaderAgain(fields, header)) {
        ++repeated;
        continue;
      }
      if (fields.size() != header.size()) {
        return FileError(
            file.path, reader.record_line(),
            messages::kFieldCount(static_cast<int64_t>(fields.size()), static_cast<int64_t>(header.size())));
      }
      const std::string_view filter = columns.filter ? std::string_view(fields[*columns.filter]) : "";
      RawRow row{fields[columns.text], fields[columns.label], filter, file.path, reader.record_line(), {}};
      if (columns.pair) row.pair = fields[*columns.pair];
      QL_RETURN_IF_ERROR(sink.row(row));
    }
    if (repeated > 0)
      sink.note(absl::StrCat(file.path, ": ", repeated, " rows that repeat the header were skipped"));
    return absl::OkStatus();
  }

  // Files that were joined have each one's header, and a byte order mark before it.
  static bool IsHeaderAgain(const std::vector<std::string>& fields, const std::vector<std::string>& header) {
    if (header.size() < 2 || fields.size() != header.size()) return false;
    constexpr std::string_view kMark = "\uFEFF";
    std::string_view first = fields[0];
    if (first.substr(0, kMark.size()) == kMark) first.remove_prefix(kMark.size());
    return first == header[0] && std::equal(fields.begin() + 1, fields.end(), header.begin() + 1);
  }

  const std::string name_;
  const std::vector<std::string> extensions_;
  const RecordSyntax syntax_;
};

}  // namespace

std::unique_ptr<DatasetFormat> MakeCsvFormat() {
  return std::make_unique<DelimitedFormat>("csv", std::vector<std::string>{".csv"}, RecordSyntax{});
}

std::unique_ptr<DatasetFormat> MakeTsvFormat() {
  RecordSyntax syntax;
  syntax.separator = '\t';
  syntax.quoted = false;
  return std::make_unique<DelimitedFormat>("tsv", std::vector<std::string>{".tsv"}, syntax);
}

}  // namespace quantlab::engine
