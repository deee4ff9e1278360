#include "client/inputs/experiment_files.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

constexpr int64_t kMaxBytes = 1 << 20;
constexpr size_t kMaxFiles = 64;
// Limits of the output for a file with many errors: messages, and bytes of each.
constexpr size_t kMaxDiagnostics = 20, kMaxMessage = 1000;

v1::Diagnostic Error(const std::string& file, const YAML::Mark& mark, std::string message) {
  v1::Diagnostic diagnostic;
  diagnostic.set_file(file);
  diagnostic.set_line(mark.is_null() ? 0 : mark.line + 1);
  diagnostic.set_column(mark.is_null() ? 0 : mark.column + 1);
  diagnostic.set_message(std::move(message));
  diagnostic.set_error(true);
  return diagnostic;
}

struct Include {
  std::string path;
  YAML::Mark mark;
};

class Reader {
 public:
  absl::Status ReadRoot(const std::string& path) {
    QL_ASSIGN_OR_RETURN(const std::string content, ReadText(path));
    Add(path, content);
    return absl::OkStatus();
  }

  ExperimentFiles Take() && { return std::move(result_); }

 private:
  static absl::StatusOr<std::string> ReadText(const std::string& path) {
    absl::StatusOr<std::string> content = ReadFile(path, kMaxBytes);
    if (absl::IsResourceExhausted(content.status())) {
      return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kFileTooBig(path));
    }
    QL_RETURN_IF_ERROR(content.status());
    if (!IsValidUtf8(*content)) {
      return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kNotUtf8(path));
    }
    return content;
  }

  void Add(const std::string& name, const std::string& content) {
    seen_.insert(name);
    v1::SourceFile file;
    file.set_name(name);
    file.set_content(content);
    result_.files.push_back(std::move(file));
    for (const Include& include : IncludesOf(name, content)) Follow(name, include);
  }

  void Follow(const std::string& from, const Include& include) {
    const std::string name =
        (std::filesystem::path(from).parent_path() / include.path).lexically_normal().string();
    if (seen_.count(name) > 0) return;
    if (seen_.size() >= kMaxFiles) {
      result_.diagnostics.push_back(Error(
          from, include.mark, absl::StrCat("more than ", kMaxFiles, " files are included, one by another")));
      return;
    }
    const absl::StatusOr<std::string> content = ReadText(name);
    if (content.ok()) return Add(name, *content);
    seen_.insert(name);
    result_.diagnostics.push_back(
        Error(from, include.mark,
              absl::StrCat("cannot include '", include.path, "': ", std::string(content.status().message()),
                           " (names are relative to the folder of the file that includes them)")));
  }

  // Text that is not valid YAML has no includes here; the coordinator reports its errors.
  std::vector<Include> IncludesOf(const std::string& name, const std::string& content) {
    std::vector<Include> includes;
    try {
      const YAML::Node root = YAML::Load(content);
      if (!root.IsMap()) return {};
      const YAML::Node node = root["include"];
      if (!node) return {};
      if (node.IsScalar()) return {{node.Scalar(), node.Mark()}};
      bool all_names = node.IsSequence();
      for (size_t i = 0; all_names && i < node.size(); ++i) {
        all_names = node[i].IsScalar();
        if (all_names) includes.push_back({node[i].Scalar(), node[i].Mark()});
      }
      if (all_names) return includes;
      result_.diagnostics.push_back(Error(
          name, node.Mark(), "'include' must be a file name or a list of file names, as in [base.yaml]"));
    } catch (const YAML::Exception&) {
    }
    return {};
  }

  std::set<std::string> seen_;
  ExperimentFiles result_;
};

// What is quoted of a line: all of a short one, else the characters around a column.
struct Quote {
  std::string text;
  int column = 1;  // within `text`, in characters
};

Quote QuoteAround(const std::string& line, int column) {
  constexpr int kBefore = 80, kAfter = 80;
  const int first = std::max(1, column - kBefore), last = std::max(column, 1) + kAfter;
  Quote quote{first > 1 ? "…" : "", first > 1 ? column - first + 2 : column};
  int at = 1;
  for (size_t i = 0; i < line.size(); ++at) {
    const size_t length = static_cast<size_t>(DecodeUtf8(std::string_view(line).substr(i)).length);
    if (at > last) {
      quote.text += "…";
      break;
    }
    if (at >= first) quote.text.append(line, i, length);
    i += length;
  }
  return quote;
}

// The line, and a caret below its column (counted in characters, as YAML does).
void AppendQuote(const std::string& content, int line, int column, std::string* out) {
  const std::vector<std::string> lines = absl::StrSplit(content, '\n');
  if (line < 1 || line > static_cast<int>(lines.size())) return;
  std::string whole = lines[line - 1];
  if (!whole.empty() && whole.back() == '\r') whole.pop_back();
  const Quote quote = QuoteAround(whole, column);
  const std::string& text = quote.text;
  const std::string number = absl::StrCat(line);
  absl::StrAppend(out, "  ", number, " | ", Printable(text), "\n");
  if (column < 1) return;
  std::string pad;
  int at = 1;
  for (size_t i = 0; i < text.size() && at < quote.column; ++at) {
    const size_t length = static_cast<size_t>(DecodeUtf8(std::string_view(text).substr(i)).length);
    const bool tab = text[i] == '\t';
    pad.append(tab ? 1 : DisplayWidth(absl::string_view(text).substr(i, length)), ' ');
    i += length;
  }
  absl::StrAppend(out, "  ", std::string(number.size(), ' '), " | ", pad, "^\n");
}

}  // namespace

absl::StatusOr<ExperimentFiles> ReadExperimentFiles(const std::string& path) {
  Reader reader;
  QL_RETURN_IF_ERROR(reader.ReadRoot(path));
  return std::move(reader).Take();
}

std::string FormatDiagnostics(const std::vector<v1::Diagnostic>& diagnostics,
                              const std::vector<v1::SourceFile>& files, bool color, Language language) {
  std::string out;
  size_t shown = 0;
  for (const v1::Diagnostic& diagnostic : diagnostics) {
    if (++shown > kMaxDiagnostics) {
      absl::StrAppend(&out,
                      Render(language, messages::kMoreDiagnostics(
                                           static_cast<int64_t>(diagnostics.size() - kMaxDiagnostics))),
                      "\n");
      break;
    }
    const std::string kind = RenderTerm(language, diagnostic.error() ? "error:" : "warning:");
    const char* on = !color ? "" : diagnostic.error() ? "\033[1;31m" : "\033[1;35m";
    absl::StrAppend(&out, diagnostic.file());
    if (diagnostic.line() > 0) absl::StrAppend(&out, ":", diagnostic.line());
    if (diagnostic.line() > 0 && diagnostic.column() > 0) absl::StrAppend(&out, ":", diagnostic.column());
    absl::StrAppend(
        &out, ": ", on, kind, color ? "\033[0m " : " ",
        Shorten(ShownText(language, diagnostic.coded_message(), diagnostic.message()), kMaxMessage), "\n");
    for (const v1::SourceFile& file : files) {
      if (file.name() == diagnostic.file()) {
        AppendQuote(file.content(), diagnostic.line(), diagnostic.column(), &out);
        break;
      }
    }
  }
  return out;
}

}  // namespace quantlab::client
