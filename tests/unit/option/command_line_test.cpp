#include "common/option/command_line.h"

#include <gtest/gtest.h>

#include "tests/unit/option/sample_options.h"

namespace fl {
namespace {

struct Parsed {
  SampleOptions options;
  CommandLine line;
  std::string error;
};

Parsed parse(const std::vector<std::string>& args) {
  const OptionSet set = sample_options();
  const std::shared_ptr<void> options = set.make();
  const Result<CommandLine> line = parse_command_line(args, {{&set, options.get()}});
  Parsed parsed;
  parsed.options = *std::static_pointer_cast<SampleOptions>(options);
  if (line) {
    parsed.line = *line;
  } else {
    parsed.error = line.error().message;
    EXPECT_EQ(line.error().kind, ErrorClass::usage);
  }
  return parsed;
}

TEST(CommandLine, DefaultsStayWithoutArguments) {
  const Parsed parsed = parse({});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.options.path, "fl-data");
  EXPECT_EQ(parsed.options.roll_interval, Duration{300'000});
}

TEST(CommandLine, ValuesInBothForms) {
  const Parsed parsed = parse({"--roll-interval", "10s", "--batch-size=7", "--max-line=4K",
                               "--offset", "-5", "--format=avro"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.options.roll_interval, Duration{10'000});
  EXPECT_EQ(parsed.options.batch_size, 7U);
  EXPECT_EQ(parsed.options.line.max, Bytes{4096});
  EXPECT_EQ(parsed.options.offset, -5);
  EXPECT_EQ(parsed.options.format, "avro");
}

TEST(CommandLine, AliasNamesTheSameOption) {
  EXPECT_EQ(parse({"--batch", "9"}).options.batch_size, 9U);
}

TEST(CommandLine, EmptyValueIsAValue) {
  const Parsed parsed = parse({"--path=", "--batch-size", "3"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.options.path, "");
  EXPECT_EQ(parsed.options.batch_size, 3U);
}

TEST(CommandLine, APathIsNeverEmpty) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--directory="}, {"--directory", ""}}) {
    EXPECT_EQ(parse(args).error, "--directory: the path is empty");
  }
  EXPECT_EQ(parse({"--directory", "x"}).options.directory, "x");
}

TEST(CommandLine, APairInOneWordSetsTwoOptions) {
  OptionTable<SampleOptions> table;
  table.add("key", &SampleOptions::key, "KEY", "").positional().pairs_with("value");
  table.add("value", &SampleOptions::value, "VALUE", "").positional();
  const OptionSet set = std::move(table).erased();
  const auto parsed = [&](const std::vector<std::string>& args) {
    SampleOptions options;
    EXPECT_TRUE(parse_command_line(args, {{&set, &options}}).ok());
    return options.key + " is " + options.value;
  };
  EXPECT_EQ(parsed({"a=b"}), "a is b");
  EXPECT_EQ(parsed({"a=b=c"}), "a is b=c");
  EXPECT_EQ(parsed({"a="}), "a is ");
  EXPECT_EQ(parsed({"a"}), "a is v");
  EXPECT_EQ(parsed({"a=b", "c"}), "a=b is c");
  EXPECT_EQ(parsed({"--value", "c", "a=b"}), "a=b is c");
}

TEST(CommandLine, ValueMayLookLikeAnOption) {
  EXPECT_EQ(parse({"--tags", "--batch-size="}).options.tags,
            (std::vector<std::string>{"--batch-size="}));
  EXPECT_EQ(parse({"--tags", "[a,b]"}).options.tags, (std::vector<std::string>{"[a,b]"}));
}

TEST(CommandLine, SecretsOfAPrefixAreNotForTheCommandLine) {
  const std::string error = parse({"--producer", "sasl.password=hush"}).error;
  EXPECT_NE(error.find("sasl.password"), std::string::npos) << error;
  EXPECT_EQ(error.find("hush"), std::string::npos) << error;
  EXPECT_EQ(parse({"--producer-env", "sasl.password=VARIABLE"}).error, "");
  EXPECT_EQ(parse({"--producer", "sasl.username=bob"}).error, "");
}

TEST(CommandLine, FlagsTakeNoWordBehindThem) {
  const Parsed parsed = parse({"--compress", "/dir"});
  EXPECT_TRUE(parsed.options.compress);
  EXPECT_EQ(parsed.options.path, "/dir");
  EXPECT_FALSE(parse({"--compress", "--compress=false"}).options.compress);
  EXPECT_EQ(parse({"--compress=perhaps"}).error, "--compress: 'perhaps' is neither true nor false");
}

TEST(CommandLine, LastOfTwoCountsButRepeatedOnesAdd) {
  EXPECT_EQ(parse({"--batch-size=1", "--batch-size=2"}).options.batch_size, 2U);
  EXPECT_EQ(parse({"--tags=a", "--tags=b"}).options.tags, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLine, PositionalsInOrderAndTheRestIsRepeated) {
  const Parsed parsed =
      parse({"/dir", "[x]", "--batch-size=2", "++", "--", "--batch-size=4", "--"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.options.path, "/dir");
  EXPECT_EQ(parsed.options.files, (std::vector<std::string>{"[x]", "++", "--batch-size=4", "--"}));
  EXPECT_EQ(parsed.options.batch_size, 2U);
  EXPECT_EQ(parsed.line.given.at("files"), parsed.options.files);
}

TEST(CommandLine, PositionalGivenByNameIsNotTakenAgain) {
  const Parsed parsed = parse({"--path=/a", "b"});
  EXPECT_EQ(parsed.options.path, "/a");
  EXPECT_EQ(parsed.options.files, (std::vector<std::string>{"b"}));
}

TEST(CommandLine, ErrorsNameTheNearest) {
  EXPECT_EQ(parse({"--batchsize", "3"}).error,
            "unknown option '--batchsize': did you mean '--batch-size'?");
  EXPECT_EQ(parse({"--format", "avor"}).error,
            "--format: unknown value 'avor': did you mean 'avro'?");
  EXPECT_EQ(parse({"--zzzzzzzzz"}).error, "unknown option '--zzzzzzzzz'");
  EXPECT_EQ(parse({"-q"}).error, "unknown option '-q'");
  EXPECT_EQ(parse({"--batch-size"}).error, "option '--batch-size' needs a value (N)");
  EXPECT_EQ(parse({"--batch-size=x"}).error, "--batch-size: 'x' is not a whole number");
}

TEST(CommandLine, IgnoredOptionsAreForFlumeFilesOnly) {
  EXPECT_EQ(parse({"--useless=1"}).error.rfind("unknown option '--useless'", 0), 0U);
}

TEST(CommandLine, PropertiesStandForRequiredOptionsAndNotBesideThem) {
  OptionTable<SampleOptions> own;
  own.add("hdfs.path", &SampleOptions::path, "PATH", "").positional().required();
  own.add("format", &SampleOptions::format, "FORMAT", "").cli_only();
  const OptionSet set = std::move(own).erased();
  OptionTable<SampleOptions> stage;
  stage.add("fileProperties", &SampleOptions::directory, "FD", "");
  const OptionSet stage_set = std::move(stage).erased();
  const auto error_of = [&](const std::vector<std::string>& args) {
    SampleOptions options;
    const Result<CommandLine> line =
        parse_command_line(args, {{&set, &options, "fileProperties"}, {&stage_set, &options}});
    return line ? std::string() : line.error().message;
  };
  EXPECT_EQ(error_of({}), "PATH is missing");
  EXPECT_EQ(error_of({"--file-properties", "3"}), "");
  EXPECT_EQ(error_of({"--file-properties", "3", "--format", "x"}), "");
  EXPECT_EQ(error_of({"--file-properties", "3", "/x"}),
            "PATH cannot be combined with --file-properties");
}

TEST(CommandLine, AnAliasOfOneLetterHasOneDash) {
  OptionTable<SampleOptions> table;
  table.add("compress", &SampleOptions::compress, "", "").alias("c");
  const OptionSet set = std::move(table).erased();
  SampleOptions options;
  ASSERT_TRUE(parse_command_line({"-c"}, {{&set, &options}}).ok());
  EXPECT_TRUE(options.compress);
}

TEST(CommandLine, HelpWinsOverErrors) {
  EXPECT_TRUE(parse({"--bogus", "--help"}).line.help);
  EXPECT_TRUE(parse({"-h"}).line.help);
  EXPECT_FALSE(parse({"--help"}).line.help_all);
  EXPECT_TRUE(parse({"--help-all"}).line.help && parse({"--help-all"}).line.help_all);
  EXPECT_FALSE(parse({"--tags", "--help"}).line.help);
}

TEST(CommandLine, FirstPositionalKnowsValues) {
  const OptionSet set = sample_options();
  const auto at = [&](const std::vector<std::string>& args) {
    const Result<std::size_t> index = first_positional(args, set);
    return index ? static_cast<int>(*index) : -1;
  };
  EXPECT_EQ(at({"--batch-size", "3", "type", "--batch-size="}), 2);
  EXPECT_EQ(at({"--batch-size=3", "--compress", "type", "--own"}), 2);
  EXPECT_EQ(at({"--path=", "type"}), 1);
  EXPECT_EQ(at({"--", "type"}), 1);
  EXPECT_EQ(at({"--compress"}), 1);
  EXPECT_EQ(at({}), 0);
  EXPECT_EQ(at({"--own", "type"}), -1);
  EXPECT_EQ(at({"--help", "type"}), 1);
}

}  // namespace
}  // namespace fl
