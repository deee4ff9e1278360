#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::report {
namespace {

using testing::HasSubstr;

TEST(PageTest, ATitleIsTextWhateverItHolds) {
  const std::string page = PageTemplate(Language::kEnglish, Medium::kScreen, "</title><script>$x$ & \"");
  EXPECT_THAT(page, HasSubstr("<title>&lt;/title&gt;&lt;script&gt;$$x$$ &amp; &quot;</title>"));
}

}  // namespace
}  // namespace quantlab::report
