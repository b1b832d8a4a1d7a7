#include "common/event/path_escape.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace fl {
namespace {

// 2012-06-23T13:46:33.235Z, a Saturday; 19:16:33 in Kolkata.
constexpr std::int64_t kTime = 1'340'459'193'235;

struct Sample {
  std::string bytes;
  Event event;
  explicit Sample(const Headers& headers) {
    append_event(bytes, headers, "");
    const char* why = nullptr;
    const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
    EXPECT_NE(scan_event(p, p + bytes.size(), {}, event, why), nullptr) << why;
  }
};

std::string full(const std::string& text, const Headers& headers = {},
                 const PathTimeOptions& time = {"UTC"}, std::int64_t ms = kTime) {
  const Sample sample(headers);
  const Result<PathTemplate> path = PathTemplate::parse(text);
  if (!path) {
    return "error: " + path.error().message;
  }
  const Result<PathClock> clock = PathClock::make(time);
  if (!clock) {
    return "error: " + clock.error().message;
  }
  const Result<PathClock::Moment> moment = clock->at(ms);
  if (!moment) {
    return "error: " + moment.error().message;
  }
  std::string out = path->fixed();
  if (!path->is_constant()) {
    out += out.empty() || out == "/" ? "" : "/";
    path->expand(sample.event, &*moment, out);
  }
  return out;
}

TEST(PathEscape, EachLetter) {
  EXPECT_EQ(full("%a %A %b %B"), "Sat Saturday Jun June");
  EXPECT_EQ(full("%c"), "Sat Jun 23 13%3A46%3A33 2012");
  EXPECT_EQ(full("%d %e %H %I %k %l"), "23 23 13 01 13 1");
  EXPECT_EQ(full("%j %m %n %M %S %p"), "175 06 6 46 33 PM");
  EXPECT_EQ(full("%y %Y %z %s %t"), "12 2012 +0000 1340459193 1340459193235");
  EXPECT_EQ(full("/x/%D/y"), "/x/06/23/12/y");
  EXPECT_EQ(full("%%"), "%");
}

std::string raw(const std::string& text, const Headers& headers) {
  const Sample sample(headers);
  std::string out;
  const Result<PathTemplate> path = PathTemplate::parse(text);
  path->expand_raw(sample.event, &*PathClock::make({"UTC"})->at(kTime), out);
  return out;
}

TEST(PathEscape, RawValuesAreNoPaths) {
  EXPECT_EQ(raw("%{h}", {{"h", "a/../b:%_\n"}}), "a/../b:%_\n");
  EXPECT_EQ(raw("%{h}", {}), "");
  EXPECT_EQ(raw("x-%{h}", {{"h", std::string(300, 'y')}}), "x-" + std::string(300, 'y'));
  EXPECT_EQ(raw("fixed", {}), "fixed");
  EXPECT_EQ(raw("a/%Y/%m", {}), "a/2012/06");
  EXPECT_EQ(raw("%D", {}), "06/23/12");
  EXPECT_EQ(raw("%c", {}), "Sat Jun 23 13:46:33 2012");
}

TEST(PathEscape, MidnightAndNoon) {
  EXPECT_EQ(full("%H %I %k %l %p %e", {}, {"UTC"}, 1'340'409'600'000), "00 12 0 12 AM 23");
  EXPECT_EQ(full("%H %I %k %l %p", {}, {"UTC"}, 1'340'452'800'000), "12 12 12 12 PM");
  EXPECT_EQ(full("%d-%e", {}, {"UTC"}, 1'338'508'800'000), "01-1");
}

TEST(PathEscape, WhatFitsNoPatternStays) {
  EXPECT_EQ(full("a%-b"), "a%-b");
  EXPECT_EQ(full("a%"), "a%");
  EXPECT_EQ(full("%{a b}"), "%{a b}");
  EXPECT_EQ(full("%{}"), "%{}");
  EXPECT_EQ(full("%[]"), "%[]");
  EXPECT_EQ(full("%{open"), "%{open");
  EXPECT_EQ(full("a%qb%Z%1%_c"), "abc");  // unknown letters are empty, as in Flume
  EXPECT_TRUE(full("%[nowhere]").starts_with("error"));
}

TEST(PathEscape, Headers) {
  EXPECT_EQ(full("%{h}-%{x.y-z}", {{"h", "$1\\"}, {"x.y-z", "v"}}), "$1\\-v");
  EXPECT_EQ(full("a%{none}b"), "ab");
}

TEST(PathEscape, HostNameIsPartOfTheFixedText) {
  const Result<PathTemplate> path = PathTemplate::parse("/logs/%[localhost]");
  ASSERT_TRUE(path.ok());
  EXPECT_TRUE(path->is_constant());
  EXPECT_GT(path->fixed().size(), std::string("/logs/").size());
  EXPECT_EQ(full("%[LocalHost]"), full("%[localhost]"));
}

TEST(PathEscape, FixedPart) {
  const Result<PathTemplate> path = PathTemplate::parse("/data//logs/./%Y/x/%{h}");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->fixed(), "/data/logs");
  EXPECT_FALSE(path->is_constant());
  EXPECT_TRUE(path->has_headers());
  EXPECT_EQ(path->time_step(), PathTimeStep::day);
  EXPECT_EQ(full("./out"), "out");
  EXPECT_EQ(full("/"), "/");
  EXPECT_TRUE(full("a/../b").starts_with("error"));
  EXPECT_TRUE(full("..").starts_with("error"));
  EXPECT_EQ(full("a/..b"), "a/..b");
}

