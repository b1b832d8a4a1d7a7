#include "common/base/log.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace fl {
namespace {

std::string logged(LogFormat format, const Error& error) {
  set_log("fl-test", LogLevel::info, format);
  testing::internal::CaptureStderr();
  log(error);
  return testing::internal::GetCapturedStderr();
}

TEST(Printable, KeepsTextOfAnyScript) {
  EXPECT_EQ(printable("plain \\ text"), "plain \\ text");
  EXPECT_EQ(printable("Grüße, 日本語 🙂"), "Grüße, 日本語 🙂");
}

TEST(Printable, EscapesWhatCouldHarmATerminal) {
  EXPECT_EQ(printable("a\x1b[2J\r\n\t\x7f"), "a\\x1B[2J\\x0D\\x0A\\x09\\x7F");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xC2\\x9B31m");  // C1: CSI
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "x"),
            "\\xE2\\x80\\xAEx");  // right-to-left override
  EXPECT_EQ(printable("\xe2\x81\xa6"
                      "x"),
            "\\xE2\\x81\\xA6x");                            // isolate
  EXPECT_EQ(printable("\xe2\x80\x8b"), "\\xE2\\x80\\x8B");  // zero width space
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Printable, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xFF\\xFE");
  EXPECT_EQ(printable("\xc3"), "\\xC3");                             // cut
  EXPECT_EQ(printable("\xc0\xaf"), "\\xC0\\xAF");                    // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xED\\xA0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");  // beyond Unicode
}

TEST(Log, HintHasALineOfItsOwn) {
  EXPECT_EQ(logged(LogFormat::text, {ErrorClass::io, "cannot open '/x'", "look there"}),
            "fl-test: cannot open '/x'\nfl-test: look there\n");
}

TEST(Log, MessageNeverSpansLines) {
  EXPECT_EQ(logged(LogFormat::text, {ErrorClass::io, "a\nfl-test: forged", ""}),
            "fl-test: a\\x0Afl-test: forged\n");
}

TEST(Log, JsonIsOneObjectALine) {
  const std::string line = logged(LogFormat::json, {ErrorClass::io, "say \"x\"\n\xff", "h"});
  EXPECT_NE(
      line.find(
          R"("level":"error","program":"fl-test","message":"say \"x\"\\x0A\\xFF","hint":"h"})"),
      std::string::npos)
      << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Log, LessImportantLinesAreLeftOut) {
  set_log("fl-test", LogLevel::warning, LogFormat::text);
  testing::internal::CaptureStderr();
  log(LogLevel::info, "no");
  log(LogLevel::warning, "yes");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "fl-test: yes\n");
}

}  // namespace
}  // namespace fl
