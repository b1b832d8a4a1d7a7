#include "common/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

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

// stderr is a pipe while this lives.
class PipedStderr {
 public:
  PipedStderr() : saved_(::dup(STDERR_FILENO)) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~PipedStderr() { ::dup2(saved_.get(), STDERR_FILENO); }
  static void fill() {
    const UniqueFd own(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    const std::string page(4096, '.');
    while (::write(own.get(), page.data(), page.size()) > 0) {}
  }
  std::string read() {
    std::string text;
    char buffer[65536];
    for (ssize_t n = 0; (n = ::read(reader_.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
  }

 private:
  UniqueFd saved_;
  UniqueFd reader_;
};

TEST(Log, AFullStderrLosesLinesAndSaysHowMany) {
  set_log("fl-test", LogLevel::info, LogFormat::text);
  PipedStderr piped;
  PipedStderr::fill();
  ::alarm(60);  // it would wait forever
  log(LogLevel::info, "one");
  log(LogLevel::info, "two");
  set_status_line("three");
  EXPECT_EQ(piped.read().find_first_not_of('.'), std::string::npos);
  log(LogLevel::info, "four");
  log(LogLevel::info, "five");
  EXPECT_EQ(piped.read(),
            "fl-test: stderr was full: 3 log lines were dropped\nfl-test: four\nfl-test: five\n");
  ::alarm(0);
}

TEST(Log, ALineThatAFullStderrCutsIsEndedBeforeTheNext) {
  set_log("fl-test", LogLevel::info, LogFormat::text);
  PipedStderr piped;
  ::alarm(60);
  log(LogLevel::info, std::string(1 << 20, 'x'));
  const std::string cut = piped.read();
  EXPECT_EQ(cut.find_first_not_of('x', 9), std::string::npos);
  log(LogLevel::info, "two");
  EXPECT_EQ(piped.read(), "\nfl-test: stderr was full: 1 log line was dropped\nfl-test: two\n");
  ::alarm(0);
}

}  // namespace
}  // namespace fl
