#include "client/quantctl/command_line/command_line_text.h"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "client/quantctl/commands/commands.h"

namespace quantlab::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The problem with a command line of a program that has two commands, in both languages.
class ParseProblemTest : public ::testing::Test {
 protected:
  ParseProblemTest() : app_("A program.", "quantctl") {
    app_.require_subcommand(1);
    app_.add_option("--output", output_)->check(CLI::IsMember({"table", "json"}));
    CLI::App* run = app_.add_subcommand("run", "Runs");
    run->fallthrough();
    run->add_option("FILE", file_)->required();
    run->add_option("--limit", limit_);
    app_.add_subcommand("report", "Reports")->fallthrough();
  }

  std::string Problem(std::vector<std::string> arguments, Language language = Language::kEnglish) {
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(arguments);
    } catch (const CLI::ParseError& error) {
      return Render(language, ParseProblem(app_, error));
    }
    return "";
  }

  CLI::App app_;
  std::string output_, file_;
  int limit_ = 0;
};

TEST_F(ParseProblemTest, SuggestsTheNearestCommandAndOption) {
  EXPECT_EQ(Problem({"rnu", "x.yaml"}), "no command 'rnu'; did you mean run?; all commands: quantctl --help");
  EXPECT_EQ(Problem({"zzz"}), "no command 'zzz'; all commands: quantctl --help");
  EXPECT_EQ(Problem({"run", "x.yaml", "--limt", "3"}),
            "no option --limt; did you mean --limit?; all options: quantctl run --help");
  EXPECT_EQ(Problem({"report", "--ouput=json"}),
            "no option --ouput=json; did you mean --output?; all options: quantctl report --help");
}

TEST_F(ParseProblemTest, NamesWhatIsMissing) {
  EXPECT_EQ(Problem({}), "a command is required; all commands: quantctl --help");
  EXPECT_EQ(Problem({"run"}), "FILE is required; usage: quantctl run --help");
  EXPECT_EQ(Problem({"run", "x.yaml", "--limit"}), "--limit needs a value");
  EXPECT_EQ(Problem({"run", "x.yaml", "y.yaml"}),
            "the argument 'y.yaml' is not expected; usage: quantctl run --help");
}

TEST_F(ParseProblemTest, NamesTheValueAndWhatIsAllowed) {
  EXPECT_EQ(Problem({"report", "--output", "xml"}), "--output is 'xml'; allowed: table, json");
  EXPECT_EQ(Problem({"run", "x.yaml", "--limit", "many"}),
            "--limit cannot be 'many'; a number within its range is expected");
}

TEST_F(ParseProblemTest, SaysTheSameInChinese) {
  EXPECT_EQ(Problem({"rnu"}, Language::kChinese),
            "没有命令 'rnu'；是否想用 run？；全部命令：quantctl --help");
  EXPECT_EQ(Problem({"run"}, Language::kChinese), "缺少 FILE；用法：quantctl run --help");
  EXPECT_EQ(Problem({"report", "--output", "xml"}, Language::kChinese),
            "--output 的值是 'xml'；允许：table、json");
}

TEST(LanguageOfArgumentsTest, ReadsLangBeforeAnythingElse) {
  std::map<std::string, std::string> variables = {{"LANG", "zh_CN.UTF-8"}};
  const VariableLookup environment = [&](const char* name) { return variables[name]; };
  EXPECT_EQ(LanguageOfArguments({"run", "x.yaml"}, environment), Language::kChinese);
  EXPECT_EQ(LanguageOfArguments({"--lang", "en", "run"}, environment), Language::kEnglish);
  EXPECT_EQ(LanguageOfArguments({"run", "x.yaml", "--lang=en"}, environment), Language::kEnglish);
  EXPECT_EQ(LanguageOfArguments({"report", "--lang", "en"}, environment), Language::kChinese)
      << "--lang of `report` is the language of the report";
  EXPECT_EQ(LanguageOfArguments({"--lang"}, environment), Language::kChinese);
}

TEST(HelpFormatterTest, WritesLabelsInTheLanguage) {
  CLI::App app("程序。", "quantctl");
  app.formatter(HelpFormatter(Language::kChinese));
  app.set_help_flag("-h,--help", "帮助");
  std::string file;
  app.add_option("FILE", file, "文件")->required();
  const std::string help = app.help();
  EXPECT_THAT(help, HasSubstr("用法: quantctl [选项] FILE"));
  EXPECT_THAT(help, HasSubstr("\n选项:\n"));
  EXPECT_THAT(help, HasSubstr("必需"));
  EXPECT_THAT(help, Not(HasSubstr("Usage")));
}

}  // namespace
}  // namespace quantlab::client
