#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/message_json.h"
#include "base/messages/messages.h"
#include "base/records/run_state.h"
#include "base/status_macros.h"
#include "base/text/list.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr Language kLanguages[] = {Language::kEnglish, Language::kChinese};

std::string Chinese(const Message& message) {
  return Render(Language::kChinese, message);
}

TEST(MessageCatalogueTest, EveryCodeHasASentenceInEveryLanguageAndEverySentenceFits) {
  std::set<std::string> codes;
  for (const MessageSpec& spec : AllMessages()) {
    EXPECT_TRUE(codes.insert(spec.code).second) << spec.code << " is declared twice";
  }
  for (const Language language : kLanguages) {
    const auto sentences = ParseCatalogue(CatalogueText(language));
    ASSERT_TRUE(sentences.ok()) << sentences.status();
    for (const MessageSpec& spec : AllMessages()) {
      const auto sentence = sentences->find(spec.code);
      ASSERT_NE(sentence, sentences->end()) << spec.code << " lacks a sentence";
      EXPECT_THAT(CheckSentence(spec, sentence->second), IsEmpty()) << sentence->second;
    }
    for (const auto& [code, sentence] : *sentences) {
      EXPECT_TRUE(codes.count(code) > 0 || absl::StartsWith(code, "term.")) << code << " is not declared";
    }
  }
}

TEST(MessageCatalogueTest, EveryRunStateIsAChineseTerm) {
  for (int i = static_cast<int>(RunState::kPending); i <= static_cast<int>(RunState::kSkipped); ++i) {
    const std::string name(RunStateName(static_cast<RunState>(i)));
    EXPECT_NE(RenderTerm(Language::kChinese, name), name);
    EXPECT_EQ(RenderTerm(Language::kEnglish, name), name);
  }
}

TEST(MessageCatalogueTest, RendersInBothLanguages) {
  const Message message = messages::kRunNeedsFailed("baseline", "FAILED");
  EXPECT_EQ(English(message), "needs baseline, which ended as FAILED");
  EXPECT_EQ(Chinese(message), "依赖 baseline，而后者的结局是“失败”");
}

TEST(MessageCatalogueTest, TextsOfUnknownOriginAreQuotedInChinese) {
  const Message crashed = messages::kRunCrashedRetrying(2, TextMessage("No space left"));
  EXPECT_EQ(English(crashed), "attempt 2 crashed, retrying: No space left");
  EXPECT_EQ(Chinese(crashed), "第 2 次尝试崩溃，将重试：原文“No space left”");
}

TEST(MessageCatalogueTest, EmptyPartsLeaveNoPunctuation) {
  EXPECT_EQ(English(messages::kRunCancelled(Message())), "cancelled");
  EXPECT_EQ(Chinese(messages::kRunCancelled(Message())), "已取消");
  EXPECT_EQ(English(messages::kWorkerReturned("w1", "")), "worker w1 reconnected without it");
  EXPECT_EQ(Chinese(messages::kWorkerReturned("w1", "host")),
            "工作节点 w1（主机 host）重新连接时已没有该次尝试");
}

TEST(MessageCatalogueTest, WritesDurationsAndCountsForPeople) {
  const auto passed = [](absl::Duration limit) { return English(messages::kTimeLimitPassed(limit)); };
  EXPECT_EQ(passed(absl::Hours(1)), "the time limit of 1 h has passed");
  EXPECT_EQ(passed(absl::Seconds(3723)), "the time limit of 1 h 2 min 3 s has passed");
  EXPECT_EQ(passed(absl::Seconds(1.5)), "the time limit of 1.5 s has passed");
  EXPECT_EQ(passed(absl::Milliseconds(20)), "the time limit of 20 ms has passed");
  EXPECT_EQ(Chinese(messages::kTimeLimitPassed(absl::Minutes(90))), "超过时限 1 小时 30 分钟");
  EXPECT_EQ(English(messages::kRunsAhead(1)), "1 run is ahead of it in the queue");
  EXPECT_EQ(English(messages::kRunsAhead(1234567)), "1,234,567 runs are ahead of it in the queue");
}

TEST(MessageCatalogueTest, ShowsTheTextWhereTheMessageIsUnknownHere) {
  const Message later{"of.a_later_version", {}};
  EXPECT_EQ(RenderOr(Language::kChinese, later, "as it was"), "as it was");
  EXPECT_EQ(RenderOr(Language::kChinese, Message(), "as it was"), "as it was");
  // An argument of another type, or one that is missing.
  Message wrong = messages::kRunsAhead(1);
  wrong.arguments[0].value = std::string("one");
  EXPECT_FALSE(IsRenderable(wrong));
  wrong.arguments.clear();
  EXPECT_FALSE(IsRenderable(wrong));
  EXPECT_FALSE(IsRenderable(messages::kRunCancelled(later)));
  EXPECT_EQ(MessageOr(later, "as it was"), messages::kText("as it was"));
}

