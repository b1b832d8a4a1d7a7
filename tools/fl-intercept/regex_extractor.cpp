// Takes parts of the body into headers.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/component/component_type.h"
#include "common/component/stage_options.h"
#include "common/option/option_values.h"
#include "common/regex/regex.h"
#include "tools/fl-intercept/complaint.h"
#include "tools/fl-intercept/joda_time.h"

namespace fl {
namespace {

struct Options {
  std::string regex;
  std::vector<std::string> serializers;
  std::string time_zone;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("regex", &Options::regex, "REGEX", "The expression to search for, with groups.")
      .positional()
      .required();
  table
      .add("serializers", &Options::serializers, "HEADER",
           "The header that gets the first group, then that of the second, and so on. "
           "NAME:millis:PATTERN reads the group as a time.")
      .named("header")
      .positional()
      .required()
      .parts({"name", "type", "pattern"});
  table
      .add(
          "timeZone", &Options::time_zone, "ZONE",
          "The time zone of times without one, such as Europe/Berlin. Empty: $TZ, as date(1) reads "
          "it, else the system's zone.")
      .cli_only();
  return std::move(table).erased();
}

constexpr std::string_view kPassThrough =
    "org.apache.flume.interceptor.RegexExtractorInterceptorPassThroughSerializer";
constexpr std::string_view kMillis =
    "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer";

/// How one group becomes a header.
struct Serializer {
  std::string header;
  std::optional<JodaTime> time;  // else the text as it is
};

Result<Serializer> serializer_of(const std::string& text, const std::string& zone) {
  const std::vector<std::string> parts = split_parts(text, 3);
  const std::string& type = parts[1];
  const auto refused = [&](const std::string& why, std::string hint) {
    return Error{ErrorClass::config, "cannot use the header '" + text + "': " + why,
                 std::move(hint)};
  };
  if (parts[0].empty()) {
    return refused("it has no name", "NAME or NAME:millis:PATTERN is expected");
  }
  Serializer out;
  out.header = utf8_escaped(parts[0]);
  if (out.header.size() > EventLimits().name_bytes) {
    return refused("its name is longer than " + std::to_string(EventLimits().name_bytes) + " bytes",
                   {});
  }
  const bool is_time = type == "millis" || type == kMillis;
  if (!is_time && !type.empty() && type != "DEFAULT" && type != "default" && type != kPassThrough) {
    return refused("unknown type '" + type + "'", "known are default and millis");
  }
  if (is_time && parts[2].empty()) {
    return refused("a time pattern is missing", "an example is when:millis:yyyy-MM-dd HH:mm:ss");
  }
  if (!is_time && !parts[2].empty()) {
    return refused("only the type millis has a pattern", {});
  }
  if (is_time) {
    Result<JodaTime> time = JodaTime::parse(parts[2], zone);
    if (!time) {
      return time.error();
    }
    out.time = std::move(*time);
  }
  return out;
}

class RegexExtractorInterceptor final : public Interceptor {
 public:
  explicit RegexExtractorInterceptor(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override {
    auto regex = Regex::compile(options_.regex, Regex::Mode::groups);
    if (!regex) {
      return regex.error();
    }
    regex_.emplace(std::move(*regex));
    limits_ = context.limits;
    for (const std::string& text : options_.serializers) {
      auto serializer = serializer_of(text, options_.time_zone);
      if (!serializer) {
        return serializer.error();
      }
      serializers_.push_back(std::move(*serializer));
    }
    const std::size_t groups = regex_->groups();
    // Flume takes such an expression, and sets no header.
    if (groups == 0 && !runs_by_properties(context)) {
      return Error{
          ErrorClass::config, "the expression has no group: no header would be set",
          "put ( and ) around the part that becomes the header: '(" + options_.regex + ")'"};
    }
    if (groups != serializers_.size()) {
      log(LogLevel::warning, "the expression has " + count_of(groups, "group") + " for " +
                                 count_of(serializers_.size(), "header") +
                                 ": the extra ones are ignored");
    }
    if (serializers_.size() > groups) {
      serializers_.resize(groups);
    }
    return {};
  }

  Status process(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch.kept(i)) {
        extract(batch, i);
      }
    }
    return {};
  }

