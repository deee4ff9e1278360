#include "runtimes/runtime_process.h"

#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace quantlab::runtimes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kHello[] =
    R"({"id":1,"protocol":1,"title":"Fake","version":"2","versions":{"fake":"2"},"formats":["onnx","folder"]})";

// A program that answers its requests with these lines, one after another, and then runs `last`.
std::vector<std::string> Program(const std::vector<std::string>& answers,
                                 const std::string& last = "read -r x") {
  std::string script;
  for (const std::string& answer : answers) absl::StrAppend(&script, "read -r x; echo '", answer, "'; ");
  return {"sh", "-c", script + last};
}

absl::StatusOr<std::unique_ptr<RuntimeProcess>> Start(const std::vector<std::string>& argv,
                                                      absl::Duration timeout = absl::Seconds(20)) {
  return RuntimeProcess::Start(argv, {.timeout = timeout, .should_stop = {}});
}

TEST(RuntimeProcessTest, LearnsWhatTheProgramIs) {
  const auto runtime = Start(Program({kHello}));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_EQ((*runtime)->identity().title, "Fake");
  EXPECT_EQ((*runtime)->identity().version, "2");
  EXPECT_THAT((*runtime)->identity().versions, ElementsAre(Pair("fake", "2")));
  EXPECT_THAT((*runtime)->identity().formats, ElementsAre("onnx", "folder"));
}

TEST(RuntimeProcessTest, LoadsRunsAndMeasures) {
  const auto runtime =
      Start(Program({kHello, R"({"id":2,"model":7})", R"({"id":3,"logits":[[1,-2.5],[0,3e1]]})",
                     R"({"id":4})", R"({"id":5,"seconds":[0.25]})"}));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const Batch batch = {{1, 2}, {3}};
  EXPECT_EQ(*(*runtime)->Load("/models/a \"b\"", "onnx", 2), 7);
  EXPECT_EQ(*(*runtime)->Run(7, batch), (Logits{{1, -2.5}, {0, 30}}));
  EXPECT_TRUE((*runtime)->WarmUp(7, batch, 3).ok());
  EXPECT_EQ(*(*runtime)->Measure(7), 0.25);
}

TEST(RuntimeProcessTest, WritesWhatTheDocumentSays) {
  // Each request is written to standard error, and from there into the last error.
  const auto runtime =
      Start({"sh", "-c",
             absl::StrCat(
                 "read -r x; echo '", kHello,
                 "'; read -r x; printf %s\\n \"$x\" >&2; echo '{\"id\":2}'; read -r x; printf %s\\n \"$x\" "
                 ">&2; echo '{\"id\":3,\"seconds\":[1]}'; read -r x; printf %s\\n \"$x\" >&2; exit 3")});
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_TRUE((*runtime)->WarmUp(0, {{101, 7}, {102}}, 2).ok());
  EXPECT_TRUE((*runtime)->Measure(0).ok());
  const absl::Status ended = (*runtime)->Load("/a\nb", "onnx", 4).status();
  EXPECT_EQ(ended.code(), absl::StatusCode::kInternal);
  for (const char* line : {R"({"id":2,"do":"warm_up","model":0,"passes":2,"batch":[[101,7],[102]]})",
                           R"({"id":3,"do":"measure","model":0,"passes":1})", "exited with code 3",
                           R"({"id":4,"do":"load","folder":"/a\nb","format":"onnx","threads":4})"}) {
    EXPECT_THAT(std::string(ended.message()), HasSubstr(line));
  }
}

TEST(RuntimeProcessTest, AnErrorIsTheProgramsOwnWordsAndItGoesOn) {
  const auto runtime =
      Start(Program({kHello, R"({"id":2,"error":"no such file"})", R"({"id":3,"model":0})"}));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const absl::Status status = (*runtime)->Load("/a", "onnx", 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "no such file");
  EXPECT_TRUE((*runtime)->Load("/b", "onnx", 1).ok());
}

TEST(RuntimeProcessTest, ARefusedGreetingIsAnError) {
  const auto runtime = Start(Program({R"({"id":1,"error":"ModuleNotFoundError: No module named onnx"})"}));
  EXPECT_EQ(runtime.status().message(), "ModuleNotFoundError: No module named onnx");
  EXPECT_TRUE(absl::IsNotFound(Start({"/nowhere/program"}).status()));
}

TEST(RuntimeProcessTest, MalformedGreetingsAreRefused) {
  for (const char* hello :
       {"hello", "[]", "{}", R"({"id":2})", R"({"id":1})", R"({"id":1,"protocol":2})",
        R"({"id":1,"protocol":1,"title":"","version":"2","versions":{},"formats":["onnx"]})",
        R"({"id":1,"protocol":1,"title":"F","versions":{},"formats":["onnx"]})",
        R"({"id":1,"protocol":1,"title":"F","version":"2","versions":[],"formats":["onnx"]})",
        R"({"id":1,"protocol":1,"title":"F","version":"2","versions":{"a":1},"formats":["onnx"]})",
        R"({"id":1,"protocol":1,"title":"F","version":"2","versions":{},"formats":[]})",
        R"({"id":1,"protocol":1,"title":"F","version":"2","versions":{},"formats":[1]})"}) {
    EXPECT_EQ(Start(Program({hello})).status().code(), absl::StatusCode::kInternal) << hello;
  }
}

