// What people see: widths, tables, progress lines, documents, exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/messages.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/output.h"
#include "client/quantctl/table.h"
#include "proto/convert.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::quantlab::testing::EndChange;
using ::quantlab::testing::MakeExperiment;
using ::quantlab::testing::RunChange;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TextTest, WidthsAreTerminalColumns) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("动态量化"), 8u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);
  EXPECT_EQ(DisplayWidth(""), 0u);
}

TEST(TextTest, TruncatesWithinTheWidth) {
  EXPECT_EQ(Truncate("abcdef", 6), "abcdef");
  EXPECT_EQ(Truncate("abcdef", 4), "abc…");
  EXPECT_EQ(Truncate("动态量化", 5), "动态…");
  EXPECT_EQ(Truncate("动态量化", 4), "动…");
  EXPECT_EQ(Truncate("abc", 0), "");
}

TEST(TextTest, TruncatesInTheMiddleSoThatNamesStayDifferent) {
  EXPECT_EQ(TruncateMiddle("abcdef", 6), "abcdef");
  EXPECT_EQ(TruncateMiddle("abcdefghij", 7), "abc…hij");
  EXPECT_EQ(TruncateMiddle("weight_only.dtype-int4.group_size-128", 20), "weight_onl…_size-128");
  EXPECT_NE(TruncateMiddle("weight_only.dtype-int4.group_size-128", 16),
            TruncateMiddle("weight_only.dtype-int4.group_size-64", 16));
  EXPECT_EQ(TruncateMiddle("动态量化与静态量化", 9), "动态…量化");
  EXPECT_EQ(TruncateMiddle("abcdef", 2), "a…");
  EXPECT_EQ(TruncateMiddle("abc", 0), "");
  for (size_t width = 0; width < 20; ++width)
    EXPECT_LE(DisplayWidth(TruncateMiddle("动态abc量化d静态ef", width)), width);
}