TEST(PathEscape, TimeZones) {
  EXPECT_EQ(full("%Y-%m-%d %H %z", {}, {"Asia/Kolkata"}), "2012-06-23 19 +0530");
  EXPECT_EQ(full("%H %z", {}, {"America/Los_Angeles"}), "06 -0700");
  EXPECT_EQ(full("%H %z", {}, {"GMT+05:30"}), "19 +0530");
  EXPECT_EQ(full("%H %z", {}, {"GMT-7"}), "06 -0700");
  EXPECT_TRUE(full("%H", {}, {"Nowhere/Land"}).starts_with("error: unknown time zone"));
}

TEST(PathEscape, TheZoneOfTheEnvironment) {
  const char* const before = std::getenv("TZ");
  const std::string kept = before != nullptr ? before : "";
  ASSERT_EQ(setenv("TZ", ":Europe/Berlin", 1), 0);
  EXPECT_EQ(full("%H", {}, {""}), "15");
  before != nullptr ? setenv("TZ", kept.c_str(), 1) : unsetenv("TZ");
}

TEST(PathEscape, RoundingIsDownAndLocal) {
  const auto rounded = [](std::uint64_t value, const char* unit, const char* zone = "UTC") {
    return full("%H:%M:%S", {}, {zone, true, value, unit});
  };
  EXPECT_EQ(rounded(10, "minute"), "13:40:00");
  EXPECT_EQ(rounded(60, "minute"), "13:00:00");
  EXPECT_EQ(rounded(7, "minute"), "13:42:00");
  EXPECT_EQ(rounded(10, "second"), "13:46:30");
  EXPECT_EQ(rounded(1, "hour"), "13:00:00");
  EXPECT_EQ(rounded(24, "hour"), "00:00:00");
  EXPECT_EQ(rounded(6, "hour", "Asia/Kolkata"), "18:00:00");
  EXPECT_EQ(full("%s", {}, {"UTC", true, 10, "minute"}), "1340458800");
  EXPECT_EQ(full("%t", {}, {"UTC", true, 10, "minute"}), "1340459193235");
  EXPECT_TRUE(rounded(0, "minute").starts_with("error"));
  EXPECT_TRUE(rounded(61, "minute").starts_with("error"));
  EXPECT_TRUE(rounded(25, "hour").starts_with("error"));
  EXPECT_TRUE(rounded(1, "day").starts_with("error"));
}

TEST(PathEscape, TimesBeforeTheEpochAndOutOfRange) {
  EXPECT_EQ(full("%Y-%m-%d %S", {}, {"UTC"}, -1), "1969-12-31 59");
  EXPECT_TRUE(full("%Y", {}, {"UTC", true}, 0).starts_with("error"));
  EXPECT_TRUE(full("%Y", {}, {"UTC"}, INT64_MAX).starts_with("error"));
  EXPECT_TRUE(full("%Y", {}, {"UTC"}, INT64_MIN).starts_with("error"));
}

// Within the span a text that changes in that step stays; at its edges it changes.
TEST(PathEscape, SpansHoldWhatTheyPromise) {
  const struct {
    const char* text;
    PathTimeOptions time;
  } cases[] = {{"%Y-%m-%d", {"Asia/Kolkata"}},
               {"%H", {"Europe/Berlin"}},
               {"%H%M", {"UTC"}},
               {"%S", {"UTC"}},
               {"%H%M", {"Asia/Kolkata", true, 10, "minute"}},
               {"%H%M%S", {"UTC", true, 6, "hour"}}};
  for (const auto& one : cases) {
    const Result<PathClock> clock = PathClock::make(one.time);
    const Result<PathTemplate> path = PathTemplate::parse(one.text);
    ASSERT_TRUE(clock.ok() && path.ok());
    // Around the end of summer time in 2012 too.
    for (const std::int64_t ms : {kTime, std::int64_t{1'351'386'000'000}, std::int64_t{1}}) {
      const PathClock::Span span = clock->span(ms, path->time_step());
      EXPECT_LE(span.from_ms, ms);
      EXPECT_GT(span.until_ms, ms);
      const std::string text = full(one.text, {}, one.time, ms);
      EXPECT_EQ(full(one.text, {}, one.time, span.from_ms), text) << one.text;
      EXPECT_EQ(full(one.text, {}, one.time, span.until_ms - 1), text) << one.text;
    }
  }
}

