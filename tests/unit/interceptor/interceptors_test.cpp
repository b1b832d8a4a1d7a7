#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/interceptor/interceptor_stage.h"

namespace fl {
ComponentType timestamp_interceptor();
ComponentType host_interceptor();
ComponentType static_interceptor();
ComponentType regex_filter_interceptor();

namespace {

using test::Stage;
using Bodies = std::vector<std::string>;

TEST(TimestampInterceptor, ReplacesOrPreserves) {
  for (const bool preserve : {false, true}) {
    Stage stage(timestamp_interceptor(), {{"preserveExisting", preserve ? "true" : "false"}});
    ASSERT_TRUE(stage.open().ok());
    stage.add({}, "a");
    stage.add({{"timestamp", "5"}}, "b");
    ASSERT_TRUE(stage.run().ok());
    EXPECT_EQ(stage.header(0, "timestamp").size(), 13u);
    EXPECT_EQ(stage.header(1, "timestamp"), preserve ? "5" : stage.header(0, "timestamp"));
  }
}

TEST(TimestampInterceptor, AnotherHeader) {
  Stage stage(timestamp_interceptor(), {{"headerName", "seen"}});
  stage.add({}, "a");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_EQ(stage.header(0, "seen").size(), 13u);
  EXPECT_EQ(stage.header(0, "timestamp"), "(none)");
}

TEST(StaticInterceptor, PreservesByDefaultAndEscapes) {
  Stage stage(static_interceptor(), {{"key", "k"}, {"value", "v\xff"}});
  stage.add({}, "a");
  stage.add({{"k", "own"}}, "b");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_EQ(stage.header(0, "k"), "v%FF");
  EXPECT_EQ(stage.header(1, "k"), "own");
}

TEST(StaticInterceptor, RefusesWhatNoStreamHolds) {
  for (const char* part : {"key", "value"}) {
    Stage fits(static_interceptor(), {{"key", "k"}, {"value", "v"}, {part, std::string(100, 'x')}});
    EXPECT_TRUE(fits.open().ok()) << part;
    Stage too_long(static_interceptor(),
                   {{"key", "k"}, {"value", "v"}, {part, std::string(100'000, 'x')}});
    const Status status = too_long.open();
    ASSERT_FALSE(status.ok()) << part;
    EXPECT_EQ(status.error().kind, ErrorClass::config) << part;
  }
}

TEST(HostInterceptor, SetsAnAddress) {
  Stage stage(host_interceptor(), {{"hostHeader", "origin"}});
  ASSERT_TRUE(stage.open().ok());  // a failed look-up is a warning
  stage.add({}, "a");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_EQ(stage.header(0, "host"), "(none)");
}

TEST(RegexFilterInterceptor, KeepsOrDropsWhatIsFound) {
  for (const bool exclude : {false, true}) {
    Stage stage(regex_filter_interceptor(),
                {{"regex", "b+$"}, {"excludeEvents", exclude ? "true" : "false"}});
    ASSERT_TRUE(stage.open().ok());
    stage.add({}, "abb");
    stage.add({}, "abc");
    stage.add({}, "ab\n");
    stage.add({}, "");
    ASSERT_TRUE(stage.run().ok());
    EXPECT_EQ(stage.kept(), exclude ? (Bodies{"abc", ""}) : (Bodies{"abb", "ab\n"}));
  }
}

TEST(RegexFilterInterceptor, ABadExpressionIsAUsageError) {
  Stage stage(regex_filter_interceptor(), {{"regex", "a("}});
  const Status status = stage.open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::usage);
  EXPECT_NE(status.error().message.find("a("), std::string::npos);
}

TEST(RegexFilterInterceptor, ASearchWithoutEndIsStopped) {
  Stage stage(regex_filter_interceptor(), {{"regex", "(a+)+\\d"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({}, std::string(64, 'a'));
  const Status status = stage.run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
  EXPECT_FALSE(status.error().hint.empty());
}

}  // namespace
}  // namespace fl
