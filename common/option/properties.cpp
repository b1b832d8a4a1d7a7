#include "common/option/properties.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/option/option_values.h"
#include "common/option/suggest.h"

namespace fl {
namespace {

std::string with_flume_unit(const OptionSpec& spec, std::string_view text) {
  std::string value(text);
  const bool bare = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
  return bare ? value + spec.flume_unit : value;
}

using Properties = std::map<std::string, std::string>;

// What a name of a list stands for, from its own properties.
std::string with_parts(const OptionSpec& spec, std::string_view name, const Properties& properties,
                       std::vector<std::string>& keys) {
  std::vector<std::string> parts;
  for (const std::string& part : spec.parts) {
    keys.push_back(fmt::format("{}.{}.{}", spec.key, name, part));
    const auto given = properties.find(keys.back());
    parts.push_back(given != properties.end() ? given->second : std::string());
  }
  return join_parts(parts);
}

// `keys`: the names of the properties that were looked for.
Status set_from_flume(const OptionSpec& spec, void* options, std::string_view text,
                      const Properties& properties, std::vector<std::string>& keys) {
  if (!spec.is_repeated) {
    return set_option(spec, options, with_flume_unit(spec, text));
  }
  std::size_t start = text.find_first_not_of(" \t");
  while (start != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(" \t", start), text.size());
    std::string item(text.substr(start, end - start));
    if (!spec.parts.empty()) {
      item = with_parts(spec, item, properties, keys);
    }
    if (Status status = set_option(spec, options, item); !status) {
      return status;
    }
    start = text.find_first_not_of(" \t", end);
  }
  return {};
}

}  // namespace

Status apply_properties(const OptionSet& set, const std::map<std::string, std::string>& properties,
                        void* options, PropertyNotes& notes) {
  std::vector<std::string> keys;
  for (const OptionSpec& spec : set.options) {
    if (spec.is_cli_only) {
      continue;
    }
    keys.push_back(spec.key);
    const auto given = properties.find(spec.key);
    if (given == properties.end() && spec.is_required) {
      return Error{ErrorClass::config, fmt::format("property '{}' is missing", spec.key)};
    }
    if (given != properties.end() && !spec.ignored_reason.empty()) {
      notes.ignored.push_back(
          fmt::format("property '{}' has no effect: {}", spec.key, spec.ignored_reason));
      continue;
    }
    const std::string& text = given != properties.end() ? given->second : spec.flume_default;
    if (given == properties.end() && text.empty()) {
      continue;
    }
    if (Status status = set_from_flume(spec, options, text, properties, keys); !status) {
      return Error{ErrorClass::config,
                   fmt::format("property '{}': {}", spec.key, status.error().message)};
    }
  }
  for (const auto& [key, value] : properties) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      notes.unknown.push_back(fmt::format("unknown property '{}'{}", key, did_you_mean(key, keys)));
    }
  }
  return {};
}

}  // namespace fl
