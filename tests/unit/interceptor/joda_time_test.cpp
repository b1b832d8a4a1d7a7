#include "tools/fl-intercept/joda_time.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

// What Joda itself gives for these is compared in tests/peers/flume; here is what it refuses.
std::string millis(std::string_view pattern, std::string_view text,
                   const std::string& zone = "Europe/Berlin") {
  const Result<JodaTime> time = JodaTime::parse(pattern, zone);
  if (!time) {
    return "pattern";
  }
  const auto ms = time->millis(text);
  return ms ? std::to_string(*ms) : "bad";
}

TEST(JodaTime, Reads) {
  EXPECT_EQ(millis("yyyy-MM-dd HH:mm:ss", "2026-02-01 10:00:00"), "1769936400000");
  EXPECT_EQ(millis("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "1970-01-01T00:00:00.001+00:00"), "1");
  EXPECT_EQ(millis("yyyy", "1970", "UTC"), "0");
  EXPECT_EQ(millis("yyyy-MM-dd", "2000-02-29", "UTC"), "951782400000");
}

TEST(JodaTime, AHourThatClocksLeaveOutIsBadAndOneThatTheyRepeatIsTheFirst) {
  EXPECT_EQ(millis("yyyy-MM-dd HH:mm", "2026-03-29 02:30"), "bad");
  EXPECT_EQ(millis("yyyy-MM-dd HH:mm", "2026-03-29 03:00"), "1774746000000");
  EXPECT_EQ(millis("yyyy-MM-dd HH:mm", "2026-10-25 02:30"), "1792888200000");
  EXPECT_EQ(millis("yyyy-MM-dd HH:mm", "2026-11-01 01:30", "America/New_York"), "1793511000000");
}

TEST(JodaTime, BadTexts) {
  for (const char* text :
       {"", "2026-02-01", "2026-02-30 00:00:00", "2026-13-01 00:00:00", "2026-00-01 00:00:00",
        "2026-02-01 24:00:00", "2026-02-01 10:60:00", "2026-02-01 10:00:00 ",
        " 2026-02-01 10:00:00", "2026-02-01T10:00:00", "9999999999-01-01 00:00:00",
        "999999999-01-01 00:00:00", "2026-02-001 00:00:00", "-2026-02-01 00:00:0\xFF"}) {
    EXPECT_EQ(millis("yyyy-MM-dd HH:mm:ss", text), "bad") << text;
  }
  EXPECT_EQ(millis("yyyy-DDD", "2023-366"), "bad");
  EXPECT_EQ(millis("Y", "0"), "bad");
  EXPECT_EQ(millis("HH Z", "10 +1"), "bad");
  EXPECT_EQ(millis("HH Z", "10 +24:00"), "bad");
  EXPECT_EQ(millis("HH Z", "10 +02:6"), "bad");
  EXPECT_EQ(millis("HH ZZZ", "10 No/Where"), "bad");
  EXPECT_EQ(millis("MMM", "jAN"), "bad");
  EXPECT_EQ(millis("SSS", ""), "bad");
}

TEST(JodaTime, BadPatterns) {
  for (const char* pattern : {"", "b", "yyyy-MM-ddTHH", "w", "xxxx", "z", "C", "G"}) {
    EXPECT_EQ(millis(pattern, "1"), "pattern") << pattern;
  }
  EXPECT_EQ(millis("yyyy", "2026", "No/Where"), "pattern");
}

}  // namespace
}  // namespace fl
