#include "report/writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "report/figures/charts.h"

namespace quantlab::report {

Writer::Writer(Language language, const Facts& facts, bool draw, Numbers numbers)
    : language_(language),
      facts_(facts),
      draw_(draw),
      figures_(AllFigures(facts)),
      numbers_(std::move(numbers)) {}

std::string Writer::Reference(const std::string& shown) const {
  const auto it = numbers_.find(shown);
  if (it == numbers_.end()) return "";
  // Figures are known by a path, tables by a plain name.
  if (absl::StrContains(shown, '/'))
    return Fill("[Figure $0](#figure-$0)", "[图 $0](#figure-$0)", it->second);
  return Fill("[Table $0](#table-$0)", "[表 $0](#table-$0)", it->second);
}

std::string Writer::Caption(const char* kind, const char* english, const char* chinese, int number,
                            const std::string& caption) const {
  return absl::StrCat("<a id=\"", kind, "-", number, "\"></a>", Fill(english, chinese, number, caption));
}

void Writer::Title(const std::string& title) {
  absl::StrAppend(&text_, "# ", title, "\n\n");
}

void Writer::Section(const char* english, const char* chinese) {
  subsection_ = 0;
  absl::StrAppend(&text_, "## ", ++section_, " ", Say(english, chinese), "\n\n");
}

void Writer::Subsection(const std::string& title) {
  absl::StrAppend(&text_, "### ", section_, ".", ++subsection_, " ", title, "\n\n");
}

void Writer::Unnumbered(const char* english, const char* chinese) {
  absl::StrAppend(&text_, "## ", Say(english, chinese), "\n\n");
}

void Writer::Paragraph(const std::string& text) {
  if (!text.empty()) absl::StrAppend(&text_, text, "\n\n");
}

void Writer::Item(const std::string& text) {
  if (!text.empty()) absl::StrAppend(&text_, "- ", text, "\n");
}

void Writer::EndList() {
  if (!absl::EndsWith(text_, "\n\n")) text_ += '\n';
}

void Writer::Show(const Table& table) {
  if (table.rows.empty()) return;
  given_[table.name] = ++table_;
  Paragraph(Caption("table", "**Table $0.** $1", "**表 $0** $1", table_, table.caption));
  absl::StrAppend(&text_, TableMarkdown(table), "\n");
}

bool Writer::HasFigure(const std::string& path) const {
  return std::any_of(figures_.begin(), figures_.end(),
                     [&](const Figure& figure) { return figure.path == path; });
}

bool Writer::ShowFigure(const std::string& path) {
  const auto it = std::find_if(figures_.begin(), figures_.end(),
                               [&](const Figure& figure) { return figure.path == path; });
  if (it == figures_.end()) return false;
  given_[path] = ++figure_;
  if (draw_) {
    absl::StrAppend(&text_, "![", it->title.In(language_), "](figures/", path, ".", LanguageCode(language_),
                    ".svg)\n\n");
  }
  std::string caption =
      Caption("figure", "**Figure $0.** $1", "**图 $0** $1", figure_, it->caption.In(language_));
  if (!draw_) {
    absl::StrAppend(&caption,
                    Fill(" (Not drawn here: `sh figures/redraw.sh` draws it from `figures/$0.csv`.)",
                         "（此处未绘制：`sh figures/redraw.sh` 可由 `figures/$0.csv` 绘出。）", path));
  }
  Paragraph(caption);
  return true;
}

}  // namespace quantlab::report
