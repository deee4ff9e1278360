#include "worker/runner/line_reader.h"

#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::runner {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> AllLines(const std::string& text) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  std::thread writer([&] {
    size_t written = 0;
    while (written < text.size()) {
      const ssize_t n = write(fds[1], text.data() + written, text.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
    }
    close(fds[1]);
  });
  std::vector<std::string> lines;
  LineReader reader(fds[0]);
  while (true) {
    const auto line = reader.Next();
    EXPECT_TRUE(line.ok());
    if (!line.ok() || !line->has_value()) break;
    lines.push_back(**line);
  }
  writer.join();
  close(fds[0]);
  return lines;
}

TEST(LineReaderTest, SplitsAtLineFeedsAlone) {
  EXPECT_THAT(AllLines(""), ElementsAre());
  EXPECT_THAT(AllLines("\n"), ElementsAre(""));
  EXPECT_THAT(AllLines("a\n\nb\n"), ElementsAre("a", "", "b"));
  EXPECT_THAT(AllLines("no end"), ElementsAre("no end"));
  EXPECT_THAT(AllLines("a\r\nb\x0b\x0c\xe2\x80\xa8"), ElementsAre("a\r", "b\x0b\x0c\xe2\x80\xa8"));
  EXPECT_THAT(AllLines(std::string("a\0b\n\xff\n", 6)), ElementsAre(std::string("a\0b", 3), "\xff"));
}

TEST(LineReaderTest, LinesMayBeLongerThanAnyBuffer) {
  const std::string lengthy(3 << 20, 'x');
  EXPECT_THAT(AllLines(lengthy + "\nb\n" + lengthy), ElementsAre(lengthy, "b", lengthy));
}

TEST(LineReaderTest, SaysWhetherItWouldWait) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  LineReader reader(fds[0]);
  EXPECT_FALSE(reader.Ready());
  ASSERT_EQ(write(fds[1], "a\nb", 3), 3);
  EXPECT_TRUE(reader.Ready());
  EXPECT_EQ(reader.Next()->value(), "a");
  EXPECT_FALSE(reader.Ready());
  close(fds[1]);
  EXPECT_TRUE(reader.Ready());
  EXPECT_EQ(reader.Next()->value(), "b");
  EXPECT_FALSE(reader.Next()->has_value());
  close(fds[0]);
}

}  // namespace
}  // namespace quantlab::runner