TEST(PathEscape, AHeaderValueIsOneComponent) {
  const auto value = [](const std::string& text) { return full("p/%{h}/q", {{"h", text}}); };
  EXPECT_EQ(value("../../etc"), "p/%2E%2E%2F..%2Fetc/q");
  EXPECT_EQ(value(".."), "p/%2E%2E/q");
  EXPECT_EQ(value(""), "p/%-/q");
  EXPECT_EQ(value("%-"), "p/%25-/q");
  EXPECT_EQ(value("a:b"), "p/a%3Ab/q");
  EXPECT_EQ(value("100%"), "p/100%25/q");
  EXPECT_EQ(value(std::string("a\0b", 3)), "p/a%00b/q");
  EXPECT_EQ(value("a.b"), "p/a.b/q");
  EXPECT_EQ(value("\xc3\xa9"), "p/\xc3\xa9/q");
  EXPECT_EQ(value("\xff\xc2\x85"), "p/%FF%C2%85/q");
  EXPECT_EQ(full(".%{h}"), "%2E");
  EXPECT_EQ(full("%{h}..%{h}"), "%2E%2E");
}

TEST(PathEscape, AHeaderValueHidesNothing) {
  const Headers headers = {{"h", "_x"}, {"d", ".x"}, {"none", ""}, {"_", "_"}};
  EXPECT_EQ(full("p/%{h}/%{_}/%{d}/q", headers), "p/%5Fx/%5F/%2Ex/q");
  EXPECT_EQ(full("%{none}%{h}", headers), "%5Fx");
  EXPECT_EQ(full("host=%{h}/a%{h}", headers), "host=_x/a_x");
  EXPECT_EQ(full("%{h}%{h}", headers), "%5Fx_x");
  EXPECT_EQ(full("%{__}", {{"__", "__x"}}), "%5F_x");
}

TEST(PathEscape, WhatTheOperatorWroteStays) {
  const Headers headers = {{"h", "_x"}, {"none", ""}};
  EXPECT_EQ(full("_a/.b/_%{h}/.%{h}", headers), "_a/.b/__x/._x");
  EXPECT_EQ(full("x/_%{none}", headers), "x/_");
}

TEST(PathEscape, UnknownLettersAreNamed) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(PathTemplate::parse("/a%Q/%Y%_/%{h}%%")->unknown(), (Words{"%Q", "%_"}));
  EXPECT_EQ(PathTemplate::parse("/%Y-%-/%D")->unknown(), Words());
  EXPECT_EQ(PathTemplate::parse("/100%/%Y/5%")->unknown(), (Words{"%", "%"}));
  EXPECT_EQ(PathTemplate::parse("/%{h/%{a b}/%{}x/%[l/%{c")->unknown(),
            (Words{"%{h", "%{a b}", "%{}", "%[l", "%{c"}));
  EXPECT_EQ(PathTemplate::parse("/a/%{h}-%{i}/%{h}")->headers(), (Words{"h", "i"}));
  EXPECT_TRUE(PathTemplate::parse("/a:b")->has_in_text(':'));
  EXPECT_TRUE(PathTemplate::parse("/a/%H:%M")->has_in_text(':'));
  EXPECT_FALSE(PathTemplate::parse("/a/%c/%{h}")->has_in_text(':'));
}

TEST(PathEscape, LongValuesAreCutAndStayDistinct) {
  const std::string a = full("%{h}", {{"h", std::string(300, 'x') + "1"}});
  const std::string b = full("%{h}", {{"h", std::string(300, 'x') + "2"}});
  EXPECT_EQ(a.size(), 255u);
  EXPECT_NE(a, b);
  EXPECT_NE(a.find("%~"), std::string::npos);
  EXPECT_EQ(full("%{h}", {{"h", std::string(255, 'x')}}), std::string(255, 'x'));
  for (std::size_t n = 70; n < 80; ++n) {
    // No %XX and no UTF-8 sequence is cut in two.
    const std::string slashes = full("%{h}", {{"h", std::string(n, 'y') + std::string(100, '/')}});
    const std::size_t mark = slashes.find("%~");
    EXPECT_NE(slashes[mark - 1], '%');
    EXPECT_NE(slashes[mark - 2], '%');
    std::string accents(n, 'z');
    for (int i = 0; i < 150; ++i) {
      accents += "\xc3\xa9";
    }
    EXPECT_TRUE(is_valid_utf8(full("%{h}", {{"h", accents}})));
  }
}

TEST(PathEscape, Timestamps) {
  EXPECT_EQ(parse_timestamp("123"), 123);
  EXPECT_EQ(parse_timestamp("-1"), -1);
  EXPECT_EQ(parse_timestamp("+1"), 1);
  for (const char* bad : {"", "+", "-", "+-1", " 1", "1 ", "1.5", "0x1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_timestamp(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace fl
