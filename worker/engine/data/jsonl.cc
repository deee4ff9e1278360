// JSON Lines: one object a line; text and labels are its members.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <nlohmann/json.hpp>

#include "base/config/task.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/json_depth.h"
#include "base/text/strict_json.h"
#include "base/text/utf8.h"
#include "worker/engine/data/class_names.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

// A row needs no deeper nesting, and each level costs memory.
constexpr int kMaxDepth = 64;

bool TooDeep(std::string_view json) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// The only place where exceptions of the library appear.
absl::StatusOr<Json> ParseJson(std::string_view text) {
  QL_RETURN_IF_ERROR(CheckJsonDepth({text.data(), text.size()}));
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    const std::string_view what =
        e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 8: …"
    const size_t start = what.find("column ");
    return absl::InvalidArgumentError(
        std::string(start == std::string_view::npos ? what : what.substr(start)));
  }
}

// A member as text; nullopt when it is neither text, number nor truth value.
std::optional<std::string> AsText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_unsigned()) return absl::StrCat(value.get<uint64_t>());
  if (value.is_number_integer()) return absl::StrCat(value.get<int64_t>());
  if (value.is_number_float()) return absl::StrCat(value.get<double>());  // 1.0 becomes "1"
  return std::nullopt;
}

// The same with all digits of a number: the label of a regression.
std::optional<std::string> AsExactText(const Json& value) {
  return value.is_number_float() ? std::optional(RoundTrip(value.get<double>())) : AsText(value);
}

class JsonlFormat : public DatasetFormat {
 public:
  std::string_view name() const override { return "jsonl"; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path, bool chosen) const override {
    return FindByExtension(path, {".jsonl", ".ndjson"}, chosen);
  }

  absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    QL_ASSIGN_OR_RETURN(const std::string content,
                        ReadTextFile(file.path, limits.max_file_bytes, config.encoding, sink));
    std::string_view rest = content;
    std::optional<Columns> columns;  // found in the first row, the same in all
    std::vector<std::string> names;
    for (int64_t line = 1; !rest.empty(); ++line) {
      const std::string_view text = TakeLine(&rest);
      if (text.find_first_not_of(" \t") == std::string_view::npos) continue;
      QL_RETURN_IF_ERROR(CheckField(text, limits, file.path, line));
      QL_ASSIGN_OR_RETURN(const Json row, Parse(text, file.path, line));
      if (IsEmptyRow(row)) {
        sink.empty_row();
        continue;
      }
      if (names.empty()) {
        for (const auto& [name, value] : row.items()) names.push_back(name);
        QL_ASSIGN_OR_RETURN(columns, FindColumns(names, file, config, sink));
        if (!columns.has_value()) return absl::OkStatus();
      }
      QL_RETURN_IF_ERROR(Emit(row, names, *columns, TaskNamed(config.task).numeric, file, line, sink));
    }
    if (names.empty()) return FileError(file.path, 0, messages::kNoRows());
    return absl::OkStatus();
  }

 private:
  // Up to the next line end (LF, CRLF or CR), which is dropped.
  static std::string_view TakeLine(std::string_view* rest) {
    const size_t end = std::min(rest->find_first_of("\r\n"), rest->size());
    const std::string_view line = rest->substr(0, end);
    rest->remove_prefix(end);
    rest->remove_prefix(rest->substr(0, 2) == "\r\n" ? 2 : rest->empty() ? 0 : 1);
    return line;
  }

  static bool IsEmptyRow(const Json& row) {
    return std::all_of(row.begin(), row.end(), [](const Json& member) {
      return member.is_null() ||
             (member.is_string() && TrimBlanks(member.get_ref<const std::string&>()).empty());
    });
  }

  static absl::StatusOr<Json> Parse(std::string_view text, const std::string& path, int64_t line) {
    if (TooDeep(text)) return FileError(path, line, messages::kJsonTooDeep());
    absl::StatusOr<Json> row = ParseJson(text);
    if (!row.ok()) row = ParseJson(StrictJson(text));
    if (row.ok() && row->is_object()) return row;
    if (row.ok() && row->is_array()) return FileError(path, line, messages::kJsonList());
    if (row.ok()) return FileError(path, line, messages::kNotJsonObject());
    return FileError(path, line,
                     messages::kNotJson(Shorten(RepairUtf8(std::string(row.status().message())), 200)));
  }

  static absl::StatusOr<std::string> Member(const Json& row, const std::string& name, const std::string& path,
                                            int64_t line, bool exact = false) {
    const auto it = row.find(name);
    if (it == row.end()) {
      return FileError(path, line, messages::kJsonKeyMissing(name));
    }
    std::optional<std::string> text = it->is_null() ? std::string() : exact ? AsExactText(*it) : AsText(*it);
    if (text.has_value()) return *std::move(text);
    return FileError(path, line, messages::kJsonValueNested(name));
  }

  static absl::Status Emit(const Json& row, const std::vector<std::string>& names, const Columns& columns,
                           bool numeric, const DataFile& file, int64_t line, const RowSink& sink) {
    QL_ASSIGN_OR_RETURN(const std::string text, Member(row, names[columns.text], file.path, line));
    QL_ASSIGN_OR_RETURN(const std::string label, Member(row, names[columns.label], file.path, line, numeric));
    std::string filter;
    if (columns.filter) {
      QL_ASSIGN_OR_RETURN(filter, Member(row, names[*columns.filter], file.path, line));
    }
    RawRow out{text, label, filter, file.path, line, {}};
    std::string pair;
    if (columns.pair) {
      QL_ASSIGN_OR_RETURN(pair, Member(row, names[*columns.pair], file.path, line));
      out.pair = pair;
    }
    return sink.row(out);
  }
};

}  // namespace

std::unique_ptr<DatasetFormat> MakeJsonlFormat() {
  return std::make_unique<JsonlFormat>();
}

}  // namespace quantlab::engine
