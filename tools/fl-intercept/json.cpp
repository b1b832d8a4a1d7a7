// Makes headers of the fields of JSON bodies.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/component/component_type.h"
#include "tools/fl-intercept/complaint.h"
#include "tools/fl-intercept/header_check.h"
#include "tools/fl-intercept/json_fields.h"
#include "tools/fl-intercept/reject.h"

namespace fl {
namespace {

struct Options {
  std::vector<std::string> fields;
  bool preserve_existing = false;
  bool required = false;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add(
          "field", &Options::fields, "NAME[=PATH]",
          "The header NAME gets the field at PATH: .user.id, .tags[0], .\"odd name\". Without PATH "
          "the field has the header's name.")
      .positional()
      .required()
      .cli_only();
  table
      .add("preserveExisting", &Options::preserve_existing, "BOOL",
           "Keep the value of events that already have the header.")
      .cli_only();
  table
      .add("required", &Options::required, "",
           "An event whose body is not JSON, or lacks one of the fields, ends the stage (65), or "
           "goes to the FILE of --reject. Otherwise it passes without the headers.")
      .cli_only();
  return std::move(table).erased();
}

class JsonInterceptor final : public Interceptor {
 public:
  explicit JsonInterceptor(Options options)
      : options_(std::move(options)),
        existing_(options_.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status open(const StageContext& context) override {
    context_ = &context;
    for (const std::string& text : options_.fields) {
      const std::size_t equals = text.find('=');
      std::string name = text.substr(0, equals);
      const std::string path =
          equals == std::string::npos ? ".\"" + name + "\"" : text.substr(equals + 1);
      if (name.empty()) {
        return Error{ErrorClass::config, "the field '" + text + "' names no header",
                     "NAME=PATH is expected, for example user=.user.id"};
      }
      if (name.starts_with('.')) {
        return Error{ErrorClass::config, "the field '" + text + "' names no header",
                     "write the header's name before it: NAME=" + text};
      }
      if (Status added = fields_.add(path); !added) {
        return added;
      }
      name = utf8_escaped(name);
      if (Status checked = check_header(context.limits, name); !checked) {
        return checked;
      }
      names_.push_back(std::move(name));
    }
    return {};
  }

  Status process(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch.kept(i)) {
        continue;
      }
      if (Status status = take(batch, i); !status) {
        return status;
      }
    }
    return {};
  }

  void figures(FigureList& out) const override {
    out.counter("events_not_json_total", "Events whose body is not JSON.", not_json_)
        .said_if_any("not JSON");
    out.counter("fields_missing_total", "Fields that a JSON body did not have.", missing_)
        .said_if_any("fields missing");
  }

 private:
  Status take(Batch& batch, std::size_t i) {
    const Status found = fields_.find(batch[i].body());
    if (!found) {
      ++not_json_;
      if (options_.required) {
        return reject_or_fail(*context_, batch, i, found.error());
      }
      complaint_.add("a body is " + found.error().message);
      return {};
    }
    if (const std::string why = lack(); !why.empty() && options_.required) {
      return reject_or_fail(*context_, batch, i, {ErrorClass::input, why});
    }
    for (std::size_t f = 0; f < names_.size(); ++f) {
      if (fields_.value(f) && fits(f)) {
        batch.put(i, names_[f], *fields_.value(f), existing_);
      }
    }
    return {};
  }

  bool fits(std::size_t f) const {
    return fields_.value(f)->size() <= context_->limits.value_bytes;
  }

  // Counts what the last body lacks, and names the first of it; empty: it has all.
  std::string lack() {
    std::string why;
    for (std::size_t f = 0; f < names_.size(); ++f) {
      if (!fields_.value(f)) {
        ++missing_;
        why = why.empty() ? "there is no field for the header '" + names_[f] + "'" : why;
      } else if (!fits(f)) {
        const std::string large = "a field of " + std::to_string(fields_.value(f)->size()) +
                                  " bytes is too long for the header '" + names_[f] + "' (" +
                                  std::to_string(context_->limits.value_bytes) + " at most)";
        if (!options_.required) {
          large_complaint_.add(large);
        }
        why = why.empty() ? large : why;
      }
    }
    return why;
  }

  const Options options_;
  const Batch::Existing existing_;
  const StageContext* context_ = nullptr;
  JsonFields fields_;
  std::vector<std::string> names_;
  std::uint64_t not_json_ = 0;
  std::uint64_t missing_ = 0;
  Complaint complaint_{"passed without headers of its fields"};
  Complaint large_complaint_{"passed without this header"};
};

}  // namespace

ComponentType json_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "json";
  type.sought_as = {"jq"};
  type.summary = "take fields of JSON bodies into headers";
  type.description =
      "Reads each body as JSON and gives the event a header for each FIELD, so that paths, "
      "selectors and filters can use it. The body stays as it is. PATH is written as for jq(1): "
      "names after dots, indexes from 0 in brackets, odd names in quotes.\n\n"
      "A string becomes the header's value without quotes and escapes; a number or a boolean as it "
      "is spelled (1.10 stays 1.10); an object or an array as its JSON text. null counts as "
      "missing. Of a name that is there twice the last one counts.\n\n"
      "An event whose body is not JSON passes without headers of its fields: the first one is "
      "reported, the others are counted. So does one that lacks a field, without that header; "
      "that is counted only. A field too long for a header (4 KiB) is left out and reported. With "
      "--required all of these end the stage with 65, or go to the FILE of --reject.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf '{\"user\":{\"id\":7},\"level\":\"info\"}\\n' | fl-intercept json user=.user.id "
       "level | fl-sink stdout --format json",
       "Two headers."},
      {"printf '{\"ts\":\"1772359200000\"}\\n' | fl-intercept json timestamp=.ts | fl-sink hdfs "
       "\"file://$(mktemp -d)/%Y-%m-%d\"",
       "A directory for each day, by the time in the events."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, JsonInterceptor, Options>();
  return type;
}

}  // namespace fl
