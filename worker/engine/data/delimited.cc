// CSV (RFC 4180) and TSV (no quoting, as SST-2 is published): a header, then one record a row.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "base/messages.h"
#include "base/status_macros.h"
#include "base/text/utf8.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"
#include "worker/engine/data/record_reader.h"

namespace quantlab::engine {
namespace {

class DelimitedFormat : public DatasetFormat {
 public:
  DelimitedFormat(std::string_view name, std::vector<std::string> extensions, RecordSyntax syntax)
      : name_(name), extensions_(std::move(extensions)), syntax_(syntax) {}

  std::string_view name() const override { return name_; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path) const override {
    return FindByExtension(path, extensions_);
  }

  absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    QL_ASSIGN_OR_RETURN(const std::string content, ReadTextFile(file.path, limits.max_file_bytes));
    RecordReader reader(content, file.path, limits, syntax_);
    std::vector<std::string> header, fields;
    QL_ASSIGN_OR_RETURN(const bool has_header, reader.Next(&header));
    if (!has_header) return FileError(file.path, 0, messages::kEmptyFile());
    for (std::string& name : header) name = RepairUtf8(name);  // messages quote it
    QL_ASSIGN_OR_RETURN(const std::optional<Columns> columns, FindColumns(header, file, config, sink));
    if (!columns.has_value()) return absl::OkStatus();
    while (true) {
      QL_ASSIGN_OR_RETURN(const bool more, reader.Next(&fields));
      if (!more) return absl::OkStatus();
      if (fields.size() != header.size()) {
        return FileError(
            file.path, reader.record_line(),
            messages::kFieldCount(static_cast<int64_t>(fields.size()), static_cast<int64_t>(header.size())));
      }
      const std::string_view filter = columns->filter ? std::string_view(fields[*columns->filter]) : "";
      QL_RETURN_IF_ERROR(
          sink.row({fields[columns->text], fields[columns->label], filter, file.path, reader.record_line()}));
    }
  }

 private:
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
