#include "common/option/properties.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string_view>

#include "common/base/text.h"
#include "common/option/option_values.h"
#include "common/option/suggest.h"

namespace fl {
namespace {

constexpr std::string_view kMasked = "***";

std::string trimmed(std::string_view text) {
  // Java's trim(): everything up to a blank, control characters too.
  const auto is_kept = [](char c) { return static_cast<unsigned char>(c) > ' '; };
  const auto first = std::find_if(text.begin(), text.end(), is_kept);
  const auto last = std::find_if(text.rbegin(), text.rend(), is_kept).base();
  return first < last ? std::string(first, last) : std::string();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether `text` is a number below one, as Java reads numbers.
bool is_not_positive(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  return is_number(digits) && (negative || digits.find_first_not_of('0') == std::string_view::npos);
}

class Application {
 public:
  Application(const OptionSet& set, void* options) : set_(set), options_(options) {}

  std::vector<Finding> apply(const std::vector<Property>& properties) {
    for (const Property& property : properties) {
      take(property);
    }
    for (const OptionSpec& spec : set_.options) {
      if (!spec.is_cli_only) {
        known_.push_back(spec.key);
        apply(spec);
      }
    }
    for (const auto& [key, property] : given_) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        warn(property, fmt::format("unknown property '{}'{}", key, did_you_mean(key, known_)),
             "it has no effect: correct or remove it");
      }
    }
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.line < b.line; });
    return std::move(findings_);
  }

 private:
  void take(const Property& property) {
    Property clean{trimmed(property.key), trimmed(property.value), property.line};
    if (clean.value.empty()) {
      warn(clean,
           fmt::format("property '{}' has no value and is ignored, as Flume does", clean.key),
           "give it a value or remove it");
      return;
    }
    if (clean.value.find('\0') != std::string::npos || clean.key.find('\0') != std::string::npos) {
      fail(clean, fmt::format("property '{}' contains a NUL character", printable_key(clean.key)),
           "remove \\u0000");
      return;
    }
    const auto [entry, is_new] = given_.try_emplace(clean.key, clean);
    if (!is_new) {
      warn(entry->second,
           fmt::format("property '{}' is given again in line {}, which is used", clean.key,
                       clean.line),
           "remove one of them");
      entry->second = std::move(clean);
    }
  }

  static std::string printable_key(const std::string& key) { return key.substr(0, key.find('\0')); }

  void apply(const OptionSpec& spec) {
    if (spec.is_prefix) {
      apply_prefix(spec);
      return;
    }
    if (!spec.ignored_reason.empty()) {
      ignore(spec);
      return;
    }
    const auto found = given_.find(spec.key);
    if (found == given_.end()) {
      apply_default(spec);
      return;
    }
    const Property& property = found->second;
    check(spec, property, set_from_flume(spec, property));
  }

  // What has no effect, with all below it that is not an option: encryption.keyProvider.keys.k1...
  void ignore(const OptionSpec& spec) {
    for (const auto& [key, property] : given_) {
      if (key == spec.key || (key.starts_with(spec.key + ".") && !is_option(key))) {
        known_.push_back(key);
        warn(property, fmt::format("property '{}' has no effect: {}", key, spec.ignored_reason),
             "remove it");
      }
    }
  }

  bool is_option(const std::string& key) const {
    return std::any_of(set_.options.begin(), set_.options.end(), [&key](const OptionSpec& spec) {
      return !spec.is_cli_only && spec.key == key;
    });
  }

  void apply_default(const OptionSpec& spec) {
    if (spec.is_required && spec.flume_default.empty()) {
      fail({spec.key, {}, 0}, fmt::format("property '{}' is missing", spec.key),
           fmt::format("add {} = {}", spec.key, spec.metavar));
    } else if (!spec.flume_default.empty()) {
      const Property property{spec.key, spec.flume_default, 0};
      check(spec, property, set_text(spec, property.value));
    }
  }

  // Every property <key>.<rest> that no option of its own has.
  void apply_prefix(const OptionSpec& spec) {
    const std::string start = spec.key + ".";
    for (const auto& [key, property] : given_) {
      if (!key.starts_with(start) || key.size() == start.size() || is_option(key)) {
        continue;
      }
      known_.push_back(key);
      const std::string name = key.substr(start.size());
      if (!spec.ignored_reason.empty()) {
        warn(property, fmt::format("property '{}' has no effect: {}", key, spec.ignored_reason),
             "remove it");
      } else if (name.find('=') != std::string::npos) {
        fail(property, fmt::format("property '{}': the name after '{}' contains a '='", key, start),
             "remove the '='");
      } else {
        check(spec, property, spec.set(options_, name + "=" + property.value));
      }
    }
  }

  void check(const OptionSpec& spec, const Property& property, const Status& status) {
    if (!status) {
      fail(property, fmt::format("property '{}': {}", spec.key, status.error().message),
           status.error().hint.empty() ? spec.hint : status.error().hint);
    }
  }

  Status set_from_flume(const OptionSpec& spec, const Property& property) {
    if (spec.is_flag) {
      return set_boolean(spec, property);
    }
    if (spec.is_repeated) {
      return set_list(spec, property.value);
    }
    const bool is_low = is_not_positive(property.value);
    if (is_low && property.value.starts_with('-') && !spec.flume_negative.empty()) {
      return set_text(spec, spec.flume_negative);
    }
    if (!spec.bad_is_default) {
      return set_text(spec, property.value);
    }
    Status status = set_text(spec, property.value);
    if (!status || (is_low && spec.zero_is_bad)) {
      warn(property,
           fmt::format("property '{}': '{}' is not a valid number: Flume uses {}", spec.key,
                       property.value, default_of(spec)),
           "write a whole number above 0");
      return set_text(spec, default_of(spec));
    }
    return status;
  }

  Status set_boolean(const OptionSpec& spec, const Property& property) {
    const std::string word = lower(property.value);
    if (word != "true" && word != "false") {
      warn(property,
           fmt::format("property '{}': Flume treats '{}' as false", spec.key, property.value),
           "write true or false");
    }
    return spec.set(options_, word == "true" ? "true" : "false");
  }

  Status set_list(const OptionSpec& spec, std::string_view text) {
    std::size_t start = text.find_first_not_of(" \t");
    while (start != std::string_view::npos) {
      const std::size_t end = std::min(text.find_first_of(" \t", start), text.size());
      std::string item(text.substr(start, end - start));
      if (!spec.parts.empty()) {
        item = with_parts(spec, item);
      }
      if (Status status = set_option(spec, options_, item); !status) {
        return status;
      }
      start = text.find_first_not_of(" \t", end);
    }
    return {};
  }

  // What a name of a list stands for, from its own properties.
  std::string with_parts(const OptionSpec& spec, std::string_view name) {
    std::vector<std::string> parts;
    for (const std::string& part : spec.parts) {
      known_.push_back(fmt::format("{}.{}{}{}", spec.key, name, part.empty() ? "" : ".", part));
      const auto given = given_.find(known_.back());
      parts.push_back(given != given_.end() ? given->second.value : std::string());
    }
    return join_parts(parts);
  }

  Status set_text(const OptionSpec& spec, std::string text) {
    if (text.starts_with('+') && is_number(std::string_view(text).substr(1))) {
      text.erase(0, 1);  // Java takes it
    }
    if (is_number(text)) {
      text += spec.flume_unit;
    }
    return spec.is_repeated ? set_list(spec, text) : set_option(spec, options_, text);
  }

  std::string default_of(const OptionSpec& spec) const {
    return spec.flume_default.empty() ? spec.get(set_.make().get()) : spec.flume_default;
  }

  // The value of a property that nobody knows may be a secret whose name is mistyped.
  std::string shown_value(const Property& property) const {
    for (const OptionSpec& spec : set_.options) {
      if (!spec.is_cli_only && spec.key == property.key) {
        return spec.is_secret ? std::string(kMasked) : property.value;
      }
      if (spec.is_prefix && property.key.starts_with(spec.key + ".")) {
        return sounds_secret(property.key) ? std::string(kMasked) : property.value;
      }
    }
    return property.value.empty() ? std::string() : std::string(kMasked);
  }

  void warn(const Property& property, std::string message, std::string hint) {
    findings_.push_back({Finding::Severity::warning, property.key, shown_value(property),
                         property.line, std::move(message), std::move(hint)});
  }

  void fail(const Property& property, std::string message, std::string hint) {
    findings_.push_back({Finding::Severity::error, property.key, shown_value(property),
                         property.line, std::move(message), std::move(hint)});
  }

  const OptionSet& set_;
  void* const options_;
  std::map<std::string, Property> given_;
  std::vector<std::string> known_;
  std::vector<Finding> findings_;
};

}  // namespace

bool has_error(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.severity == Finding::Severity::error;
  });
}

std::vector<Finding> apply_properties(const OptionSet& set, const std::vector<Property>& properties,
                                      void* options) {
  return Application(set, options).apply(properties);
}

std::string findings_json(const std::vector<Finding>& findings) {
  std::vector<std::string> objects;
  for (const Finding& finding : findings) {
    objects.push_back(
        fmt::format(R"({{"key":{},"value":{},"line":{},"severity":"{}","message":{},"hint":{}}})",
                    json_quoted(finding.key), json_quoted(finding.value), finding.line,
                    finding.severity == Finding::Severity::error ? "error" : "warning",
                    json_quoted(finding.message), json_quoted(finding.hint)));
  }
  return "[" + join(objects, ",\n ") + "]\n";
}

}  // namespace fl