 private:
  void extract(Batch& batch, std::size_t i) {
    const std::string_view body = batch[i].body();
    regex_->start(body);
    const Regex::Match match = regex_->next();
    if (match == Regex::Match::failed) {
      complaint_.add(regex_->error().message);
    }
    if (match != Regex::Match::yes || serializers_.empty()) {
      return;
    }
    Headers headers = batch.headers(i);
    for (std::size_t s = 0; s < serializers_.size(); ++s) {
      const std::optional<Regex::Span> span = regex_->group(s + 1);
      if (!span) {
        std::erase_if(headers, [&](const auto& h) { return h.first == serializers_[s].header; });
        continue;
      }
      std::optional<std::string> value =
          value_of(serializers_[s], body.substr(span->begin, span->end - span->begin));
      if (!value) {
        return;
      }
      put(headers, serializers_[s].header, std::move(*value));
    }
    if (headers.size() > limits_.headers) {
      complaint_.add("more than " + std::to_string(limits_.headers) + " headers");
      return;
    }
    batch.replace(i, headers, body);
  }

  /// Nothing, reported and counted, if the group cannot become a value.
  std::optional<std::string> value_of(const Serializer& serializer, std::string_view text) {
    if (serializer.time) {
      std::string gap_zone;
      const std::optional<std::int64_t> ms = serializer.time->millis(text, &gap_zone);
      if (!ms) {
        complaint_.add("'" + std::string(text.substr(0, 80)) + "' " +
                       (gap_zone.empty() ? "does not match the time pattern of the header '" +
                                               serializer.header + "'"
                                         : "does not exist in " + gap_zone));
        return std::nullopt;
      }
      return std::to_string(*ms);
    }
    std::string value = utf8_escaped(text);
    if (value.size() > limits_.value_bytes) {
      complaint_.add("a value of " + std::to_string(value.size()) +
                     " bytes is too long for the "
                     "header '" +
                     serializer.header + "' (" + std::to_string(limits_.value_bytes) + " at most)");
      return std::nullopt;
    }
    return value;
  }

  static void put(Headers& headers, const std::string& key, std::string value) {
    for (auto& header : headers) {
      if (header.first == key) {
        header.second = std::move(value);
        return;
      }
    }
    headers.emplace_back(key, std::move(value));
  }

  const Options options_;
  std::optional<Regex> regex_;
  std::vector<Serializer> serializers_;
  EventLimits limits_;
  Complaint complaint_{"passed through unchanged"};
};

}  // namespace

ComponentType regex_extractor_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "regex_extractor";
  type.class_names = {"org.apache.flume.interceptor.RegexExtractorInterceptor",
                      "org.apache.flume.interceptor.RegexExtractorInterceptor$Builder"};
  type.sought_as = {"extract", "parse", "capture"};
  type.summary = "take parts of the body into headers by a regular expression";
  type.description =
      "Searches the body for REGEX. The text of the first group becomes the first HEADER, that of "
      "the second group the second HEADER, and so on; an existing header is replaced. Only the "
      "first match counts; an event without a match passes through unchanged. A group that took no "
      "part in the match sets no header (Flume sets it to null).\n\n"
      "HEADER is a name, or NAME:millis:PATTERN: then the group is read as a time, and the header "
      "gets its milliseconds since 1970. PATTERN is a Joda-Time pattern, as in Flume's files: y "
      "year, M month (MMM its name), d day, H hour (h with a for AM and PM), m minute, s second, S "
      "fraction, E weekday, D day of the year, Z offset such as +0200 or Z, ZZZ zone; other "
      "letters are quoted: yyyy-MM-dd'T'HH:mm:ss. Names are English. A pattern without a year "
      "means 2000, as in Flume. A local time that a clock change skips does not exist and is "
      "reported. A colon in NAME is written \\:.\n\n"
      "In a Flume file serializers is a list of names of your choice, and each has "
      "serializers.<s>.name, type (DEFAULT or the class of the milliseconds) and pattern.\n\n"
      "An event whose group is not a time, does not fit into a header (4 KiB), or whose search "
      "takes more than ten million steps passes through unchanged: the first one is reported, the "
      "others are counted. (In Flume it makes its batch fail forever.) Bytes that are not valid "
      "UTF-8 are searched as U+FFFD and become %XX in a header.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'ERROR disk full\\n' | fl-intercept regex_extractor '^(\\w+) (\\w+)' level part | "
       "fl-sink logger",
       "The first two words become headers."},
      {"printf '2026-02-01 10:00:00 up\\n' | fl-intercept regex_extractor '^(\\S+ \\S+)' "
       "'timestamp:millis:yyyy-MM-dd HH:mm:ss' --time-zone Europe/Berlin | fl-sink logger",
       "The time of the line, so that fl-sink hdfs can choose a directory by it."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, RegexExtractorInterceptor, Options>();
  return type;
}

}  // namespace fl
