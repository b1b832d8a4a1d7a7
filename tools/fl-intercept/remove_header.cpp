// Removes headers by name, list or pattern.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/component/component_type.h"
#include "common/regex/regex.h"

namespace fl {
namespace {

constexpr const char* kCommas = R"(\s*,\s*)";

struct Options {
  std::string with_name;
  std::string from_list;
  std::string from_list_separator;
  std::string matching;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("fromList", &Options::from_list, "NAME,...",
           "Names of headers to remove, separated by commas.")
      .positional();
  table.add("withName", &Options::with_name, "NAME", "One more name, which may hold commas.");
  table.add("matching", &Options::matching, "REGEX",
            "Also remove headers whose whole name matches.");
  table
      .add("fromListSeparator", &Options::from_list_separator, "REGEX",
           "The separator of the names in the list. Default: a comma, with or without blanks.")
      .flume(kCommas);
  return std::move(table).erased();
}

/// The pieces of `text` between the matches, as Java's String.split() has them: empty ones at the
/// end are left out.
Result<std::vector<std::string>> split(std::string_view text, const std::string& separator) {
  Result<Regex> regex = Regex::compile(separator, Regex::Mode::groups);
  if (!regex) {
    return regex.error();
  }
  std::vector<std::string> pieces;
  std::size_t begin = 0;
  regex->start(text);
  Regex::Match match = Regex::Match::no;
  while ((match = regex->next()) == Regex::Match::yes) {
    const Regex::Span span = *regex->group(0);
    if (span.end > 0) {  // an empty match at the start splits nothing
      pieces.emplace_back(text.substr(begin, span.begin - begin));
      begin = span.end;
    }
  }
  if (match == Regex::Match::failed) {
    return Error{ErrorClass::usage, regex->error().message, regex->error().hint};
  }
  pieces.emplace_back(text.substr(begin));
  while (pieces.size() > 1 && pieces.back().empty()) {
    pieces.pop_back();
  }
  return pieces;
}

class RemoveHeaderInterceptor final : public Interceptor {
 public:
  explicit RemoveHeaderInterceptor(Options options) : options_(std::move(options)) {}

  Status open(const StageContext&) override {
    if (options_.from_list.empty() && options_.with_name.empty() && options_.matching.empty()) {
      // Flume's file may say so; there the separator has its default.
      if (options_.from_list_separator.empty()) {
        return Error{ErrorClass::usage, "NAME,... is missing: no header would be removed",
                     "for example: fl-intercept remove_header user"};
      }
    }
    if (options_.from_list_separator.empty()) {
      options_.from_list_separator = kCommas;
    }
    if (!options_.from_list.empty()) {
      auto names = split(options_.from_list, options_.from_list_separator);
      if (!names) {
        return names.error();
      }
      names_ = std::move(*names);
    }
    if (!options_.with_name.empty()) {
      names_.push_back(options_.with_name);
    }
    for (std::string& name : names_) {
      name = utf8_escaped(name);
    }
    if (!options_.matching.empty()) {
      auto regex = Regex::compile(options_.matching, Regex::Mode::full);
      if (!regex) {
        return regex.error();
      }
      matching_.emplace(std::move(*regex));
    }
    return {};
  }

  Status process(Batch& batch) override {
    failed_ = false;
    for (std::size_t i = 0; i < batch.size() && !failed_; ++i) {
      if (!batch.kept(i)) {
        continue;
      }
      if (batch.prefix(i).empty() && !holds_one(batch[i])) {
        continue;
      }
      Headers headers = batch.headers(i);
      if (std::erase_if(headers, [this](const auto& header) { return goes(header.first); }) > 0) {
        batch.replace(i, headers, batch[i].body());
      }
    }
    return failed_ ? Status(matching_->error()) : Status();
  }

 private:
  bool holds_one(const Event& event) {
    if (!event.has_headers()) {
      return false;
    }
    HeaderCursor cursor(event);
    std::string_view key;
    std::string_view value;
    while (cursor.next(key, value)) {
      if (goes(key)) {
        return true;
      }
    }
    return false;
  }

  bool goes(std::string_view name) {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) {
      return true;
    }
    if (!matching_) {
      return false;
    }
    const Regex::Match match = matching_->match(name);
    failed_ = failed_ || match == Regex::Match::failed;
    return match == Regex::Match::yes;
  }

  Options options_;
  std::vector<std::string> names_;
  std::optional<Regex> matching_;
  bool failed_ = false;
};

}  // namespace

ComponentType remove_header_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "remove_header";
  type.class_names = {"org.apache.flume.interceptor.RemoveHeaderInterceptor",
                      "org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder"};
  type.sought_as = {"delete", "unset"};
  type.summary = "remove headers by name, list or pattern";
  type.description =
      "Removes the headers that the list names, the one that --with-name names and those whose "
      "whole name matches --matching. Without any of them it is refused, and a "
      "Flume file that has none passes events through unchanged.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept static user kim + remove_header user | fl-sink logger",
       "Adds a header and removes it again."},
      {"printf 'a\\n' | fl-intercept timestamp + static x-id 7 + remove_header timestamp,host "
       "--matching 'x-.*' | fl-sink logger",
       "Two by name, and all that begin with x-."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, RemoveHeaderInterceptor, Options>();
  return type;
}

}  // namespace fl
