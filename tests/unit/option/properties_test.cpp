#include "common/option/properties.h"

#include <gtest/gtest.h>

#include "tests/unit/option/sample_options.h"

namespace fl {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Applied {
  SampleOptions options;
  std::vector<Finding> findings;

  std::vector<std::string> messages(Finding::Severity severity) const {
    std::vector<std::string> out;
    for (const Finding& finding : findings) {
      if (finding.severity == severity) {
        out.push_back(finding.message);
      }
    }
    return out;
  }
  std::vector<std::string> warnings() const { return messages(Finding::Severity::warning); }
  std::vector<std::string> errors() const { return messages(Finding::Severity::error); }
};

Applied apply(const Pairs& pairs) {
  const OptionSet set = sample_options();
  const std::shared_ptr<void> options = set.make();
  std::vector<Property> properties;
  for (const auto& [key, value] : pairs) {
    properties.push_back({key, value, properties.size() + 1});
  }
  Applied applied;
  applied.findings = apply_properties(set, properties, options.get());
  applied.options = *std::static_pointer_cast<SampleOptions>(options);
  EXPECT_EQ(has_error(applied.findings), !applied.errors().empty());
  return applied;
}

using Words = std::vector<std::string>;

TEST(Properties, WhatIsNotGivenHasFlumesDefault) {
  const Applied applied = apply({});
  EXPECT_TRUE(applied.findings.empty());
  EXPECT_EQ(applied.options.roll_interval, Duration{30'000});
  EXPECT_EQ(applied.options.poll, Duration{500});
  EXPECT_EQ(applied.options.batch_size, 100U);
}

TEST(Properties, BareNumbersHaveFlumesUnit) {
  const Applied applied = apply({{"hdfs.rollInterval", "5"}, {"pollDelay", "250"}});
  EXPECT_EQ(applied.options.roll_interval, Duration{5'000});
  EXPECT_EQ(applied.options.poll, Duration{250});
  EXPECT_EQ(apply({{"pollDelay", "2s"}}).options.poll, Duration{2'000});
  EXPECT_EQ(apply({{"batchSize", "+7"}}).options.batch_size, 7U);
}

TEST(Properties, ListsAreSeparatedByBlanks) {
  EXPECT_EQ(apply({{"tags", " a \t b "}}).options.tags, (Words{"a", "b"}));
}

TEST(Properties, NamesAndValuesAreTrimmed) {
  EXPECT_EQ(apply({{" batchSize ", "\t5 "}}).options.batch_size, 5U);
  EXPECT_EQ(apply({{"compress", " true "}}).options.compress, true);
}

TEST(Properties, OnlyTrueIsTrueInAnyCase) {
  for (const char* word : {"true", "TRUE", "True"}) {
    const Applied applied = apply({{"compress", word}});
    EXPECT_TRUE(applied.options.compress) << word;
    EXPECT_TRUE(applied.findings.empty()) << word;
  }
  for (const char* word : {"false", "FALSE"}) {
    const Applied applied = apply({{"compress", word}});
    EXPECT_FALSE(applied.options.compress) << word;
    EXPECT_TRUE(applied.findings.empty()) << word;
  }
  for (const std::string word : {"yes", "on", "1", "no", "perhaps"}) {
    const Applied applied = apply({{"compress", word}});
    EXPECT_FALSE(applied.options.compress) << word;
    EXPECT_EQ(applied.warnings(),
              Words{"property 'compress': Flume treats '" + word + "' as false"});
    EXPECT_EQ(applied.findings.front().hint, "write true or false");
  }
}

TEST(Properties, ANegativeNumberMeansWhatItMeansInFlume) {
  EXPECT_EQ(apply({{"retry", "-1"}}).options.retry, Duration{0});
  EXPECT_TRUE(apply({{"retry", "-1"}}).findings.empty());
  EXPECT_EQ(apply({{"pollDelay", "-1"}}).errors().size(), 1U);
}

TEST(Properties, ABadNumberIsFlumesDefaultWhereFlumeSaysSo) {
  for (const char* bad : {"abc", "0", "-3", "99999999999999999999999"}) {
    const Applied applied = apply({{"capacity", bad}});
    EXPECT_EQ(applied.options.capacity, 100U) << bad;
    EXPECT_EQ(applied.warnings(), Words{std::string("property 'capacity': '") + bad +
                                        "' is not a valid number: Flume uses 100"});
  }
  EXPECT_EQ(apply({{"capacity", "7"}}).options.capacity, 7U);
}

TEST(Properties, UnknownKeysAreFoundWithTheNearestAndWithoutTheirValue) {
  const Applied applied = apply({{"offset", "3"}, {"batchsize", "5"}});
  EXPECT_EQ(applied.warnings(), Words{"unknown property 'batchsize': did you mean 'batchSize'?"});
  EXPECT_EQ(applied.findings.front().line, 2U);
  EXPECT_EQ(applied.findings.front().value, "***");
  EXPECT_EQ(applied.options.batch_size, 100U);
}

TEST(Properties, CommandLineOptionsAreNoProperties) {
  EXPECT_EQ(apply({{"files", "x"}}).warnings().size(), 1U);
  EXPECT_EQ(apply({{"storePasswordEnv", "x"}}).warnings().size(), 1U);
}

TEST(Properties, IgnoredOnesAreFoundWithTheReason) {
  EXPECT_EQ(apply({{"useless", "5"}}).warnings(),
            Words{"property 'useless' has no effect: there is nothing to set"});
}

TEST(Properties, BadValuesNameTheKeyAllOfThem) {
  const Applied applied = apply({{"batchSize", "many"}, {"format", "txet"}});
  EXPECT_EQ(applied.errors(), (Words{"property 'batchSize': 'many' is not a whole number",
                                     "property 'format': unknown value 'txet': did you mean "
                                     "'text'?"}));
  EXPECT_EQ(applied.findings.back().line, 2U);
  EXPECT_EQ(applied.findings.back().value, "txet");
}

TEST(Properties, AnEmptyValueCountsAsNotGiven) {
  const Applied applied = apply({{"directory", ""}, {"batchSize", " "}});
  EXPECT_EQ(applied.options.directory, "here");
  EXPECT_EQ(applied.warnings(),
            (Words{"property 'directory' has no value and is ignored, as Flume does",
                   "property 'batchSize' has no value and is ignored, as Flume does"}));
}

TEST(Properties, TheLastOfAKeyCounts) {
  const Applied applied = apply({{"batchSize", "1"}, {"batchSize", "2"}});
  EXPECT_EQ(applied.options.batch_size, 2U);
  EXPECT_EQ(applied.warnings(),
            Words{"property 'batchSize' is given again in line 2, which is used"});
}

TEST(Properties, RequiredOnesMustBeThere) {
  OptionTable<SampleOptions> table;
  table.add("hdfs.path", &SampleOptions::path, "PATH", "Where to.").required();
  const OptionSet set = std::move(table).erased();
  SampleOptions options;
  const std::vector<Finding> findings = apply_properties(set, {}, &options);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].message, "property 'hdfs.path' is missing");
  EXPECT_EQ(findings[0].hint, "add hdfs.path = PATH");
}

TEST(Properties, APrefixTakesWhatNoOptionOfItsOwnHas) {
  const Applied applied = apply({{"kafka.producer.acks", "all"},
                                 {"kafka.producer.ssl.key.password", "hunter2"},
                                 {"kafka.producer.ours", "9"},
                                 {"kafka.producers.acks", "x"}});
  ASSERT_EQ(applied.options.producer.size(), 2U);
  EXPECT_EQ(*applied.options.producer.at("acks").reveal(), "all");
  EXPECT_EQ(*applied.options.producer.at("ssl.key.password").reveal(), "hunter2");
  EXPECT_EQ(applied.options.ours, 9U);
  EXPECT_EQ(applied.warnings().size(), 1U);
}

TEST(Properties, NoFindingShowsASecret) {
  const Applied applied = apply({{"storePassword", "hunter2"},
                                 {"storePassword", "hunter2x"},
                                 {"storePasword", "hunter2"},
                                 {"storePassword", ""},
                                 {"kafka.producer.sasl.jaas.config", "hunter2"},
                                 {"kafka.producer.sasl.jaas.config", "hunter2"}});
  EXPECT_EQ(*applied.options.password.reveal(), "hunter2x");
  EXPECT_EQ(applied.findings.size(), 4U);
  EXPECT_EQ(findings_json(applied.findings).find("hunter2"), std::string::npos)
      << findings_json(applied.findings);
}

TEST(Properties, FindingsAreJson) {
  EXPECT_EQ(findings_json({}), "[]\n");
  const Finding finding{Finding::Severity::error, "a\"b", "c", 3, "m", "h"};
  EXPECT_EQ(findings_json({finding}),
            "[{\"key\":\"a\\\"b\",\"value\":\"c\",\"line\":3,\"severity\":\"error\","
            "\"message\":\"m\",\"hint\":\"h\"}]\n");
}

}  // namespace
}  // namespace fl
