#include "report/page.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "report/facts/format.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/page/texts.h"
#include "report/page_charts.h"
#include "report/page_json.h"

namespace quantlab::report {
namespace {

constexpr char kNoFacts[] = R"({"speedColumn":false,"variants":[],"pairs":[],"charts":[]})";

// As text of HTML inside a pandoc template, where a dollar begins a variable.
std::string EscapeTitle(absl::string_view title) {
  return absl::StrReplaceAll(OneLine(title),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"$", "$$"}});
}

std::string LabelOf(Language language, const Text& label, const std::string& name) {
  const std::string& text = label.In(language);
  return text.empty() ? name : text;
}

std::string VariantJson(Language language, const Facts& facts, const VariantFacts& variant) {
  const Result* const speed = SpeedupOf(variant, 0, HeadlineShape(facts));
  const bool tested = variant.p_value.has_value() && variant.p_value->seeds == 1;
  return JsonObject()
      .Text("name", variant.name)
      .Text("label", LabelOf(language, variant.label, variant.name))
      .Text("accuracy", variant.accuracy.has_value()
                            ? SpreadOf(language, *variant.accuracy, QualityFormat(*variant.task))
                            : "")
      .Text("speed", speed == nullptr ? "" : SpreadOf(language, *speed, FormatRatio))
      .Text("p", tested ? FormatPValue(variant.p_value->value) : "")
      .Build();
}

std::string PairJson(Language language, const PairFacts& pair) {
  const bool tested = pair.p_value.has_value() && pair.p_value->seeds == 1;
  return JsonObject()
      .Text("variant", LabelOf(language, pair.variant_label, pair.variant))
      .Text("against", LabelOf(language, pair.against_label, pair.against))
      .Text("p", tested ? FormatPValue(pair.p_value->value) : "")
      .Build();
}

// Whether a character of three bytes begins here that is a Chinese one.
bool IsChinese(absl::string_view text, size_t at) {
  if (at + 3 > text.size()) return false;
  const auto first = static_cast<unsigned char>(text[at]);
  return first >= 0xE4 && first <= 0xE9;
}

// With U+2060 between Chinese characters, where a line may not break then.
std::string JoinChinese(absl::string_view text) {
  std::string joined;
  for (size_t i = 0; i < text.size();) {
    const size_t length = IsChinese(text, i) ? 3 : 1;
    absl::StrAppend(&joined, text.substr(i, length));
    i += length;
    if (length == 3 && IsChinese(text, i)) joined += "\u2060";
  }
  return joined;
}

// A row of a table on paper: headings do not break inside words, nor numbers before their units. weasyprint
// knows no style for that. Other cells stay as they are, so that their words are found by searching.
std::string PaperRow(absl::string_view row, bool heading) {
  if (heading) return JoinChinese(row);
  return absl::StrReplaceAll(row, {{" MB", "\u00A0MB"},
                                   {" GB", "\u00A0GB"},
                                   {" kB", "\u00A0kB"},
                                   {" ms", "\u00A0ms"},
                                   {"p = ", "p\u00A0=\u00A0"},
                                   {"p < ", "p\u00A0<\u00A0"}});
}

std::string CoverHtml(Language language, const CoverOptions& cover, absl::string_view title) {
  std::string html =
      absl::StrCat("<section class=\"cover\">\n<p class=\"cover-title\">",
                   EscapeTitle(cover.title.empty() ? title : absl::string_view(cover.title)), "</p>\n<dl>\n");
  for (const CoverField& field : CoverFields(language, cover)) {
    absl::StrAppend(&html, "<div><dt>", field.name, "</dt><dd>", EscapeTitle(field.value), "</dd></div>\n");
  }
  return absl::StrCat(html, "</dl>\n</section>\n");
}

}  // namespace

std::string PageFacts(Language language, const Facts& facts) {
  std::vector<std::string> variants, pairs;
  for (const VariantFacts& variant : facts.variants)
    variants.push_back(VariantJson(language, facts, variant));
  for (const PairFacts& pair : facts.pairs) pairs.push_back(PairJson(language, pair));
  return JsonObject()
      .Flag("speedColumn", HeadlineShape(facts).batch_size > 0)
      .Raw("variants", JsonList(variants))
      .Raw("pairs", JsonList(pairs))
      .Raw("charts", ChartsJson(language, facts))
      .Build();
}

// weasyprint 57 cannot draw gnuplot's SVG ("currentColor" in a <use>), so paper takes the PNG. Only our own
// figures and anchors begin a line so: "!", "[" and "<" of anything else are escaped.
std::string PageMarkdown(Medium medium, absl::string_view markdown) {
  std::string text;
  bool in_table = false;
  absl::ConsumeSuffix(&markdown, "\n");
  for (absl::string_view line : absl::StrSplit(markdown, '\n')) {
    const bool heading = !in_table;
    in_table = absl::StartsWith(line, "| ") || absl::StartsWith(line, "|-");
    if (medium == Medium::kPaper && absl::StartsWith(line, "| ")) {
      absl::StrAppend(&text, PaperRow(line, heading), "\n");
      continue;
    }
    if (medium == Medium::kPaper && absl::StartsWith(line, "![") && absl::ConsumeSuffix(&line, ".svg)")) {
      absl::StrAppend(&text, line, ".png)\n");
      continue;
    }
    const size_t end = line.find("\"></a>");
    if (absl::ConsumePrefix(&line, "<a id=\"") && end != absl::string_view::npos) {
      const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits("\"></a>", 1));
      absl::StrAppend(&text, "[]{#", parts[0], "}", parts[1], "\n");
      continue;
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::vector<CoverField> CoverFields(Language language, const CoverOptions& cover) {
  std::vector<CoverField> fields;
  const auto add = [&](const char* english, const char* chinese, const std::string& value) {
    if (!value.empty()) fields.push_back({Say(language, english, chinese), value});
  };
  add("School", "学校", cover.school);
  add("Course", "课程", cover.course);
  add("Author", "姓名", cover.author);
  add("Student number", "学号", cover.student_id);
  add("Class", "班级", cover.class_name);
  add("Teacher", "指导教师", cover.teacher);
  add("Date", "日期", cover.date);
  return fields;
}

std::string PageTemplate(Language language, Medium medium, absl::string_view title, absl::string_view facts,
                         const std::optional<CoverOptions>& cover) {
  const bool screen = medium == Medium::kScreen;
  return absl::StrReplaceAll(
      screen ? page::kScreen : page::kPaper,
      {{"{{language}}", Say(language, "en", "zh-CN")},
       {"{{title}}", EscapeTitle(title)},
       {"{{contents}}", Say(language, "Contents", "目录")},
       {"{{style}}", screen ? page::kScreenStyle : page::kPaperStyle},
       {"{{cover}}", cover.has_value() ? CoverHtml(language, *cover, title) : std::string()},
       {"{{facts}}", facts.empty() ? kNoFacts : absl::StrReplaceAll(facts, {{"$", "$$"}})},
       // A dollar begins a variable of the template.
       {"{{charts}}", absl::StrReplaceAll(page::kChart, {{"$", "$$"}})},
       {"{{script}}", page::kScript},
       {"{{figures}}", page::kFigures}});
}

}  // namespace quantlab::report
