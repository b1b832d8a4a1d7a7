// What holds for every component of the program this is linked with.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "common/component/component_type.h"
#include "common/component/stage_options.h"
#include "common/option/option_values.h"
#include "common/option/properties.h"

namespace fl {
namespace {

TEST(Declarations, NamesAliasesAndClassNamesAreUnique) {
  std::set<std::string> seen = {"list"};
  for (const ComponentType& type : registry()) {
    EXPECT_TRUE(seen.insert(type.name).second) << type.name;
    for (const std::string& alias : type.aliases) {
      EXPECT_TRUE(seen.insert(alias).second) << alias;
    }
    for (const std::string& class_name : type.class_names) {
      EXPECT_TRUE(seen.insert(class_name).second) << class_name;
    }
  }
}

TEST(Declarations, OptionNamesAreUniqueStageOptionsIncluded) {
  for (const ComponentType& type : registry()) {
    std::set<std::string> names = {"help", "help-all", "version", "describe", "generate"};
    std::set<std::string> keys;
    for (const OptionSet& set : {stage_options(), type.options}) {
      for (const OptionSpec& spec : set.options) {
        EXPECT_TRUE(keys.insert(spec.key).second) << type.name << ": key " << spec.key;
        if (!is_on_command_line(spec)) {
          continue;
        }
        EXPECT_TRUE(names.insert(spec.name).second) << type.name << ": --" << spec.name;
        for (const std::string& alias : spec.aliases) {
          EXPECT_TRUE(names.insert(alias).second) << type.name << ": --" << alias;
        }
      }
    }
  }
}

void expect_defaults_parse(const OptionSet& set, const std::string& owner) {
  const std::vector<std::string> defaults = default_values(set);
  const std::shared_ptr<void> options = set.make();
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    const OptionSpec& spec = set.options[i];
    // A repeated option adds to what it has; a required one has no default.
    if (spec.is_repeated || spec.is_required) {
      continue;
    }
    const Status status = set_option(spec, options.get(), defaults[i]);
    EXPECT_TRUE(status.ok()) << owner << ": --" << spec.name << " " << status.error().message;
    EXPECT_EQ(spec.get(options.get()), defaults[i]) << owner << ": --" << spec.name;
  }
}

TEST(Declarations, DefaultsParse) {
  expect_defaults_parse(stage_options(), "every stage");
  for (const ComponentType& type : registry()) {
    expect_defaults_parse(type.options, type.name);
  }
}

TEST(Declarations, FlumesDefaultsParse) {
  for (const ComponentType& type : registry()) {
    OptionSet set = type.options;
    for (OptionSpec& spec : set.options) {
      spec.is_required = false;
      // A choice of Flume's that we do not have yet is refused, not replaced by ours.
      if (!spec.choices.empty() && std::find(spec.choices.begin(), spec.choices.end(),
                                             spec.flume_default) == spec.choices.end()) {
        spec.flume_default.clear();
      }
    }
    const std::shared_ptr<void> options = set.make();
    const std::vector<Finding> findings = apply_properties(set, {}, options.get());
    EXPECT_TRUE(findings.empty()) << type.name << ": " << findings_json(findings);
  }
}

TEST(Declarations, EachSaysWhatItIsAndHowItIsUsed) {
  for (const ComponentType& type : registry()) {
    EXPECT_FALSE(type.summary.empty()) << type.name;
    EXPECT_EQ(type.summary.find_first_of("\n\t"), std::string::npos) << type.name;
    EXPECT_NE(type.summary.back(), '.') << type.name;
    EXPECT_FALSE(type.description.empty()) << type.name;
    EXPECT_FALSE(type.examples.empty()) << type.name;
    for (const OptionSpec& spec : type.options.options) {
      EXPECT_TRUE(!spec.help.empty() || !spec.ignored_reason.empty()) << type.name << spec.name;
      EXPECT_TRUE(spec.is_flag || !spec.metavar.empty()) << type.name << spec.name;
    }
  }
}

TEST(Declarations, ExactlyTheFactoryOfItsKindIsThere) {
  for (const ComponentType& type : registry()) {
    EXPECT_EQ(static_cast<bool>(type.source), type.kind == ComponentKind::source && !type.text)
        << type.name;
    EXPECT_EQ(static_cast<bool>(type.interceptor), type.kind == ComponentKind::interceptor)
        << type.name;
    // A channel with several outputs is run like a sink.
    const bool is_sink = static_cast<bool>(type.sink);
    EXPECT_EQ(static_cast<bool>(type.channel) || is_sink,
              type.kind == ComponentKind::channel || type.kind == ComponentKind::sink)
        << type.name;
    EXPECT_TRUE(is_sink || type.kind != ComponentKind::sink) << type.name;
  }
}

}  // namespace
}  // namespace fl
