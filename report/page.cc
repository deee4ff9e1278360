#include "report/page.h"

#include "absl/strings/str_replace.h"
#include "report/facts/format.h"
#include "report/page/texts.h"

namespace quantlab::report {
namespace {

// As text of HTML inside a pandoc template, where a dollar begins a variable.
std::string EscapeTitle(absl::string_view title) {
  return absl::StrReplaceAll(OneLine(title),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"$", "$$"}});
}

}  // namespace

std::string PageTemplate(Language language, Medium medium, absl::string_view title) {
  const bool screen = medium == Medium::kScreen;
  return absl::StrReplaceAll(screen ? page::kScreen : page::kPaper,
                             {{"{{language}}", Say(language, "en", "zh-CN")},
                              {"{{title}}", EscapeTitle(title)},
                              {"{{contents}}", Say(language, "Contents", "目录")},
                              {"{{style}}", screen ? page::kScreenStyle : page::kPaperStyle},
                              {"{{script}}", page::kScript}});
}

}  // namespace quantlab::report
