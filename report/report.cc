#include "report/report.h"

#include "absl/strings/str_cat.h"
#include "report/document.h"
#include "report/facts/facts.h"
#include "report/facts/quality.h"
#include "report/figures/charts.h"
#include "report/tables/table.h"
#include "report/tables/tables.h"
#include "report/text/decision_sentences.h"
#include "report/text/sentences.h"

namespace quantlab::report {

std::vector<ReportFile> RenderReport(const ReportData& data, const std::vector<Language>& languages,
                                     bool draw, const ReportOptions& options) {
  const Facts facts = CollectFacts(data);
  std::vector<ReportFile> files;
  files.reserve(languages.size());
  for (const Language language : languages) {
    files.push_back(
        {Say(language, "report.en.md", "课程设计报告.md"), RenderDocument(language, facts, options, draw)});
  }
  for (Figure& figure : AllFigures(facts)) {
    files.push_back({absl::StrCat("figures/", figure.path, ".gp"), std::move(figure.script)});
    for (FigureData& data : figure.data) {
      files.push_back({absl::StrCat("figures/", data.path), std::move(data.csv)});
    }
  }
  for (FigureData& tool : FigureTools(languages)) {
    files.push_back({absl::StrCat("figures/", tool.path), std::move(tool.csv)});
  }
  // CSV files are the same in every language.
  for (const Table& table : AllTables(Language::kEnglish, facts)) {
    if (!table.rows.empty()) files.push_back({absl::StrCat("tables/", table.name, ".csv"), TableCsv(table)});
  }
  for (const Language language : languages) {
    for (const Table& table : AllTables(language, facts)) {
      if (table.rows.empty()) continue;
      files.push_back({absl::StrCat("tables/", table.name, ".", LanguageCode(language), ".md"),
                       absl::StrCat(table.caption, "\n\n", TableMarkdown(table))});
    }
  }
  return files;
}

std::string RenderSummary(const ReportData& data, Language language) {
  const Facts facts = CollectFacts(data);
  std::string text;
  const auto add = [&](const char* english, const char* chinese, Goal goal) {
    const std::string line = GoalLine(language, facts, goal);
    if (!line.empty()) absl::StrAppend(&text, Say(language, english, chinese), line, "\n");
  };
  add("Speed: ", "速度：", Goal::kSpeed);
  add("Size: ", "体积：", Goal::kSize);
  add("Memory: ", "内存：", Goal::kMemory);
  const TaskSpec& task = facts.task();
  add(absl::StrCat(QualityTitle(Language::kEnglish, task), ": ").c_str(),
      absl::StrCat(QualityTitle(Language::kChinese, task), "：").c_str(), Goal::kAccuracy);
  for (const RunReport& run : data.runs) {
    if (run.run.state != RunState::kSucceeded) absl::StrAppend(&text, EndSentence(language, run), "\n");
  }
  return UnescapeMarkdown(text);
}

std::string RenderDecision(const Decision& decision, Language language) {
  std::string text =
      absl::StrCat(QuestionSentence(language, decision), "\n", AnswerSentence(language, decision), "\n\n");
  for (const std::string& sentence : ChecksSentences(language, decision)) {
    absl::StrAppend(&text, "- ", sentence, "\n");
  }
  return UnescapeMarkdown(text);
}

}  // namespace quantlab::report