TEST(MessageCatalogueTest, FindsSentencesThatDoNotFit) {
  const MessageSpec spec{"x.y", {{"count", ArgumentKind::kCount}, {"name", ArgumentKind::kWord}}};
  EXPECT_THAT(CheckSentence(spec, "{count|one|many} of {name?(|)} in {{braces}}"), IsEmpty());
  EXPECT_THAT(CheckSentence(spec, "{count} of {nmae}"),
              UnorderedElementsAre(HasSubstr("no argument nmae"), HasSubstr("does not use name")));
  EXPECT_THAT(CheckSentence(spec, "{count} {name|one|many}"), ElementsAre(HasSubstr("name is no integer")));
  for (const char* broken : {"{count} {name", "name} {count}", "{count|one} {name}"}) {
    EXPECT_THAT(CheckSentence(spec, broken), ElementsAre(HasSubstr("braces"))) << broken;
  }
}

TEST(MessageCatalogueTest, NamesTheLineOfACatalogueThatIsMalformed) {
  const auto problem = [](absl::string_view text) {
    return std::string(ParseCatalogue(text).status().message());
  };
  EXPECT_THAT(problem("a = b"), HasSubstr("line 1: there is no [section]"));
  EXPECT_THAT(problem("[s]\n\n# note\nwords"), HasSubstr("line 4: there is no ="));
  EXPECT_THAT(problem("[s]\na ="), HasSubstr("line 2: the name or the sentence is empty"));
  EXPECT_THAT(problem("[s\n"), HasSubstr("line 1: a section must end with ]"));
  EXPECT_THAT(problem("[s]\na = b\na = c"), HasSubstr("line 3: s.a is there twice"));
  EXPECT_EQ(ParseCatalogue("[s]\na = b = c\n")->at("s.a"), "b = c");
}

TEST(MessageStatusTest, StatusesCarryMessages) {
  const Message message = messages::kRunNeedsMissing("baseline");
  const absl::Status status = MessageStatus(absl::StatusCode::kNotFound, message);
  EXPECT_EQ(status.message(), English(message));
  EXPECT_EQ(MessageOf(status), message);
  EXPECT_EQ(MessageOf(Annotate(Annotate(status, "inner"), "outer")),
            messages::kInContext("outer: inner", message));
  EXPECT_EQ(MessageOf(absl::InternalError("boom")), messages::kText("boom"));
  EXPECT_TRUE(MessageOf(absl::OkStatus()).empty());
  // A message that does not say what the status says is not believed.
  EXPECT_EQ(MessageOf(WithMessage(absl::InternalError("boom"), message)), messages::kText("boom"));
}

TEST(MessageJsonTest, ReadsWhatItWrote) {
  Message message{"any.code",
                  {{"text", std::string("“引号”\n")},
                   {"integer", std::numeric_limits<int64_t>::min()},
                   {"real", 0.1},
                   {"infinite", std::numeric_limits<double>::infinity()},
                   {"words", std::vector<std::string>{"a", ""}},
                   {"messages", std::vector<Message>{messages::kText("x"), messages::kRunsAhead(2)}}}};
  const auto read = MessageFromJson(MessageToJson(message));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, message);
  EXPECT_EQ(MessageToJson(Message()), "");
  EXPECT_TRUE(MessageFromJson("")->empty());
  EXPECT_EQ(MessageToJson(messages::kRunsAhead(2)),
            R"({"code":"explain.runs_ahead","arguments":[{"name":"runs","integer":"2"}]})");
}

TEST(MessageJsonTest, RefusesWhatIsNoMessage) {
  for (const char* bad :
       {"{", "[]", R"({"arguments":[]})", R"({"code":1})", R"({"code":"a","arguments":[{}]})",
        R"({"code":"a","arguments":[{"name":"n"}]})",
        R"({"code":"a","arguments":[{"name":"n","integer":"x"}]})",
        R"({"code":"a","arguments":[{"name":"n","real":"x"}]})", R"({"code":"a","arguments":{}})",
        R"({"code":"a","arguments":[{"name":"n","words":{"words":[1]}}]})"}) {
    EXPECT_EQ(MessageFromJson(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  Message deep = messages::kText("x");
  for (int i = 0; i <= kMaxMessageDepth; ++i) deep = messages::kRunCancelled(deep);
  EXPECT_THAT(std::string(MessageFromJson(MessageToJson(deep)).status().message()), HasSubstr("nested"));
}

TEST(RenderTest, AListThatWasCutEndsInTheReadersLanguage) {
  const Message cut = messages::kWroteFiles(FirstOf({"a", "b", "c", "d"}, 2));
  EXPECT_NE(Render(Language::kEnglish, cut).find("a, b, and 2 more"), std::string::npos);
  EXPECT_NE(Render(Language::kChinese, cut).find("a、b 等（另有 2 个）"), std::string::npos);
  EXPECT_NE(Render(Language::kChinese, messages::kWroteFiles({"a", "b"})).find("a、b"), std::string::npos);
}

}  // namespace
}  // namespace quantlab
