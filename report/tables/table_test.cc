#include "report/tables/table.h"

#include <gtest/gtest.h>

namespace quantlab::report {
namespace {

TEST(TableTest, ColumnsMayBeForOneFormOnly) {
  const Table table = {"t",
                       "c",
                       {{"id", "Title", false}, {"raw", "", false}, {"", "Shown", true}},
                       {{TextCell("a|b"), ExactCell(0.5), Cell{"half", "never"}}}};
  EXPECT_EQ(TableMarkdown(table), "| Title | Shown |\n|---|---:|\n| a\\|b | half |\n");
  EXPECT_EQ(TableCsv(table), "id,raw\na|b,0.5\n");
}

TEST(TableTest, NoRowsNoTable) {
  EXPECT_EQ(TableMarkdown({"t", "c", {{"id", "Title", false}}, {}}), "");
  EXPECT_EQ(TableCsv({"t", "c", {{"id", "Title", false}}, {}}), "id\n");
}

}  // namespace
}  // namespace quantlab::report
