// Keeps or drops events whose body matches a regular expression.
#include <optional>
#include <string>
#include <utility>

#include "common/component/component_type.h"
#include "common/regex/regex.h"
#include "tools/fl-intercept/reject.h"

namespace fl {
namespace {

struct Options {
  std::string regex;
  bool exclude_events = false;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("regex", &Options::regex, "REGEX",
           "The expression to search for in the body. It has no default here.")
      .positional()
      .flume(".*");
  table
      .add("excludeEvents", &Options::exclude_events, "BOOL",
           "Drop the events that match, and keep the others.")
      .alias("invert");
  return std::move(table).erased();
}

class RegexFilterInterceptor final : public Interceptor {
 public:
  explicit RegexFilterInterceptor(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override {
    context_ = &context;
    if (options_.regex.empty()) {
      return Error{ErrorClass::usage, "REGEX is missing: every event would match",
                   "for example: fl-intercept regex_filter ERROR"};
    }
    auto regex = Regex::compile(options_.regex, Regex::Mode::find);
    if (!regex) {
      return regex.error();
    }
    regex_.emplace(std::move(*regex));
    return {};
  }

  Status process(Batch& batch) override {
    const Regex::Match unwanted = options_.exclude_events ? Regex::Match::yes : Regex::Match::no;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch.kept(i)) {
        continue;
      }
      const Regex::Match match = regex_->match(batch[i].body());
      if (match == unwanted) {
        batch.drop(i);
      } else if (match == Regex::Match::failed) {
        if (Status status = reject_or_fail(*context_, batch, i, regex_->error()); !status) {
          return status;
        }
      }
    }
    return {};
  }

 private:
  const Options options_;
  const StageContext* context_ = nullptr;
  std::optional<Regex> regex_;
};

}  // namespace

ComponentType regex_filter_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "regex_filter";
  type.class_names = {"org.apache.flume.interceptor.RegexFilteringInterceptor",
                      "org.apache.flume.interceptor.RegexFilteringInterceptor$Builder"};
  type.sought_as = {"grep", "filter", "drop", "select"};
  type.summary = "keep or drop events by a regular expression";
  type.description =
      "Keeps the events whose body matches REGEX and drops the others; with --invert it is the "
      "other way round. The expression is Perl's, as in grep -P, and may match anywhere in the "
      "body: use ^ and $ to match all of it. As in Java, a dot does not match the end of a line, "
      "and $ also matches before a final line end.\n\n"
      "A body is taken as UTF-8 where the expression asks for characters; other bytes do no "
      "harm.\n\n"
      "A search that takes more than ten million steps ends the stage with status 65; with "
      "--reject FILE the event is kept there instead.";
  type.delivery = "A dropped event counts as delivered once the events before it are acknowledged.";
  type.examples = {
      {"printf 'GET /a\\nPOST /b\\n' | fl-intercept regex_filter '^GET ' | fl-sink stdout",
       "Only the GET line."},
      {"printf 'GET /a\\nPOST /b\\n' | fl-intercept regex_filter --invert '^GET ' | fl-sink stdout",
       "All but the GET line."},
  };
  type.options = options();
  type.interceptor = factory<Interceptor, RegexFilterInterceptor, Options>();
  return type;
}

}  // namespace fl
