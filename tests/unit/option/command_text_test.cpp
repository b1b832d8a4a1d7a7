#include "common/option/command_text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/unit/option/sample_options.h"

namespace fl {
namespace {

std::string text_after(const std::vector<std::string>& args) {
  const OptionSet set = sample_options();
  SampleOptions options;
  const Result<CommandLine> line = parse_command_line(args, {{&set, &options}});
  EXPECT_TRUE(line.ok()) << line.error().message;
  return command_text("x", {{&set, &options}}, {"offset"});
}

TEST(CommandText, HoldsWhatDiffersFromTheDefaults) {
  EXPECT_EQ(text_after({}), "x\n");
  EXPECT_EQ(text_after({"--batch", "5", "--compress", "--roll-interval", "5m", "--offset", "3"}),
            "x --batch-size 5 --compress\n");
}

TEST(CommandText, PositionalsStandWhereTheyCan) {
  EXPECT_EQ(text_after({"/a b", "f", "g"}), "x '/a b' --files f --files g\n");
  EXPECT_EQ(text_after({"--", "-a"}), "x --path=-a\n");
}

TEST(CommandText, WordsAreQuoted) {
  EXPECT_EQ(shell_quoted("a-b/c.d:1,2=3%@+"), "a-b/c.d:1,2=3%@+");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_quoted("~"), "'~'");
  EXPECT_EQ(text_after({"--tags=", "--tags=--x", "--tags", "*"}),
            "x --tags= --tags=--x --tags '*'\n");
}

TEST(CommandText, SecretsAreReferences) {
  EXPECT_EQ(text_after({"--store-password-env", "PW"}), "x --store-password-env PW\n");
  EXPECT_EQ(text_after({"--store-password-file", "/run/pw"}), "x --store-password-file /run/pw\n");
  EXPECT_EQ(text_after({"--producer", "acks=all", "--producer", "b=c=d", "--producer-env",
                        "ssl.key.password=PW", "--producer-file", "sasl.jaas.config=/x"}),
            "x --producer acks=all --producer b=c=d --producer-env ssl.key.password=PW "
            "--producer-file sasl.jaas.config=/x\n");
}

TEST(CommandText, AVariableStandsForASecretThatAFlumeFileHolds) {
  const OptionSet set = sample_options();
  SampleOptions options;
  options.password = Secret(Secret::Origin::literal, "hunter2");
  options.producer["ssl.key.password"] = Secret(Secret::Origin::literal, "hunter2");
  EXPECT_EQ(command_text("x", {{&set, &options}}, {}),
            "x --store-password-env FL_STORE_PASSWORD --producer-env "
            "ssl.key.password=FL_PRODUCER_SSL_KEY_PASSWORD\n");
}

TEST(Secret, IsReadFromItsPlace) {
  EXPECT_FALSE(Secret().is_set());
  EXPECT_EQ(*Secret().reveal(), "");
  ASSERT_EQ(::setenv("FL_SECRET_TEST", "hunter2", 1), 0);
  EXPECT_EQ(*Secret(Secret::Origin::environment, "FL_SECRET_TEST").reveal(), "hunter2");
  ASSERT_EQ(::unsetenv("FL_SECRET_TEST"), 0);
  const Result<std::string> unset = Secret(Secret::Origin::environment, "FL_SECRET_TEST").reveal();
  ASSERT_FALSE(unset.ok());
  EXPECT_EQ(unset.error().kind, ErrorClass::config);
  EXPECT_EQ(unset.error().message, "environment variable 'FL_SECRET_TEST' is not set");

  const std::string path = testing::TempDir() + "/fl-secret-test";
  std::ofstream(path) << "hunter2\r\n";
  EXPECT_EQ(*Secret(Secret::Origin::file, path).reveal(), "hunter2");
  std::ofstream(path) << std::string(70'000, 'x');
  EXPECT_EQ(Secret(Secret::Origin::file, path).reveal().error().kind, ErrorClass::config);
  ASSERT_EQ(std::remove(path.c_str()), 0);
  EXPECT_FALSE(Secret(Secret::Origin::file, path).reveal().ok());
}

TEST(Secret, HasNoValueOnTheCommandLine) {
  const OptionSet set = sample_options();
  SampleOptions options;
  for (const char* word : {"--store-password", "--store-password=hunter2"}) {
    EXPECT_FALSE(parse_command_line({word, "x"}, {{&set, &options}}).ok()) << word;
  }
  EXPECT_FALSE(parse_command_line({"--producer", "acks"}, {{&set, &options}}).ok());
}

TEST(Secret, NamesThatSoundLikeOne) {
  for (const char* name :
       {"ssl.key.password", "sasl.jaas.config", "ssl.keystore.key", "apiToken"}) {
    EXPECT_TRUE(sounds_secret(name)) << name;
  }
  for (const char* name : {"acks", "key.serializer", "partition.key"}) {
    EXPECT_FALSE(sounds_secret(name)) << name;
  }
}

}  // namespace
}  // namespace fl
