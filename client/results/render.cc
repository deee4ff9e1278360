#include "client/results/render.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdlib.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/messages.h"
#include "base/status_macros.h"
#include "client/results/tool.h"
#include "platform/environment.h"
#include "platform/files.h"
#include "report/page.h"
#include "report/report.h"
#include "yaml/report_options.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using report::Language;
using report::Medium;

constexpr int64_t kLargestFile = 64 << 20;
constexpr char kPageMarkdown[] = "page.md";

absl::Status Write(const fs::path& path, const std::string& content) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return FileError(error.value(), "create", path.parent_path().string());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  errno = 0;
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  return out ? absl::OkStatus() : FileError(errno != 0 ? errno : EIO, "write", path.string());
}

bool IsChinese(Language language) {
  return language == Language::kChinese;
}

const char* MarkdownName(Language language) {
  return report::Say(language, "report.en.md", "课程设计报告.md");
}

class Renderer {
 public:
  Renderer(const ReportData& data, const RenderOptions& options, fs::path folder)
      : data_(data),
        facts_(report::CollectFacts(data)),
        from_file_(ReportOptionsOf(data.experiment.files)),
        options_(options),
        folder_(std::move(folder)) {}

  absl::StatusOr<RenderedReport> Run() {
    QL_RETURN_IF_ERROR(WriteReport(/*draw=*/true));
    const absl::Status drawn = Draw();
    if (absl::IsCancelled(drawn)) return drawn;
    if (!drawn.ok()) {
      Note(drawn_.empty() ? "figures were not drawn" : "some figures were not drawn", drawn, "gnuplot-nox",
           "sh figures/redraw.sh in the report's folder draws them");
      QL_RETURN_IF_ERROR(drawn_.empty() ? WriteWithoutFigures() : ReplaceMissingFigures());
    }
    for (const Language language : options_.languages) QL_RETURN_IF_ERROR(MakePages(language));
    return std::move(rendered_);
  }

 private:
  absl::Status WriteReport(bool draw) {
    for (report::ReportFile& file : report::RenderReport(data_, options_.languages, draw, from_file_)) {
      QL_RETURN_IF_ERROR(Write(folder_ / file.path, file.content));
      rendered_.files.push_back({std::move(file.path), std::move(file.content)});
    }
    return absl::OkStatus();
  }

  absl::Status WriteWithoutFigures() {
    rendered_.files.clear();
    return WriteReport(/*draw=*/false);
  }

  // Where a document shows a figure that gnuplot did not draw, it says so instead.
  absl::Status ReplaceMissingFigures() {
    for (TextFile& file : rendered_.files) {
      if (!absl::EndsWith(file.path, ".md") || absl::StrContains(file.path, '/')) continue;
      const Language language =
          file.path == MarkdownName(Language::kChinese) ? Language::kChinese : Language::kEnglish;
      std::vector<std::string> lines = absl::StrSplit(file.content, '\n');
      for (std::string& line : lines) {
        if (IsMissingFigure(line)) line = NotDrawn(language);
      }
      file.content = absl::StrJoin(lines, "\n");
      QL_RETURN_IF_ERROR(Write(folder_ / file.path, file.content));
    }
    return absl::OkStatus();
  }

  // Only our own figures begin a line so: "!" and "[" of anything else are escaped.
  bool IsMissingFigure(absl::string_view line) const {
    const size_t link = line.rfind("](");
    if (!absl::StartsWith(line, "![") || link == absl::string_view::npos || !absl::EndsWith(line, ".svg)"))
      return false;
    const std::string figure(line.substr(link + 2, line.size() - link - 2 - sizeof(".svg)") + 1));
    return drawn_.count(figure + ".svg") == 0 || drawn_.count(figure + ".png") == 0;
  }

  static std::string NotDrawn(Language language) {
    return report::Say(
        language, "Not drawn here: gnuplot failed. `sh figures/redraw.sh` draws it from the data beside it.",
        "此处未绘制：gnuplot 运行失败。运行 `sh figures/redraw.sh` 可由所附数据重新绘制。");
  }

  absl::Status Run(std::vector<std::string> argv) {
    ToolCall call;
    call.argv = std::move(argv);
    call.folder = folder_.string();
    return RunTool(call, options_.cancellation);
  }

