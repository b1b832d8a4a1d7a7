// Interceptors that change headers and bodies: remove_header, uuid, search_replace,
// regex_extractor. That they do as Flume does is shown in tests/peers/flume.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "common/option/option_values.h"
#include "common/option/properties.h"
#include "tests/unit/interceptor/interceptor_stage.h"

namespace fl {
ComponentType remove_header_interceptor();
ComponentType uuid_interceptor();
ComponentType search_replace_interceptor();
ComponentType regex_extractor_interceptor();

namespace {

using test::Stage;

StageContext with_max_event(std::uint32_t bytes) {
  StageContext context;
  context.limits.body_bytes = bytes;
  return context;
}

// ---------------------------------------------------------------- remove_header

TEST(RemoveHeader, AlsoWhatAnEarlierInterceptorPut) {
  Stage stage(remove_header_interceptor(), {{"fromList", "a,both"}, {"matching", "x-.+"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({{"a", "1"}, {"x-", "2"}, {"x-y", "3"}}, "body");
  stage.add({}, "none");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_EQ(stage.batch().headers(0), (Headers{{"x-", "2"}}));
  EXPECT_EQ(stage.body(0), "body");
  EXPECT_TRUE(stage.batch().headers(1).empty());
}

TEST(RemoveHeader, PutByAll) {
  Stage stage(remove_header_interceptor(), {{"withName", "a"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({{"b", "1"}}, "x");
  stage.add({}, "y");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_TRUE(stage.batch().unchanged());
  stage.batch().put("a", "0", Batch::Existing::keep);
  stage.batch().put("c", "2", Batch::Existing::keep);
  auto interceptor = remove_header_interceptor().interceptor(
      test::options_of(remove_header_interceptor(), {{"withName", "a"}}));
  ASSERT_TRUE(interceptor->open({}).ok());
  ASSERT_TRUE(interceptor->process(stage.batch()).ok());
  EXPECT_EQ(stage.batch().headers(0), (Headers{{"c", "2"}, {"b", "1"}}));
  EXPECT_EQ(stage.batch().headers(1), (Headers{{"c", "2"}}));
  EXPECT_TRUE(stage.batch().prefix(1).empty());
}

TEST(RemoveHeader, NothingToDoLeavesTheBlockAsItIs) {
  Stage stage(remove_header_interceptor(), {{"fromList", "gone"}, {"matching", "gone.*"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({{"a", "1"}}, "x");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_TRUE(stage.batch().unchanged());
}

TEST(RemoveHeader, BadPatternsAreToldAtTheStart) {
  for (const char* key : {"matching", "fromListSeparator"}) {
    Stage stage(remove_header_interceptor(), {{"fromList", "a"}, {key, "("}});
    EXPECT_FALSE(stage.open().ok()) << key;
  }
}

TEST(RemoveHeader, ASearchWithoutEndIsStopped) {
  Stage stage(remove_header_interceptor(), {{"matching", "(a+)+\\d"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({{std::string(64, 'a'), "1"}}, "");
  const Status status = stage.run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

// ---------------------------------------------------------------- uuid

TEST(Uuid, VersionFourAndNeverTheSame) {
  Stage stage(uuid_interceptor(), {{"prefix", "p-"}});
  ASSERT_TRUE(stage.open().ok());
  for (int i = 0; i < 100; ++i) {
    stage.add({}, "x");
  }
  ASSERT_TRUE(stage.run().ok());
  const std::regex form("p-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(std::regex_match(stage.header(i, "id"), form)) << stage.header(i, "id");
    EXPECT_TRUE(seen.insert(stage.header(i, "id")).second);
  }
}

TEST(Uuid, ReplacesOrPreserves) {
  for (const bool preserve : {false, true}) {
    Stage stage(uuid_interceptor(), {{"preserveExisting", preserve ? "true" : "false"}});
    ASSERT_TRUE(stage.open().ok());
    stage.add({{"id", "own"}}, "x");
    ASSERT_TRUE(stage.run().ok());
    EXPECT_EQ(stage.header(0, "id") == "own", preserve);
    EXPECT_EQ(stage.batch().headers(0).size(), 1u);
  }
}

// ---------------------------------------------------------------- search_replace

struct Replaced {
  std::string before;
  std::string after;
};

TEST(SearchReplace, KeepsHeadersAndWhatDoesNotMatch) {
  Stage stage(search_replace_interceptor(), {{"searchPattern", "o+"}, {"replaceString", "0"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({{"h", "foo"}}, "foo boo");
  stage.add({{"h", "1"}}, "bar");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_EQ(stage.body(0), "f0 b0");
  EXPECT_EQ(stage.header(0, "h"), "foo");
  EXPECT_EQ(stage.body(1), "bar");
}

TEST(SearchReplace, BytesThatAreNotMatchedStay) {
  Stage stage(search_replace_interceptor(),
              {{"searchPattern", "a(.)b"}, {"replaceString", "<$1>"}});
  ASSERT_TRUE(stage.open().ok());
  const std::vector<Replaced> cases = {
      {"\xFF"
       "a b\xC3",
       "\xFF< >\xC3"},
      {"\xE2\x82"
       "a\xFE"
       "b",
       "\xE2\x82<\xFE>"},
      {"a\xED\xA0\x80"
       "b",
       "<\xED\xA0\x80>"},
      {"\xFF\xFE", "\xFF\xFE"},
      {std::string("\0a\0b\0", 5), std::string("\0<\0>\0", 5)},
  };
  for (const Replaced& each : cases) {
    stage.add({}, each.before);
  }
  ASSERT_TRUE(stage.run().ok());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(stage.body(i), cases[i].after) << i;
  }
}

TEST(SearchReplace, AMatchReplacedByItselfLeavesTheBlockAsItIs) {
  Stage stage(search_replace_interceptor(), {{"searchPattern", "a"}, {"replaceString", "$0"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({}, "banana");
  ASSERT_TRUE(stage.run().ok());
  EXPECT_TRUE(stage.batch().unchanged());
}

TEST(SearchReplace, HeadersPutByAllStay) {
  Stage stage(search_replace_interceptor(), {{"searchPattern", "a"}, {"replaceString", "b"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({{"own", "1"}}, "a");
  ASSERT_TRUE(stage.run().ok());
  stage.batch().put("all", "2", Batch::Existing::keep);
  stage.batch().set_body(0, "new");
  EXPECT_EQ(stage.header(0, "all"), "2");
  EXPECT_EQ(stage.header(0, "own"), "1");
  EXPECT_EQ(stage.body(0), "new");
}

TEST(SearchReplace, WhatCanBeCheckedIsCheckedAtTheStart) {
  const std::vector<test::Settings> bad = {
      {{"searchPattern", ""}},
      {{"searchPattern", "("}},
      {{"searchPattern", "a"}, {"replaceString", "$1"}},
      {{"searchPattern", "a"}, {"replaceString", "${name}"}},
      {{"searchPattern", "a"}, {"replaceString", "x\\"}},
      {{"searchPattern", "a"}, {"charset", "no-such"}},
      {{"searchPattern", "a"}, {"charset", "UTF-16"}},
      {{"searchPattern", "a"}, {"replaceString", "\xE2\x82\xAC"}, {"charset", "ISO-8859-1"}},
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    Stage stage(search_replace_interceptor(), bad[i]);
    const Status status = stage.open();
    ASSERT_FALSE(status.ok()) << i;
    EXPECT_TRUE(status.error().kind == ErrorClass::usage ||
                status.error().kind == ErrorClass::config)
        << i;
  }
}

TEST(SearchReplace, AnotherCharset) {
  for (const char* const name : {"ISO-8859-1", "ISO8859_1", "iso8859-1"}) {
    Stage stage(search_replace_interceptor(),
                {{"searchPattern", "\xC3\xA9."}, {"replaceString", "\xC3\xBC"}, {"charset", name}});
    ASSERT_TRUE(stage.open().ok()) << name;
    stage.add({}, "\xE9\xFF\xE9");
    ASSERT_TRUE(stage.run().ok());
    EXPECT_EQ(stage.body(0), "\xFC\xE9");
  }
}

TEST(SearchReplace, WhatIsNotTextInTheCharsetEndsTheStage) {
  Stage stage(search_replace_interceptor(), {{"searchPattern", "a"}, {"charset", "UTF-16BE"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({}, "odd");
  const Status status = stage.run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

TEST(SearchReplace, GrowthHasALimit) {
  Stage allowed(search_replace_interceptor(),
                {{"searchPattern", "a"}, {"replaceString", std::string(100, 'x')}});
  ASSERT_TRUE(allowed.open(with_max_event(1000)).ok());
  allowed.add({}, std::string(10, 'a'));
  ASSERT_TRUE(allowed.run().ok());
  EXPECT_EQ(allowed.body(0).size(), 1000u);
  Stage over(search_replace_interceptor(),
             {{"searchPattern", "a"}, {"replaceString", std::string(100, 'x')}});
  ASSERT_TRUE(over.open(with_max_event(1000)).ok());
  over.add({}, std::string(11, 'a'));
  const Status status = over.run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

TEST(SearchReplace, ASearchWithoutEndIsStopped) {
  Stage stage(search_replace_interceptor(), {{"searchPattern", "(a+)+\\d"}});
  ASSERT_TRUE(stage.open().ok());
  stage.add({}, std::string(64, 'a'));
  const Status status = stage.run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

// ---------------------------------------------------------------- regex_extractor

Status extract(Stage& stage) {
  const Status status = stage.open();
  return status ? stage.run() : status;
}

TEST(RegexExtractor, FirstMatchIntoHeaders) {
  Stage stage(regex_extractor_interceptor(),
              {{"regex", "(\\d)(x)?"}, {"serializers", "digit"}, {"serializers", "x"}});
  stage.add({{"digit", "old"}, {"x", "old"}}, "a1 2x");
  stage.add({{"x", "old"}}, "none");
  stage.add({{"k", "v"}}, "7x");
  ASSERT_TRUE(extract(stage).ok());
  EXPECT_EQ(stage.batch().headers(0), (Headers{{"digit", "1"}}));  // group 2 took no part
  EXPECT_EQ(stage.batch().headers(1), (Headers{{"x", "old"}}));
  EXPECT_EQ(stage.batch().headers(2), (Headers{{"k", "v"}, {"digit", "7"}, {"x", "x"}}));
  EXPECT_EQ(stage.body(2), "7x");
}

TEST(RegexExtractor, ABadTimeOrATooLongValueLeavesTheEventAsItIs) {
  Stage stage(
      regex_extractor_interceptor(),
      {{"regex", "^(\\S+) (.*)$"}, {"serializers", "when:millis:yyyy"}, {"serializers", "text"}});
  stage.add({{"k", "v"}}, "never x");
  stage.add({}, "2026 " + std::string(4097, 'x'));
  stage.add({}, "1970 ok");
  ASSERT_TRUE(extract(stage).ok());
  EXPECT_EQ(stage.batch().headers(0), (Headers{{"k", "v"}}));
  EXPECT_TRUE(stage.batch().headers(1).empty());
  EXPECT_EQ(stage.header(2, "text"), "ok");
}

TEST(RegexExtractor, ASearchWithoutEndLeavesTheEventAsItIs) {
  Stage stage(regex_extractor_interceptor(), {{"regex", "((a+)+)\\d"}, {"serializers", "x"}});
  stage.add({}, std::string(64, 'a'));
  stage.add({}, "a1");
  ASSERT_TRUE(extract(stage).ok());
  EXPECT_EQ(stage.header(0, "x"), "(none)");
  EXPECT_EQ(stage.header(1, "x"), "a");
}

TEST(RegexExtractor, MalformedBytesAreEscapedInHeaders) {
  Stage stage(regex_extractor_interceptor(), {{"regex", "a(..)"}, {"serializers", "x"}});
  stage.add({}, "a\xC3\xA9\xFF");
  ASSERT_TRUE(extract(stage).ok());
  EXPECT_EQ(stage.header(0, "x"), "\xC3\xA9%FF");
}

TEST(RegexExtractor, NeverMoreHeadersThanAStreamMayHold) {
  Stage stage(regex_extractor_interceptor(), {{"regex", "(a)"}, {"serializers", "x"}});
  Headers many;
  for (int i = 0; i < 64; ++i) {
    many.emplace_back("h" + std::to_string(i), "");
  }
  stage.add(many, "a");
  ASSERT_TRUE(extract(stage).ok());
  EXPECT_EQ(stage.header(0, "x"), "(none)");
}

TEST(RegexExtractor, WhatCanBeCheckedIsCheckedAtTheStart) {
  for (const char* serializer : {"", ":millis:yyyy", "x:millis", "x:millis:", "x:millis:qq",
                                 "x:millis:wxyz", "x:other", "x:default:yyyy"}) {
    Stage stage(regex_extractor_interceptor(), {{"regex", "(a)"}, {"serializers", serializer}});
    const Status status = stage.open();
    ASSERT_FALSE(status.ok()) << serializer;
    EXPECT_EQ(status.error().kind, ErrorClass::config) << serializer;
  }
  Stage zone(regex_extractor_interceptor(),
             {{"regex", "(a)"}, {"serializers", "x:millis:yyyy"}, {"timeZone", "No/Where"}});
  EXPECT_FALSE(zone.open().ok());
  Stage regex(regex_extractor_interceptor(), {{"regex", "("}, {"serializers", "x"}});
  EXPECT_FALSE(regex.open().ok());
}

TEST(RegexExtractor, FlumesProperties) {
  const ComponentType type = regex_extractor_interceptor();
  const std::shared_ptr<void> options = type.options.make();
  const std::vector<Finding> findings = apply_properties(
      type.options,
      {{"regex", "(\\d+) (b)", 1},
       {"serializers", "s1  s2", 2},
       {"serializers.s1.type",
        "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer", 3},
       {"serializers.s1.name", "a:b", 4},
       {"serializers.s1.pattern", "yyyy:MM", 5},
       {"serializers.s2.name", "second", 6},
       {"serializers.s2.nmae", "typo", 7}},
      options.get());
  ASSERT_FALSE(has_error(findings)) << findings_json(findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_NE(findings[0].message.find("did you mean 'serializers.s2.name'"), std::string::npos)
      << findings[0].message;
  for (const OptionSpec& spec : type.options.options) {
    if (spec.key == "serializers") {
      EXPECT_EQ(spec.get(options.get()),
                "a\\:b:org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer:"
                "yyyy:MM second");
    }
  }
}

TEST(OptionParts, SplitAndJoin) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(split_parts("a:b:c:d", 3), (Parts{"a", "b", "c:d"}));
  EXPECT_EQ(split_parts("a", 3), (Parts{"a", "", ""}));
  EXPECT_EQ(split_parts("a\\:b\\c::\\:", 3), (Parts{"a:b\\c", "", "\\:"}));
  for (const Parts& parts : {Parts{"a:b", "", ":c\\:"}, Parts{"", "x", ""}, Parts{"a", "", ""}}) {
    EXPECT_EQ(split_parts(join_parts(parts), 3), parts);
  }
}

}  // namespace
}  // namespace fl
