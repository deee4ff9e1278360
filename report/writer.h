// Puts a report together: numbered sections, tables and figures, and the works that it cites.
#ifndef QUANTLAB_REPORT_WRITER_H_
#define QUANTLAB_REPORT_WRITER_H_

#include <map>
#include <string>
#include <vector>

#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/facts/prose.h"
#include "report/figures/figure.h"
#include "report/tables/table.h"
#include "report/text/references.h"

namespace quantlab::report {

class Writer {
 public:
  // The numbers of figures by path ("results/accuracy"), and of tables by name ("accuracy").
  using Numbers = std::map<std::string, int>;

  // draw: figures are shown; otherwise the report says that they were not drawn. Borrows `facts`.
  // numbers: those of a report that was written before from the same facts, so that a sentence may refer to
  // what follows it; empty: nothing is referred to.
  Writer(Language language, const Facts& facts, bool draw, Numbers numbers = {});

  Language language() const { return language_; }
  const Facts& facts() const { return facts_; }
  const ReportData& data() const { return *facts_.data; }

  const char* Say(const char* english, const char* chinese) const {
    return report::Say(language_, english, chinese);
  }
  template <typename... Args>
  std::string Fill(const char* english, const char* chinese, const Args&... args) const {
    return report::Fill(language_, english, chinese, args...);
  }
  // A text of prose/ with its arguments.
  template <typename... Args>
  std::string Fill(const Prose& prose, const Args&... args) const {
    return Fill(prose.english, prose.chinese, args...);
  }
  const char* Comma() const { return Say(", ", "、"); }

  // "# title".
  void Title(const std::string& title);
  // "## 3 Methods"; numbers are given in order.
  void Section(const char* english, const char* chinese);
  // "### 3.1 …".
  void Subsection(const std::string& title);
  // Without a number.
  void Unnumbered(const char* english, const char* chinese);
  // Nothing where `text` is empty.
  void Paragraph(const std::string& text);
  void Item(const std::string& text);
  void EndList();
  // Its caption with a number, then the table; nothing where it has no rows.
  void Show(const Table& table);
  // A figure of AllFigures() by its path ("results/accuracy"), with number and caption; nothing where there
  // is none. Returns whether there is one.
  bool ShowFigure(const std::string& path);
  bool HasFigure(const std::string& path) const;
  // A sentence about a figure or a table that the report shows before or after it: $0 stands for "Figure 3"
  // or "Table 3", a link to it. Empty where the report does not show it.
  template <typename... Args>
  std::string About(const std::string& shown, const char* english, const char* chinese,
                    const Args&... args) const {
    const std::string reference = Reference(shown);
    return reference.empty() ? "" : Fill(english, chinese, reference, args...);
  }
  // What was numbered so far.
  const Numbers& numbers() const { return given_; }
  std::string Cite(Source source) { return references_.Cite(source); }
  std::string References() const { return references_.List(); }
  // As it stands.
  void Raw(const std::string& text) { text_ += text; }

  std::string Take() { return std::move(text_); }

 private:
  std::string Reference(const std::string& shown) const;
  // "<a id="figure-3"></a>**Figure 3.** caption", which a reference leads to.
  std::string Caption(const char* kind, const char* english, const char* chinese, int number,
                      const std::string& caption) const;

  const Language language_;
  const Facts& facts_;
  const bool draw_;
  const std::vector<Figure> figures_;
  class References references_;
  const Numbers numbers_;
  Numbers given_;
  std::string text_;
  int section_ = 0, subsection_ = 0, table_ = 0, figure_ = 0;
};

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_WRITER_H_
