// JSON Lines: one object a line; text and labels are its members.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <nlohmann/json.hpp>

#include "base/messages.h"
#include "base/status_macros.h"
#include "base/text/utf8.h"
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

// A member as text; nullopt when it is neither text, number nor truth value.
std::optional<std::string> AsText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_unsigned()) return absl::StrCat(value.get<uint64_t>());
  if (value.is_number_integer()) return absl::StrCat(value.get<int64_t>());
  if (value.is_number_float()) return absl::StrCat(value.get<double>());  // 1.0 becomes "1"
  return std::nullopt;
}

class JsonlFormat : public DatasetFormat {
 public:
  std::string_view name() const override { return "jsonl"; }

  absl::StatusOr<std::vector<DataFile>> Find(const std::string& path) const override {
    return FindByExtension(path, {".jsonl", ".ndjson"});
  }

  absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                    const RowSink& sink) const override {
    QL_ASSIGN_OR_RETURN(const std::string content, ReadTextFile(file.path, limits.max_file_bytes));
    std::string_view rest = content;
    std::optional<Columns> columns;  // found in the first row, the same in all
    std::vector<std::string> names;
    int64_t repaired = 0;
    for (int64_t line = 1; !rest.empty(); ++line) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view text = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      QL_RETURN_IF_ERROR(CheckField(text, limits, file.path, line));
      repaired += IsValidUtf8(text) ? 0 : 1;
      QL_ASSIGN_OR_RETURN(const Json row, Parse(text, file.path, line));
      if (names.empty()) {
        for (const auto& [name, value] : row.items()) names.push_back(name);
        QL_ASSIGN_OR_RETURN(columns, FindColumns(names, file, config, sink));
        if (!columns.has_value()) return absl::OkStatus();
      }
      QL_RETURN_IF_ERROR(Emit(row, names, *columns, file, line, sink));
    }
    if (repaired > 0) {
      sink.note(
          absl::StrCat(file.path, ": ", repaired, " rows had invalid UTF-8, which was read as U+FFFD."));
    }
    if (names.empty()) return FileError(file.path, 0, messages::kNoRows());
    return absl::OkStatus();
  }

 private:
  static absl::StatusOr<Json> Parse(std::string_view text, const std::string& path, int64_t line) {
    if (TooDeep(text)) {
      return FileError(path, line, messages::kJsonTooDeep());
    }
    Json row = Json::parse(RepairUtf8(text), nullptr, /*allow_exceptions=*/false);
    if (row.is_object() && !row.empty()) return row;
    return FileError(path, line, messages::kNotJsonObject());
  }

  static absl::StatusOr<std::string> Member(const Json& row, const std::string& name, const std::string& path,
                                            int64_t line) {
    const auto it = row.find(name);
    if (it == row.end()) {
      return FileError(path, line, messages::kJsonKeyMissing(name));
    }
    std::optional<std::string> text = it->is_null() ? std::string() : AsText(*it);
    if (text.has_value()) return *std::move(text);
    return FileError(path, line, messages::kJsonValueNested(name));
  }

  static absl::Status Emit(const Json& row, const std::vector<std::string>& names, const Columns& columns,
                           const DataFile& file, int64_t line, const RowSink& sink) {
    QL_ASSIGN_OR_RETURN(const std::string text, Member(row, names[columns.text], file.path, line));
    QL_ASSIGN_OR_RETURN(const std::string label, Member(row, names[columns.label], file.path, line));
    std::string filter;
    if (columns.filter) {
      QL_ASSIGN_OR_RETURN(filter, Member(row, names[*columns.filter], file.path, line));
    }
    return sink.row({text, label, filter, file.path, line});
  }
};

}  // namespace

std::unique_ptr<DatasetFormat> MakeJsonlFormat() {
  return std::make_unique<JsonlFormat>();
}

}  // namespace quantlab::engine
