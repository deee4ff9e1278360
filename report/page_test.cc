#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::report {
namespace {

using testing::HasSubstr;

TEST(PageTest, ATitleIsTextWhateverItHolds) {
  const std::string page = PageTemplate(Language::kEnglish, Medium::kScreen, "</title><script>$x$ & \"", "");
  EXPECT_THAT(page, HasSubstr("<title>&lt;/title&gt;&lt;script&gt;$$x$$ &amp; &quot;</title>"));
}

TEST(PageTest, NamesCannotEndTheScriptOfFacts) {
  Facts facts;
  VariantFacts variant;
  variant.name = "</script>\"\\$x$\n";
  facts.variants = {variant};
  const std::string json = PageFacts(Language::kEnglish, facts);
  EXPECT_THAT(json, HasSubstr(R"("name":"\u003c/script>\"\\$x$")"));
  EXPECT_THAT(PageTemplate(Language::kEnglish, Medium::kScreen, "t", json), HasSubstr("$$x$$\""));
}

TEST(PageTest, ACoverHasWhatTheFileSays) {
  CoverOptions cover;
  cover.title = "A <b> $t$";
  cover.author = "Zhang";
  const std::string page = PageTemplate(Language::kChinese, Medium::kPaper, "T", "", cover);
  EXPECT_THAT(page, HasSubstr("<p class=\"cover-title\">A &lt;b&gt; $$t$$</p>"));
  EXPECT_THAT(page, HasSubstr("<dt>姓名</dt><dd>Zhang</dd>"));
  EXPECT_THAT(page, testing::Not(HasSubstr("学号")));
  EXPECT_THAT(PageTemplate(Language::kChinese, Medium::kPaper, "T", ""),
              testing::Not(HasSubstr("cover-title\">")));
}

TEST(PageTest, MarkdownForPandocHasSpansForAnchorsAndPaperHasPng) {
  const char* const text =
      "<a id=\"figure-1\"></a>**Figure 1.** \\<b\\>\n![a](figures/a.en.svg)\nsee ![b](b.svg)\n";
  EXPECT_EQ(PageMarkdown(Medium::kScreen, text),
            "[]{#figure-1}**Figure 1.** \\<b\\>\n![a](figures/a.en.svg)\nsee ![b](b.svg)\n");
  EXPECT_EQ(PageMarkdown(Medium::kPaper, text),
            "[]{#figure-1}**Figure 1.** \\<b\\>\n![a](figures/a.en.png)\nsee ![b](b.svg)\n");
}

TEST(PageTest, OnPaperHeadingsAndUnitsOfTablesStayWhole) {
  const char* const text = "| 方案 | 内存峰值 |\n|---|---:|\n| 静态量化 | 242 MB，共 |\n\n段落 3 MB\n";
  EXPECT_EQ(PageMarkdown(Medium::kPaper, text),
            "| 方\u2060案 | 内\u2060存\u2060峰\u2060值 |\n|---|---:|\n"
            "| 静态量化 | 242\u00A0MB，共 |\n\n段落 3 MB\n");
  EXPECT_EQ(PageMarkdown(Medium::kScreen, text), text);
}

TEST(PageTest, FactsHaveIntervalsAndTheUncorrectedP) {
  Facts facts;
  VariantFacts variant;
  variant.name = "q";
  Result accuracy, p;
  accuracy.value = 0.9;
  accuracy.low = 0.88;
  accuracy.high = 0.92;
  p.value = 0.03;
  variant.accuracy = accuracy;
  variant.p_value = p;
  facts.variants = {variant};
  EXPECT_EQ(PageFacts(Language::kEnglish, facts),
            R"({"speedColumn":false,"variants":[{"name":"q","label":"q","accuracy":"95% interval 88.00% to )"
            R"(92.00%","speed":"","p":"p = 0.030"}],"pairs":[],"charts":[]})");
}

TEST(PageTest, APairHasItsOwnUncorrectedP) {
  Facts facts;
  PairFacts pair;
  pair.variant = "q";
  pair.variant_label = {"Quantized", "量化"};
  pair.against = "s";
  Result p;
  p.value = 0.04;
  pair.p_value = p;
  facts.pairs = {pair};
  EXPECT_THAT(PageFacts(Language::kChinese, facts),
              HasSubstr(R"("pairs":[{"variant":"量化","against":"s","p":"p = 0.040"}])"));
}

TEST(PageTest, TheChartsAreOnScreensOnly) {
  EXPECT_THAT(PageTemplate(Language::kEnglish, Medium::kScreen, "T", ""), HasSubstr("quantlabCharts"));
  EXPECT_THAT(PageTemplate(Language::kEnglish, Medium::kPaper, "T", ""),
              testing::Not(HasSubstr("quantlabCharts")));
}

}  // namespace
}  // namespace quantlab::report
