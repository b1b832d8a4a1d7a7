#include "common/option/option_table.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "common/option/option_text.h"
#include "common/option/option_values.h"
#include "common/option/suggest.h"
#include "tests/unit/option/sample_options.h"

namespace fl {
namespace {

TEST(OptionName, DropsThePrefixAndPartsTheWords) {
  EXPECT_EQ(option_name("hdfs.rollInterval"), "roll-interval");
  EXPECT_EQ(option_name("max-line-length"), "max-line-length");
  EXPECT_EQ(option_name("useIP"), "use-ip");
  EXPECT_EQ(option_name("HTTPPort"), "http-port");
  EXPECT_EQ(option_name("kafka.bootstrap.servers"), "bootstrap-servers");
  EXPECT_EQ(option_name("preserve_existing"), "preserve-existing");
}

TEST(OptionTable, DefaultsReadBack) {
  const OptionSet set = sample_options();
  const std::vector<std::string> defaults = default_values(set);
  const std::shared_ptr<void> options = set.make();
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    const OptionSpec& spec = set.options[i];
    if (!spec.is_repeated) {
      EXPECT_TRUE(set_option(spec, options.get(), defaults[i]).ok()) << spec.key;
      EXPECT_EQ(spec.get(options.get()), defaults[i]) << spec.key;
    }
  }
}

TEST(OptionTable, ChoicesAreTakenInAnyCaseAndByTheirOtherNames) {
  const OptionSet set = sample_options();
  const auto format = std::find_if(set.options.begin(), set.options.end(),
                                   [](const OptionSpec& spec) { return spec.key == "format"; });
  ASSERT_NE(format, set.options.end());
  const std::shared_ptr<void> options = set.make();
  for (const auto& [given, taken] : {std::pair("AVRO", "avro"), std::pair("Text", "text"),
                                     std::pair("com.example.Text$Builder", "text")}) {
    ASSERT_TRUE(set_option(*format, options.get(), given).ok()) << given;
    EXPECT_EQ(format->get(options.get()), taken);
  }
  EXPECT_FALSE(set_option(*format, options.get(), "com.example.text$builder").ok());
}

TEST(OptionText, HelpShowsEachOptionButIgnoredOnes) {
  const std::string help = help_list(sample_options());
  for (const char* part : {"PATH, --path PATH", "--roll-interval TIME", "[5m]", "text|avro",
                           "--compress  ", "--batch-size, --batch N"}) {
    EXPECT_NE(help.find(part), std::string::npos) << part << "\n" << help;
  }
  EXPECT_EQ(help.find("useless"), std::string::npos);
}

TEST(OptionText, PageNamesFlumesKeyDefaultAndUnit) {
  const std::string page = page_list(sample_options());
  EXPECT_NE(page.find("Default: *5m*. Property: _hdfs\\.rollInterval_, default 30."),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("default 500, a bare number is milliseconds."), std::string::npos) << page;
}

TEST(Nearest, FindsTypingMistakesOnly) {
  const std::vector<std::string> known = {"batch-size", "roll-interval", "hdfs", "null"};
  EXPECT_EQ(nearest("batchSize", known), "batch-size");
  EXPECT_EQ(nearest("interval", known), "roll-interval");
  EXPECT_EQ(nearest("hfds", known), "hdfs");
  EXPECT_EQ(nearest("nul", known), "null");
  EXPECT_EQ(nearest("kafka", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), known), "");
}

}  // namespace
}  // namespace fl