TEST(TextTest, LinesEndBetweenWords) {
  EXPECT_THAT(WrapLine("one two  three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(WrapLine("one two  three", 0), ElementsAre("one two  three"));
  EXPECT_THAT(WrapLine("a /path/that/is-longer --no-reuse", 10),
              ElementsAre("a", "/path/that/is-longer", "--no-reuse"));
  EXPECT_THAT(WrapLine("faster by 95 %", 13), ElementsAre("faster by", "95 %"));
  EXPECT_THAT(WrapLine("", 10), ElementsAre(""));
  EXPECT_THAT(WrapLine("  ", 10), ElementsAre(""));
  EXPECT_THAT(WrapLine("one two", 5, 2), ElementsAre("one", "  two"));
}

TEST(TextTest, ChineseLinesEndAnywhereButAtPunctuation) {
  EXPECT_THAT(WrapLine("动态量化与静态量化", 8), ElementsAre("动态量化", "与静态量", "化"));
  // No line begins with what closes or ends, none ends with what opens.
  EXPECT_THAT(WrapLine("动态量化，静态", 8), ElementsAre("动态量", "化，静态"));
  EXPECT_THAT(WrapLine("动态量（静态）", 8), ElementsAre("动态量", "（静态）"));
  EXPECT_THAT(WrapLine("提速2.94×（95% 区间）", 9), ElementsAre("提速2.94×", "（95% 区", "间）"));
  // Words of other scripts stay whole.
  EXPECT_THAT(WrapLine("运行quantctl即可", 10), ElementsAre("运行", "quantctl即", "可"));
}

TEST(TextTest, WrappedLinesContinueBelowTheirText) {
  EXPECT_EQ(Wrap("one two three\n\nfour\n", 8), "one two\nthree\n\nfour\n");
  EXPECT_EQ(Wrap("- one two three", 9), "- one two\n  three");
  EXPECT_EQ(Wrap("  one two three", 9), "  one two\n  three");
  EXPECT_EQ(Wrap("  --all   one two three", 20), "  --all   one two\n          three");
  EXPECT_EQ(Wrap("  --everything   one two", 18), "  --everything\none two");
  EXPECT_EQ(Wrap("one two three", 0), "one two three");
}

TEST(TextTest, NothingOfALogLineReachesTheTerminalRaw) {
  EXPECT_EQ(Printable("a\tb"), "a b");
  EXPECT_EQ(Printable("\033[31mred\r\n"), "^[[31mred^M^J");
  EXPECT_EQ(Printable("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(Printable("\u009b31m"), "?31m");
  EXPECT_EQ(Printable("safe\u202egpj.exe"), "safe?gpj.exe");
  EXPECT_EQ(Printable("\u2066a\u2069\u200fb\u2028"), "?a??b?");
  EXPECT_EQ(Printable("好"), "好");
}

TEST(TextTest, HumanForms) {
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(90'868'376), "90.9 MB");
  EXPECT_EQ(HumanBytes(999'960), "1.0 MB");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(350)), "350 ms");
  EXPECT_EQ(HumanDuration(absl::Seconds(4.6)), "5 s");
  EXPECT_EQ(HumanDuration(absl::Seconds(125)), "2 min 05 s");
  EXPECT_EQ(HumanDuration(absl::Minutes(63)), "1 h 03 min");
  EXPECT_EQ(HumanDuration(absl::Hours(30)), "1 d 06 h");
  EXPECT_EQ(HumanDuration(-absl::Seconds(1)), "0 ms");
  EXPECT_EQ(HumanNumber(0.87345678), "0.8735");
  EXPECT_EQ(HumanNumber(1234567), "1,234,567");
  EXPECT_EQ(HumanNumber(-12345), "-12,345");
  EXPECT_EQ(HumanNumber(std::numeric_limits<double>::quiet_NaN()), "nan");
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(HumanTime(now - absl::Minutes(3), now), "3 min ago");
  EXPECT_EQ(HumanTime(now - absl::Seconds(3), now), "3 s ago");
}

TEST(TextTest, HumanFormsInChinese) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(HumanDuration(absl::Seconds(125), Language::kChinese), "2 分钟 05 秒");
  EXPECT_EQ(HumanTime(now - absl::Minutes(3), now, Language::kChinese), "3 分钟前");
}

TEST(ProgressTest, PhasesAndReasonsStandInTheReadersLanguage) {
  v1::Progress progress;
  progress.set_phase("fetching imdb");
  *progress.mutable_coded_phase() = ToProto(messages::kFetching("imdb"));
  PhaseMeter meter;
  meter.Update(progress, absl::FromUnixSeconds(0));
  EXPECT_EQ(meter.Text(), "fetching imdb");
  EXPECT_EQ(meter.Text(Language::kChinese), "获取 imdb");
  const v1::Message lost = ToProto(messages::kWorkerRestarted());
  EXPECT_EQ(ShownText(Language::kEnglish, lost, "as stored"), "as stored");
  EXPECT_EQ(ShownText(Language::kChinese, lost, "as stored"), "该次尝试执行期间，工作节点重新启动");
  EXPECT_EQ(ShownText(Language::kChinese, {}, "boom"), "原文“boom”");
}

TEST(TableTest, TitlesStandInTheReadersLanguage) {
  Table table({{"RUN"}, {"quick-k3f9a2"}});
  table.Add({"baseline", "x"});
  EXPECT_THAT(table.Render(false, 0, Language::kChinese), HasSubstr("运行      quick-k3f9a2"));
}

TEST(TableTest, ColumnsAlignWhateverTheScript) {
  Table table({{"NAME"}, {"N", Align::kRight}, {"LAST"}});
  table.Add({"动态", "1", "x"});
  table.Add({"abc", "100", ""});
  EXPECT_EQ(table.Render(false),
            "NAME    N  LAST\n"
            "动态    1  x\n"
            "abc   100\n");
}

TEST(TableTest, TheLastColumnGivesWay) {
  Table table({{"A"}, {"B"}});
  table.Add({"a", "a rather long explanation"});
  EXPECT_EQ(table.Render(false, 20),
            "A  B\n"
            "a  a rather long\n"
            "   explanation\n");
}

TEST(TableTest, FlexibleColumnsShareWhatTheOthersLeave) {
  Table table({{"KEY"}, Table::Flexible("ALLOWED"), {"MEANING"}});
  table.Add({"epochs", "an integer from 1 to 1000", "Passes over the training texts"});
  table.Add({"dtype", "fp32", "int8"});
  EXPECT_EQ(table.Render(false, 40),
            "KEY     ALLOWED         MEANING\n"
            "epochs  an integer      Passes over the\n"
            "        from 1 to 1000  training texts\n"
            "dtype   fp32            int8\n");
  // A narrow one takes no more than it needs.
  Table narrow({Table::Flexible("A"), {"B"}});
  narrow.Add({"x", "one two three four five"});
  EXPECT_EQ(narrow.Render(false, 20), "A  B\nx  one two three\n   four five\n");
}

TEST(TableTest, AWordThatIsWiderThanItsColumnIsCutInTheMiddle) {
  Table table({{"N"}, {"RUN"}});
  table.Add({"1", "weight_only.dtype-int4.group_size-128"});
  EXPECT_EQ(table.Render(false, 23), "N  RUN\n1  weight_onl…_size-128\n");
}

TEST(TableTest, WhatIsTooWideForAnyTerminalIsNotCutToNothing) {
  Table table({{"A"}, Table::Flexible("B"), {"C"}});
  table.Add({std::string(30, 'a'), "one two three four", "five six seven"});
  EXPECT_THAT(table.Render(false, 20), HasSubstr("one two     five six\n"));
}

TEST(TableTest, LineBreaksStayInTheirColumnAndColoursHugTheText) {
  Table table({{"A"}, {"B"}});
  table.Add({"x", Cell("one\ntwo", Tone::kBad)});
  EXPECT_EQ(table.Render(false), "A  B\nx  one\n   two\n");
  EXPECT_THAT(table.Render(true), HasSubstr("\033[31mone\033[0m\n"));
}

v1::WatchExperimentResponse ProgressChange(int64_t sequence, int64_t second, int64_t done, int64_t total) {
  v1::WatchExperimentResponse change;
  change.set_sequence(sequence);
  change.set_run_id("q-1/baseline");
  change.set_attempt(1);
  change.mutable_time()->set_seconds(second);
  v1::Progress* progress = change.mutable_event()->mutable_progress();
  progress->set_phase("training");
  progress->set_done(done);
  progress->set_total(total);
  progress->set_unit("step");
  return change;
}

class BoardTest : public ::testing::Test {
 protected:
  BoardTest() {
    v1::Experiment experiment = MakeExperiment("q-1", {"baseline", "dynamic_quantization"});
    experiment.set_state(v1::EXPERIMENT_STATE_ACTIVE);
    for (v1::Run& run : *experiment.mutable_runs()) run.set_state(v1::RUN_STATE_PENDING);
    board_ = std::make_unique<ProgressBoard>(experiment);
  }
  std::vector<std::string> Draw(int width = 100, int height = 20) {
    return board_->Draw(width, height, absl::FromUnixSeconds(1'700'000'100), false);
  }
  std::unique_ptr<ProgressBoard> board_;
};

TEST_F(BoardTest, ARunningRunShowsPhaseRateAndTimeLeft) {
  board_->Update(RunChange(1, "q-1/baseline", v1::RUN_STATE_RUNNING));
  board_->Update(ProgressChange(2, 100, 0, 200));
  board_->Update(ProgressChange(3, 110, 50, 200));
  EXPECT_EQ(Draw()[0],
            "baseline              RUNNING    ▕████            ▏ 25% training 50/200 steps, 5/s, 30 s left");
  EXPECT_THAT(board_->PlainLines(), ElementsAre("baseline: training 50/200 steps, 5/s, 30 s left"));
}

TEST_F(BoardTest, AUnitHasItsPlural) {
  board_->Update(RunChange(1, "q-1/baseline", v1::RUN_STATE_RUNNING));
  v1::WatchExperimentResponse change = ProgressChange(2, 100, 1, 5);
  change.mutable_event()->mutable_progress()->set_unit("process");
  board_->Update(change);
  EXPECT_THAT(board_->PlainLines(), ElementsAre("baseline: training 1/5 processes"));
}

TEST_F(BoardTest, TheLastLineCountsRunsAndEstimatesTheTimeLeft) {
  EXPECT_EQ(Draw().back(), "0 of 2 runs ended");
  v1::WatchExperimentResponse change = RunChange(1, "q-1/baseline", v1::RUN_STATE_RUNNING);
  change.mutable_time()->set_seconds(1'700'000'000);
  board_->Update(change);
  EXPECT_EQ(Draw().back(), "0 of 2 runs ended") << "nothing is known of how long a run takes";
  change = RunChange(2, "q-1/baseline", v1::RUN_STATE_SUCCEEDED);
  change.mutable_time()->set_seconds(1'700'000'060);
  board_->Update(change);
  EXPECT_EQ(Draw().back(), "1 of 2 runs ended, about 1 min 00 s left");
  change = RunChange(3, "q-1/dynamic_quantization", v1::RUN_STATE_RUNNING);
  change.mutable_time()->set_seconds(1'700'000'060);
  board_->Update(change);
  EXPECT_EQ(Draw().back(), "1 of 2 runs ended, about 20 s left") << "40 s after its start";
  board_->Update(EndChange(4, v1::EXPERIMENT_STATE_SUCCEEDED));
  EXPECT_EQ(Draw().size(), 2u) << "an ended experiment needs no estimate";
}

TEST_F(BoardTest, ANewPhaseStartsItsOwnRate) {
  board_->Update(RunChange(1, "q-1/baseline", v1::RUN_STATE_RUNNING));
  board_->Update(ProgressChange(2, 100, 0, 200));
  board_->Update(ProgressChange(3, 110, 200, 200));
  v1::WatchExperimentResponse change = ProgressChange(4, 120, 10, 0);
  change.mutable_event()->mutable_progress()->set_phase("evaluating");
  board_->Update(change);
  EXPECT_THAT(Draw()[0], HasSubstr("evaluating 10 steps"));
  change = ProgressChange(5, 130, 2, 5);
  change.mutable_event()->mutable_progress()->set_unit("process");
  board_->Update(change);
  EXPECT_THAT(Draw()[0], HasSubstr("2/5 processes"));
}

TEST_F(BoardTest, NewStatesAndWarningsAreNews) {
  const auto state = board_->Update(RunChange(1, "q-1/baseline", v1::RUN_STATE_RUNNING));
  ASSERT_EQ(state.size(), 1u);
  EXPECT_EQ(state[0].run, "baseline");
  v1::WatchExperimentResponse change = ProgressChange(2, 1, 0, 0);
  change.mutable_event()->mutable_log()->set_severity(v1::SEVERITY_WARNING);
  change.mutable_event()->mutable_log()->set_message("hot");
  EXPECT_EQ(board_->Update(change).at(0).text, "hot");
  EXPECT_TRUE(board_->Update(RunChange(3, "other/run", v1::RUN_STATE_RUNNING)).empty());
  board_->Update(EndChange(4, v1::EXPERIMENT_STATE_FAILED));
  EXPECT_EQ(board_->ended(), v1::EXPERIMENT_STATE_FAILED);
}

TEST_F(BoardTest, ANarrowOrLowScreenIsRespected) {
  board_->Update(RunChange(1, "q-1/baseline", v1::RUN_STATE_RUNNING));
  board_->Update(ProgressChange(2, 100, 0, 200));
  for (const std::string& line : Draw(40)) EXPECT_LT(DisplayWidth(line), 40u) << line;
  v1::Experiment many = MakeExperiment("q-1", std::vector<std::string>{"a", "b", "c", "d", "e", "f"});
  board_->Refresh(many);
  EXPECT_EQ(Draw(80, 4).size(), 4u);
  EXPECT_THAT(Draw(80, 4).back(), HasSubstr("more"));
}

TEST(OutputTest, DocumentsCarryTheirSchemaAndEveryField) {
  v1::Experiment experiment;
  experiment.set_id("q-1");
  const std::string json = RenderDocument("Experiment", ToJsonValue(experiment), "json");
  EXPECT_EQ(json.rfind("{\n  \"schema\": \"quantlab/Experiment\",\n  \"version\": 2,\n  \"id\": \"q-1\"", 0),
            0u);
  EXPECT_THAT(json, HasSubstr("\"priority\": 0"));
}

TEST(OutputTest, YamlKeepsTextsApartFromNumbers) {
  const Json body = {{"text", "1"}, {"number", 1}, {"名", "值"}, {"none", nullptr}, {"list", Json::array()}};
  const std::string yaml = RenderDocument("X", body, "yaml");
  EXPECT_THAT(yaml, HasSubstr("text: \"1\""));
  EXPECT_THAT(yaml, HasSubstr("number: 1"));
  EXPECT_THAT(yaml, HasSubstr("名: \"值\""));
}

TEST(ExitCodesTest, EachStatusHasItsOwnMeaning) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::AbortedError("")), 7);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 7);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("")), 8);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 70);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("")), 70);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("")), 130);
  EXPECT_THAT(ExitCodeHelp(), HasSubstr("130  interrupted"));
}

}  // namespace
}  // namespace quantlab::client
