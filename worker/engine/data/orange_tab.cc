// The .tab files of Orange: tab-separated, with three header rows that give each column's name, its type
// (continuous, discrete, string, time, or by a letter, or a list of values) and its role (class, meta,
// ignore, key=value attributes; empty: an ordinary column).
// Source: Orange's documentation of its native format, "Loading and saving data (io)".
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"
#include "worker/engine/data/record_reader.h"

namespace quantlab::engine {
namespace {

struct Header {
  std::vector<std::string> names, types, flags;  // of equal length
};

bool HasFlag(const std::string& flags, std::initializer_list<std::string_view> wanted) {
  for (const absl::string_view flag : absl::StrSplit(flags, ' ', absl::SkipEmpty())) {
    for (const std::string_view name : wanted) {
      if (flag == absl::string_view(name.data(), name.size())) return true;
    }
  }
  return false;
}

bool IsText(const std::string& type) {
  return type == "string" || type == "s" || type == "text";
}

absl::Status ReadHeader(RecordReader& reader, const std::string& path, Header* header) {
  QL_ASSIGN_OR_RETURN(const bool has_names, reader.NextLine(&header->names));
  if (!has_names) return FileError(path, 0, messages::kEmptyFile());
  QL_ASSIGN_OR_RETURN(const bool has_types, reader.NextLine(&header->types));
  QL_ASSIGN_OR_RETURN(const bool has_flags, reader.NextLine(&header->flags));
  if (!has_types || !has_flags) {
    return FileError(path, 1, messages::kThreeHeaderRows());
  }
  const size_t columns = header->names.size();
  if (header->types.size() != columns || header->flags.size() > columns) {
    return FileError(path, 2,
                     messages::kHeaderRowsDiffer(static_cast<int64_t>(header->types.size()),
                                                 static_cast<int64_t>(header->flags.size()),
                                                 static_cast<int64_t>(columns)));
  }
  header->flags.resize(columns);  // editors drop separators at the end of a row
  return absl::OkStatus();
}

// The only column for which `holds`; nullopt where there is none or more than one.
template <typename Holds>
std::optional<std::string> OnlyColumn(const Header& header, Holds holds) {
  std::optional<std::string> found;
  for (size_t i = 0; i < header.names.size(); ++i) {
    if (!holds(i)) continue;
    if (found.has_value()) return std::nullopt;
    found = header.names[i];
  }
  return found;
}

// Columns that the configuration leaves at their default names are those that the header marks: the class
// is the label, and the text is what the text add-on includes (include=True), else the only text column.
DatasetConfig NameColumns(const Header& header, const DatasetConfig& config) {
  const auto is_there = [&header](const std::string& name) {
    return std::find(header.names.begin(), header.names.end(), name) != header.names.end();
  };
  DatasetConfig named = config;
  if (config.label_column == "label" && !is_there("label")) {
    const auto label = OnlyColumn(header, [&](size_t i) { return HasFlag(header.flags[i], {"class", "c"}); });
    named.label_column = label.value_or(config.label_column);
  }
  if (config.text_column == "text" && !is_there("text")) {
    auto text = OnlyColumn(header, [&](size_t i) {
      return IsText(header.types[i]) && HasFlag(header.flags[i], {"include=True"});
    });
    if (!text.has_value()) text = OnlyColumn(header, [&](size_t i) { return IsText(header.types[i]); });
    named.text_column = text.value_or(config.text_column);
  }
  return named;
}

// Orange writes an unknown value as nothing or as a question mark.
std::string_view Known(std::string_view value) {
  return value == "?" ? std::string_view() : value;
}

class OrangeTabFormat : public DatasetFormat {
 public:
  std::string_view name() const override { return "tab"; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path, bool chosen) const override {
    return FindByExtension(path, {".tab"}, chosen);
  }

  absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    QL_ASSIGN_OR_RETURN(const std::string content,
                        ReadTextFile(file.path, limits.max_file_bytes, config.encoding, sink));
    RecordSyntax syntax;
    syntax.separator = '\t';
    syntax.bare_quotes = true;
    RecordReader reader(content, file.path, limits, syntax);
    Header header;
    QL_RETURN_IF_ERROR(ReadHeader(reader, file.path, &header));
    const DatasetConfig named = NameColumns(header, config);
    QL_ASSIGN_OR_RETURN(const std::optional<Columns> columns, FindColumns(header.names, file, named, sink));
    if (!columns.has_value()) return absl::OkStatus();
    return ReadRows(reader, file, header, *columns, sink);
  }

 private:
  static absl::Status ReadRows(RecordReader& reader, const DataFile& file, const Header& header,
                               const Columns& columns, const RowSink& sink) {
    std::vector<std::string> fields;
    while (true) {
      QL_ASSIGN_OR_RETURN(const bool more, reader.Next(&fields));
      if (!more) return absl::OkStatus();
      if (AllBlank(fields)) {
        sink.empty_row();
        continue;
      }
      if (fields.size() != header.names.size()) {
        return FileError(file.path, reader.record_line(),
                         messages::kFieldCount(static_cast<int64_t>(fields.size()),
                                               static_cast<int64_t>(header.names.size())));
      }
      const std::string_view filter = columns.filter ? std::string_view(fields[*columns.filter]) : "";
      RawRow row{
          fields[columns.text], Known(fields[columns.label]), filter, file.path, reader.record_line(), {}};
      if (columns.pair) row.pair = fields[*columns.pair];
      QL_RETURN_IF_ERROR(sink.row(row));
    }
  }
};

}  // namespace

std::unique_ptr<DatasetFormat> MakeOrangeTabFormat() {
  return std::make_unique<OrangeTabFormat>();
}

}  // namespace quantlab::engine
