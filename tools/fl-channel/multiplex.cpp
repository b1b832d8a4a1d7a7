// Sends each event to the outputs that its header names.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/component/component_type.h"
#include "common/fanout/fan_out_sink.h"
#include "common/fanout/output_options.h"
#include "tools/fl-channel/output_numbers.h"

namespace fl {
namespace {

struct Options {
  std::string header = "flume.selector.header";
  std::vector<std::string> mapping;
  std::vector<std::string> optional;
  std::vector<std::string> fallback;
  Duration keep_alive{3'000};
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("header", &Options::header, "NAME", "The header that decides.");
  table
      .add("mapping", &Options::mapping, "VALUE=N[,N...]",
           "Events whose header is VALUE go to these outputs, counted from 1 in the order of "
           "--out.")
      .named("map");
  table.add("default", &Options::fallback, "N[,N...]",
            "Outputs for events without the header, with a blank one, or with an unmapped value.");
  table.add("optional", &Options::optional, "VALUE=N[,N...]",
            "Outputs that also get events of this value, but may miss some.");
  add_keep_alive(table, &Options::keep_alive);
  return std::move(table).erased();
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\v\f\r") == std::string_view::npos;
}

class Multiplex final : public Selector {
 public:
  explicit Multiplex(const Options& options) : options_(options) {}

  Status open(std::size_t outputs) override {
    for (const std::string& numbers : options_.fallback) {
      const Result<OutputSet> set = parse_output_numbers(numbers, outputs);
      if (!set) {
        return set.error();
      }
      default_ |= *set;
    }
    std::map<std::string, OutputSet, std::less<>> mapped;
    std::map<std::string, OutputSet, std::less<>> optional;
    if (Status status = read(options_.mapping, "--map", outputs, mapped); !status) {
      return status;
    }
    if (Status status = read(options_.optional, "--optional", outputs, optional); !status) {
      return status;
    }
    OutputSet required = default_;
    OutputSet maybe = 0;
    for (const auto& [value, set] : mapped) {
      routes_[value].required = set;
      required |= set;
    }
    for (const auto& [value, set] : optional) {
      Route& route = routes_[value];
      if (!mapped.contains(value)) {
        route.required = default_;
      }
      route.optional = set & ~route.required;
      maybe |= route.optional;
    }
    only_optional_ = maybe & ~required;
    if ((required | maybe) != all_outputs(outputs)) {
      return Error{ErrorClass::usage,
                   "an --out is named neither by --map, --default nor --optional",
                   "--default N gives it what no other output gets"};
    }
    return {};
  }

  Route route(const Event& event) const override {
    const std::optional<std::string_view> value = find_header(event, options_.header);
    if (!value || is_blank(*value)) {
      return {default_, 0};
    }
    const auto found = routes_.find(*value);
    return found == routes_.end() ? Route{default_, 0} : found->second;
  }
  OutputSet only_optional() const override { return only_optional_; }

 private:
  static Status read(const std::vector<std::string>& texts, const char* option, std::size_t outputs,
                     std::map<std::string, OutputSet, std::less<>>& into) {
    for (const std::string& text : texts) {
      const std::size_t equals = text.rfind('=');
      if (equals == std::string::npos || is_blank(std::string_view(text).substr(0, equals))) {
        return Error{ErrorClass::usage,
                     std::string(option) + " '" + text + "' is not of the form VALUE=N[,N...]",
                     {}};
      }
      const Result<OutputSet> set =
          parse_output_numbers(std::string_view(text).substr(equals + 1), outputs);
      if (!set) {
        return set.error();
      }
      into[text.substr(0, equals)] |= *set;
    }
    return {};
  }

  const Options options_;
  std::map<std::string, Route, std::less<>> routes_;
  OutputSet default_ = 0;
  OutputSet only_optional_ = 0;
};

}  // namespace

ComponentType multiplex_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "multiplex";
  type.aliases = {"multiplexing"};
  type.class_names = {"org.apache.flume.channel.MultiplexingChannelSelector"};
  type.sought_as = {"route", "switch"};
  type.summary = "send each event to the outputs that a header chooses";
  type.description =
      "The value of --header decides: --map names the outputs for a value, --default those for all "
      "other events. Values are compared exactly. Without --default an event with an unmapped "
      "value is dropped and acknowledged, as in Flume.\n\n"
      "An output that is required for some value is waited for, whatever it gets. One that is only "
      "--optional never delays the others: after --keep-alive it misses events; missed events are "
      "counted and reported.";
  type.delivery =
      "An event is acknowledged when every required output has acknowledged its share of all "
      "events up to this one. The loss of a required output ends the stage with 75.";
  type.examples = {
      {"printf 'a\\nb\\n' | fl-intercept static --key state --value CZ | fl-channel multiplex "
       "--header state --map CZ=1 --default 2 --out czech.avro --out other.avro",
       "Events with one value go to one file, all others to another."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    return std::make_unique<FanOutSink>(std::make_unique<Multiplex>(options), options.keep_alive);
  };
  return type;
}

}  // namespace fl
