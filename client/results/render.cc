#include "client/results/render.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <stdlib.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/transfer.h"
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
constexpr absl::Duration kBetweenSteps = absl::Milliseconds(200);

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
      const Message why = MessageOf(drawn), remedy = Remedy(drawn, "gnuplot-nox");
      Note(drawn_.empty() ? messages::kFiguresNotDrawn(why, remedy)
                          : messages::kSomeFiguresNotDrawn(why, remedy));
      QL_RETURN_IF_ERROR(drawn_.empty() ? WriteWithoutFigures() : ReplaceMissingFigures());
    }
    QL_RETURN_IF_ERROR(MakePages());
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

  absl::Status Run(std::vector<std::string> argv) const {
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

  // A document that pandoc makes from the Markdown.
  struct Page {
    Language language;
    Medium medium;
    std::string name;
    absl::StatusOr<std::vector<std::string>> argv = std::vector<std::string>();
  };

  std::vector<Page> PlanPages() {
    std::vector<Page> pages;
    for (const Language language : options_.languages) {
      if (options_.html) {
        const std::string name = absl::StrCat("report.", report::LanguageCode(language), ".html");
        pages.push_back({.language = language, .medium = Medium::kScreen, .name = name});
      }
      if (options_.pdf) {
        const char* const name = IsChinese(language) ? "课程设计报告.pdf" : "report.en.pdf";
        pages.push_back({.language = language, .medium = Medium::kPaper, .name = name});
      }
    }
    for (Page& page : pages) {
      Say(messages::kMakingPage(page.name));
      page.argv = Prepare(page);
    }
    return pages;
  }

  // Each by a process of its own, at the same time: most of the time goes into the fonts of one PDF.
  absl::Status MakePages() {
    const std::vector<Page> pages = PlanPages();
    std::vector<std::future<absl::Status>> made;
    for (const Page& page : pages) {
      made.push_back(std::async(std::launch::async, [this, &page] {
        return page.argv.ok() ? Run(*page.argv) : page.argv.status();
      }));
    }
    Await(pages, made);
    for (size_t i = 0; i < pages.size(); ++i) {
      absl::Status status = made[i].get();
      if (status.ok()) status = Take(pages[i].name);
      if (absl::IsCancelled(status)) return status;
      if (status.ok()) continue;
      const Message why = MessageOf(status);
      Note(pages[i].medium == Medium::kScreen
               ? messages::kHtmlNotMade(why, Remedy(status, "pandoc"))
               : messages::kPdfNotMade(why, Remedy(status, "pandoc weasyprint")));
    }
    return absl::OkStatus();
  }

  // Until all are made; says meanwhile which are not, and for how long.
  void Await(const std::vector<Page>& pages, const std::vector<std::future<absl::Status>>& made) const {
    const absl::Time start = absl::Now();
    while (true) {
      std::vector<std::string> waiting;
      for (size_t i = 0; i < pages.size(); ++i) {
        if (made[i].wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
          waiting.push_back(pages[i].name);
        }
      }
      if (waiting.empty()) return;
      Say(messages::kMakingPages(waiting, absl::Floor(absl::Now() - start, absl::Seconds(1))));
      absl::SleepFor(kBetweenSteps);
    }
  }

  // Writes what pandoc reads; its arguments.
  absl::StatusOr<std::vector<std::string>> Prepare(const Page& page) {
    QL_ASSIGN_OR_RETURN(const std::string pandoc, FindProgram("pandoc"));
    const Language language = page.language;
    const std::string title =
        absl::StrCat(data_.experiment.name, report::Say(language, ": quantization report", "：课程设计报告"));
    const std::string form = page.name + ".template", input = page.name + ".md";
    QL_RETURN_IF_ERROR(
        Write(folder_ / form, report::PageTemplate(language, page.medium, title,
                                                   report::PageFacts(language, facts_), from_file_.cover)));
    // Names and messages are escaped in the Markdown; without raw HTML nothing else could be markup either.
    std::vector<std::string> argv = {
        pandoc, "--from=commonmark-raw_html+pipe_tables+gfm_auto_identifiers+bracketed_spans", "--standalone",
        "--toc", "--toc-depth=2",
        // The first heading becomes the title, above the contents.
        "--shift-heading-level-by=-1", "--template=" + form, "--output=" + page.name, "--to=html5"};
    if (page.medium == Medium::kScreen) {
      argv.push_back("--self-contained");
    } else {
      QL_ASSIGN_OR_RETURN(const std::string weasyprint, FindProgram("weasyprint"));
      argv.push_back(absl::StrCat("--pdf-engine=", weasyprint));
    }
    QL_ASSIGN_OR_RETURN(const std::string text,
                        ReadFile((folder_ / MarkdownName(language)).string(), kLargestFile));
    QL_RETURN_IF_ERROR(Write(folder_ / input, report::PageMarkdown(page.medium, text)));
    argv.push_back(input);
    return argv;
  }

  void Say(const Message& step) const {
    if (options_.progress) options_.progress(step);
  }

  static Message Remedy(const absl::Status& why, const char* packages) {
    return absl::IsNotFound(why) ? messages::kInstallPackages(packages) : Message();
  }

  // Once each: both languages lack the same program.
  void Note(const Message& note) {
    std::vector<Message>& notes = rendered_.notes;
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }

  const ReportData& data_;
  const report::Facts facts_;  // borrows from it
  const ReportOptions from_file_;
  const RenderOptions& options_;
  const fs::path folder_;
  RenderedReport rendered_;
  std::set<std::string> drawn_;  // figures, relative paths
};

}  // namespace

absl::StatusOr<RenderedReport> RenderFiles(const ReportData& data, const RenderOptions& options) {
  QL_ASSIGN_OR_RETURN(const ScratchFolder folder, ScratchFolder::Make("quantlab-report"));
  return Renderer(data, options, folder.path()).Run();
}

}  // namespace quantlab::client