  absl::Status Draw() {
    QL_RETURN_IF_ERROR(FindProgram("gnuplot").status());
    QL_ASSIGN_OR_RETURN(const std::string shell, FindProgram("sh"));
    Say(messages::kDrawingFigures());
    const absl::Status ran = Run({shell, "figures/redraw.sh"});
    if (absl::IsCancelled(ran)) return ran;
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(folder_ / "figures", error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const std::string extension = it->path().extension().string();
      if (extension != ".svg" && extension != ".png") continue;
      drawn_.insert(it->path().lexically_relative(folder_).generic_string());
    }
    if (error) return FileError(error.value(), "list", (folder_ / "figures").string());
    for (const std::string& path : drawn_) QL_RETURN_IF_ERROR(Take(path));
    return ran;
  }

  absl::Status Take(const std::string& path) {
    QL_ASSIGN_OR_RETURN(std::string content, ReadFile((folder_ / path).string(), kLargestFile));
    rendered_.files.push_back({path, std::move(content)});
    return absl::OkStatus();
  }

  absl::Status MakePages(Language language) {
    const std::string code = report::LanguageCode(language);
    if (options_.html) {
      const absl::Status made = MakePage(language, Medium::kScreen, absl::StrCat("report.", code, ".html"));
      if (absl::IsCancelled(made)) return made;
      if (!made.ok()) Note("HTML was not made", made, "pandoc", "");
    }
    if (options_.pdf) {
      const char* const name = IsChinese(language) ? "课程设计报告.pdf" : "report.en.pdf";
      const absl::Status made = MakePage(language, Medium::kPaper, name);
      if (absl::IsCancelled(made)) return made;
      if (!made.ok()) Note("PDF was not made", made, "pandoc weasyprint", "");
    }
    return absl::OkStatus();
  }

  absl::Status MakePage(Language language, Medium medium, const std::string& name) {
    QL_ASSIGN_OR_RETURN(const std::string pandoc, FindProgram("pandoc"));
    Say(messages::kMakingPage(name));
    const std::string title =
        absl::StrCat(data_.experiment.name, report::Say(language, ": quantization report", "：课程设计报告"));
    QL_RETURN_IF_ERROR(Write(folder_ / "template.html",
                             report::PageTemplate(language, medium, title,
                                                  report::PageFacts(language, facts_), from_file_.cover)));
    // Names and messages are escaped in the Markdown; without raw HTML nothing else could be markup either.
    std::vector<std::string> argv = {
        pandoc, "--from=commonmark-raw_html+pipe_tables+gfm_auto_identifiers+bracketed_spans", "--standalone",
        "--toc", "--toc-depth=2",
        // The first heading becomes the title, above the contents.
        "--shift-heading-level-by=-1", "--template=template.html", absl::StrCat("--output=", name)};
    if (medium == Medium::kScreen) {
      argv.insert(argv.end(), {"--to=html5", "--self-contained"});
    } else {
      QL_ASSIGN_OR_RETURN(const std::string weasyprint, FindProgram("weasyprint"));
      argv.insert(argv.end(), {"--to=html5", absl::StrCat("--pdf-engine=", weasyprint)});
    }
    QL_RETURN_IF_ERROR(WriteInput(medium, MarkdownName(language)));
    argv.push_back(kPageMarkdown);
    QL_RETURN_IF_ERROR(Run(std::move(argv)));
    return Take(name);
  }

  absl::Status WriteInput(Medium medium, const std::string& markdown) {
    QL_ASSIGN_OR_RETURN(const std::string text, ReadFile((folder_ / markdown).string(), kLargestFile));
    return Write(folder_ / kPageMarkdown, report::PageMarkdown(medium, text));
  }

  void Say(const Message& step) const {
    if (options_.progress) options_.progress(step);
  }

  // Once each: both languages lack the same program.
  void Note(const std::string& what, const absl::Status& why, const std::string& packages,
            const std::string& otherwise) {
    std::string note = absl::StrCat(what, ": ", std::string(why.message()));
    if (absl::IsNotFound(why)) {
      absl::StrAppend(&note, "; install it (Debian: apt-get install ", packages,
                      ") and call 'quantctl report' again");
    }
    if (!otherwise.empty()) absl::StrAppend(&note, "; ", otherwise);
    if (said_.insert(note).second) rendered_.notes.push_back(note);
  }

  const ReportData& data_;
  const report::Facts facts_;  // borrows from it
  const ReportOptions from_file_;
  const RenderOptions& options_;
  const fs::path folder_;
  RenderedReport rendered_;
  std::set<std::string> drawn_;  // figures, relative paths
  std::set<std::string> said_;
};

}  // namespace

absl::StatusOr<RenderedReport> RenderFiles(const ReportData& data, const RenderOptions& options) {
  QL_ASSIGN_OR_RETURN(const ScratchFolder folder, ScratchFolder::Make("quantlab-report"));
  return Renderer(data, options, folder.path()).Run();
}

}  // namespace quantlab::client
