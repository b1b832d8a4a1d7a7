#include "common/option/properties.h"

#include <gtest/gtest.h>

#include "tests/unit/option/sample_options.h"

namespace fl {
namespace {

struct Applied {
  SampleOptions options;
  PropertyNotes notes;
  std::string error;
};

Applied apply(const std::map<std::string, std::string>& properties) {
  const OptionSet set = sample_options();
  const std::shared_ptr<void> options = set.make();
  Applied applied;
  const Status status = apply_properties(set, properties, options.get(), applied.notes);
  if (!status) {
    applied.error = status.error().message;
    EXPECT_EQ(status.error().kind, ErrorClass::config);
  }
  applied.options = *std::static_pointer_cast<SampleOptions>(options);
  return applied;
}

TEST(Properties, WhatIsNotGivenHasFlumesDefault) {
  const Applied applied = apply({});
  EXPECT_EQ(applied.options.roll_interval, Duration{30'000});
  EXPECT_EQ(applied.options.poll, Duration{500});
  EXPECT_EQ(applied.options.batch_size, 100U);
}

TEST(Properties, BareNumbersHaveFlumesUnit) {
  const Applied applied = apply({{"hdfs.rollInterval", "5"}, {"pollDelay", "250"}});
  EXPECT_EQ(applied.options.roll_interval, Duration{5'000});
  EXPECT_EQ(applied.options.poll, Duration{250});
  EXPECT_EQ(apply({{"pollDelay", "2s"}}).options.poll, Duration{2'000});
}

TEST(Properties, ListsArePartedByBlanks) {
  EXPECT_EQ(apply({{"tags", " a \t b "}}).options.tags, (std::vector<std::string>{"a", "b"}));
}

TEST(Properties, UnknownKeysAreNotedWithTheNearest) {
  const Applied applied = apply({{"batchsize", "5"}});
  EXPECT_EQ(applied.notes.unknown,
            (std::vector<std::string>{"unknown property 'batchsize': did you mean 'batchSize'?"}));
  EXPECT_EQ(applied.options.batch_size, 100U);
}

TEST(Properties, CommandLineOptionsAreNoProperties) {
  EXPECT_EQ(apply({{"files", "x"}}).notes.unknown.size(), 1U);
}

TEST(Properties, IgnoredOnesAreNotedWithTheReason) {
  const Applied applied = apply({{"useless", "5"}});
  EXPECT_EQ(
      applied.notes.ignored,
      (std::vector<std::string>{"property 'useless' has no effect: there is nothing to set"}));
  EXPECT_TRUE(applied.notes.unknown.empty());
}

TEST(Properties, BadValuesNameTheKey) {
  EXPECT_EQ(apply({{"batchSize", "many"}}).error,
            "property 'batchSize': 'many' is not a whole number");
  EXPECT_EQ(apply({{"format", "txet"}}).error,
            "property 'format': unknown value 'txet': did you mean 'text'?");
}

TEST(Properties, RequiredOnesMustBeThere) {
  OptionTable<SampleOptions> table;
  table.add("hdfs.path", &SampleOptions::path, "PATH", "Where to.").required();
  const OptionSet set = std::move(table).erased();
  SampleOptions options;
  PropertyNotes notes;
  const Status status = apply_properties(set, {}, &options, notes);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "property 'hdfs.path' is missing");
}

}  // namespace
}  // namespace fl