TEST(RuntimeProcessTest, MalformedAnswersEndIt) {
  for (const char* answer :
       {"", "x", "7", R"({"logits":[[1]]})", R"({"id":1,"logits":[[1]]})", R"({"id":"2","logits":[[1]]})",
        R"({"id":2})", R"({"id":2,"logits":[]})", R"({"id":2,"logits":[[]]})",
        R"({"id":2,"logits":[[1],[2]]})", R"({"id":2,"logits":[["1"]]})", R"({"id":2,"logits":[[1e999]]})",
        R"({"id":2,"logits":[[null]]})"}) {
    const auto runtime = Start(Program({kHello, answer}));
    ASSERT_TRUE(runtime.ok()) << runtime.status();
    EXPECT_EQ((*runtime)->Run(0, {{1}}).status().code(), absl::StatusCode::kInternal) << answer;
    EXPECT_FALSE((*runtime)->Run(0, {{1}}).ok());
  }
  for (const char* seconds : {"[]", "[0]", "[-1]", "[1,2]", "1", "[\"1\"]", "[1e999]"}) {
    const auto runtime = Start(Program({kHello, absl::StrCat(R"({"id":2,"seconds":)", seconds, "}")}));
    ASSERT_TRUE(runtime.ok()) << runtime.status();
    EXPECT_EQ((*runtime)->Measure(0).status().code(), absl::StatusCode::kInternal) << seconds;
  }
}

TEST(RuntimeProcessTest, AProgramThatEndsIsReportedWithItsLastWords) {
  const auto runtime = Start(Program({kHello}, "read -r x; echo out of luck >&2; exit 9"));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const absl::Status status = (*runtime)->Measure(0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("exited with code 9: out of luck"));
  EXPECT_EQ((*runtime)->Measure(0).status(), status);
}

// More than a pipe holds, before an answer and of a request.
TEST(RuntimeProcessTest, NeitherSideBlocksTheOther) {
  const auto runtime =
      Start({"sh", "-c",
             absl::StrCat("head -c 3000000 /dev/zero >&2; read -r x; echo '", kHello,
                          "'; head -c 3000000 /dev/zero >&2; read -r x; echo '{\"id\":2}'; read -r x")});
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_TRUE((*runtime)->WarmUp(0, Batch(200, std::vector<int32_t>(1000, 12345)), 1).ok());
}

TEST(RuntimeProcessTest, AProgramThatDoesNotAnswerIsKilled) {
  const auto runtime = Start(Program({kHello}, "exec sleep 1000"));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const auto late = RuntimeProcess::Start(Program({}, "exec sleep 1000"),
                                          {.timeout = absl::Milliseconds(200), .should_stop = {}});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
  const auto stopped = RuntimeProcess::Start(Program({}, "exec sleep 1000"),
                                             {.timeout = absl::Hours(1), .should_stop = [] { return true; }});
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
}

TEST(RuntimeProcessTest, EndlessStandardErrorDelaysNoDeadline) {
  const absl::Time begin = absl::Now();
  const auto late = RuntimeProcess::Start(Program({}, "cat /dev/zero >&2; :"),
                                          {.timeout = absl::Milliseconds(200), .should_stop = {}});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

// Models are timed on the same cores while this process waits.
TEST(RuntimeProcessTest, AClosedStandardErrorIsWaitedForWithoutUsingTheProcessor) {
  const std::clock_t begin = std::clock();
  const auto late = RuntimeProcess::Start(Program({}, "exec sleep 1000 2>&-"),
                                          {.timeout = absl::Seconds(1), .should_stop = {}});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 0.3);
}

// A program that ends while one that it started still holds its output.
TEST(RuntimeProcessTest, TheEndOfTheProgramIsNotMistakenForWaiting) {
  const auto runtime = Start(Program({kHello}, "sleep 1000 & read -r x; echo no memory >&2; exit 7"));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const absl::Status status = (*runtime)->Measure(0).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("exited with code 7: no memory"));
  // Its last answer counts.
  const auto last = Start(Program({kHello}, "sleep 1000 & read -r x; echo '{\"id\":2,\"seconds\":[1]}'"));
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(*(*last)->Measure(0), 1);
}

TEST(RuntimeProcessTest, AStrayLineIsShown) {
  const auto runtime = Start(Program({"Loading the model"}));
  EXPECT_THAT(std::string(runtime.status().message()), HasSubstr("\"Loading the model\""));
}

TEST(RuntimeProcessTest, LongNamesAreCutBetweenCharacters) {
  std::string title = "x";
  for (int i = 0; i < 1000; ++i) title += "时";
  const auto runtime =
      Start(Program({absl::StrCat(R"({"id":1,"protocol":1,"version":"1","versions":{},"formats":["onnx"],)",
                                  R"("title":")", title, "\"}")}));
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_EQ((*runtime)->identity().title, title.substr(0, 127));
}

TEST(RuntimeProcessTest, AnEndlessLineIsRefused) {
  const auto runtime = Start(Program({}, "exec cat /dev/zero"));
  EXPECT_EQ(runtime.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(runtime.status().message()), HasSubstr("too long"));
}

}  // namespace
}  // namespace quantlab::runtimes
