#include "common/option/option_table.h"

#include <fmt/format.h>

#include <cctype>
#include <limits>

#include "common/base/text.h"

namespace fl {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string option_name(std::string_view key) {
  const std::size_t dot = key.find('.');
  if (dot != std::string_view::npos) {
    key.remove_prefix(dot + 1);
  }
  std::string name;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (c == '.' || c == '_') {
      name += '-';
      continue;
    }
    if (!is_upper(c)) {
      name += c;
      continue;
    }
    const char before = i > 0 ? key[i - 1] : '\0';
    const char behind = i + 1 < key.size() ? key[i + 1] : '\0';
    // A word begins where a small letter ends, and at the last capital of a run: HTTPPort.
    if (is_lower_or_digit(before) || (is_upper(before) && is_lower_or_digit(behind))) {
      name += '-';
    }
    name += static_cast<char>(std::tolower(c));
  }
  return name;
}

namespace option_detail {
namespace {

template <typename T>
Status assign(Result<T> parsed, T& out) {
  if (!parsed) {
    return parsed.error();
  }
  out = *parsed;
  return {};
}

}  // namespace

Status parse(std::string_view text, bool& out) {
  if (text == "true" || text == "yes" || text == "on" || text == "1") {
    out = true;
  } else if (text == "false" || text == "no" || text == "off" || text == "0") {
    out = false;
  } else {
    return Error{ErrorClass::usage, fmt::format("'{}' is neither true nor false", text)};
  }
  return {};
}

Status parse(std::string_view text, std::uint64_t& out) { return assign(parse_count(text), out); }

Status parse(std::string_view text, std::int64_t& out) {
  const bool negative = !text.empty() && text.front() == '-';
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const Result<std::uint64_t> digits = parse_count(negative ? text.substr(1) : text, kMax);
  if (!digits) {
    return Error{ErrorClass::usage, fmt::format("'{}' is not a whole number", text)};
  }
  out = negative ? -static_cast<std::int64_t>(*digits) : static_cast<std::int64_t>(*digits);
  return {};
}

Status parse(std::string_view text, Bytes& out) { return assign(parse_bytes(text), out); }

Status parse(std::string_view text, Duration& out) { return assign(parse_duration(text), out); }

Status parse(std::string_view text, std::string& out) {
  out = text;
  return {};
}

Status parse(std::string_view text, std::vector<std::string>& out) {
  out.emplace_back(text);
  return {};
}

std::string render(bool value) { return value ? "true" : "false"; }
std::string render(std::uint64_t value) { return std::to_string(value); }
std::string render(std::int64_t value) { return std::to_string(value); }
std::string render(Bytes value) { return to_string(value); }
std::string render(Duration value) { return to_string(value); }
std::string render(const std::string& value) { return value; }
std::string render(const std::vector<std::string>& value) { return join(value, " "); }

namespace {

using Origin = Secret::Origin;

/// The variable that stands for a secret which a Flume file holds as it is.
std::string variable_for(std::string_view option, std::string_view property = "") {
  std::string name = fmt::format("FL_{}{}{}", option, property.empty() ? "" : "_", property);
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    c = std::isalnum(byte) != 0 && byte < 0x80 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return name;
}

// The texts of one option of a prefix.
std::vector<std::string> entries_of(const PropertyMap& map, Origin place,
                                    const std::string& option) {
  std::vector<std::string> out;
  for (const auto& [name, secret] : map) {
    const bool is_hidden = secret.origin() == Origin::literal && sounds_secret(name);
    if (is_hidden && place == Origin::environment) {
      out.push_back(name + "=" + variable_for(option, name));
    } else if (secret.origin() == place && !is_hidden) {
      out.push_back(name + "=" +
                    (place == Origin::literal ? *secret.reveal() : secret.reference()));
    }
  }
  return out;
}

OptionSpec reference_spec(const OptionSpec& of, Origin place, std::string metavar,
                          std::string help) {
  OptionSpec spec;
  const bool is_file = place == Origin::file;
  spec.key = of.key + (is_file ? "File" : "Env");
  spec.name = of.name + (is_file ? "-file" : "-env");
  spec.metavar = std::move(metavar);
  spec.help = std::move(help);
  spec.is_cli_only = true;
  spec.is_path = is_file && !of.is_prefix;
  spec.refuses_empty = true;
  spec.is_repeated = of.is_prefix;
  return spec;
}

void add_get(OptionSpec& spec, std::function<std::vector<std::string>(const void*)> get_all) {
  spec.get = [get_all](const void* options) { return join(get_all(options), " "); };
  spec.get_all = std::move(get_all);
}

}  // namespace

void add_secret(OptionSet& set, std::string key, const std::function<Secret&(void*)>& access,
                const std::string& help) {
  OptionSpec secret;
  secret.name = option_name(key);
  secret.key = std::move(key);
  secret.metavar = "SECRET";
  secret.help = help;
  secret.is_flume_only = true;
  secret.is_secret = true;
  secret.set = [access](void* options, std::string_view text) {
    access(options) = Secret(Origin::literal, text);
    return Status();
  };
  secret.get = [](const void* /*options*/) { return std::string(); };
  secret.get_all = [](const void* /*options*/) { return std::vector<std::string>(); };
  const std::string in_flume =
      fmt::format(" In a Flume file {} holds the secret itself.", secret.key);
  for (const Origin place : {Origin::environment, Origin::file}) {
    const bool is_file = place == Origin::file;
    OptionSpec spec = reference_spec(
        secret, place, is_file ? "FILE" : "VARIABLE",
        help + (is_file ? " Read from FILE." : " Read from this environment variable." + in_flume));
    spec.set = [access, place](void* options, std::string_view text) {
      access(options) = Secret(place, text);
      return Status();
    };
    add_get(spec, [access, place, name = secret.name](const void* options) {
      const Secret& value = access(const_cast<void*>(options));  // only read
      const bool is_hidden = value.origin() == Origin::literal && place == Origin::environment;
      return value.origin() == place ? std::vector<std::string>{value.reference()}
             : is_hidden             ? std::vector<std::string>{variable_for(name)}
                                     : std::vector<std::string>();
    });
    set.options.push_back(std::move(spec));
  }
  set.options.push_back(std::move(secret));
}

void add_prefix(OptionSet& set, std::string key, const std::function<PropertyMap&(void*)>& access,
                const std::string& help, const std::string& alias) {
  OptionSpec plain;
  if (!alias.empty()) {
    plain.aliases.push_back(alias);
  }
  plain.name = option_name(key);
  plain.key = std::move(key);
  plain.metavar = "NAME=VALUE";
  plain.help = help;
  plain.is_prefix = true;
  plain.is_repeated = true;
  plain.refuses_empty = true;
  OptionSpec environment =
      reference_spec(plain, Origin::environment, "NAME=VARIABLE",
                     "The same, for a secret: read from this environment variable.");
  OptionSpec file =
      reference_spec(plain, Origin::file, "NAME=FILE", "The same, for a secret: read from FILE.");
  const std::string option = plain.name;
  for (auto& [spec, place] : {std::pair<OptionSpec&, Origin>(plain, Origin::literal),
                              std::pair<OptionSpec&, Origin>(environment, Origin::environment),
                              std::pair<OptionSpec&, Origin>(file, Origin::file)}) {
    spec.set = [access, place = place, metavar = spec.metavar](void* options,
                                                               std::string_view text) -> Status {
      const std::size_t equals = text.find('=');
      if (equals == 0 || equals == std::string_view::npos) {
        return Error{ErrorClass::usage, "the value is not " + metavar};
      }
      access(options)[std::string(text.substr(0, equals))] = Secret(place, text.substr(equals + 1));
      return {};
    };
    add_get(spec, [access, place = place, option](const void* options) {
      return entries_of(access(const_cast<void*>(options)), place, option);  // only read
    });
    set.options.push_back(std::move(spec));
  }
}

}  // namespace option_detail
}  // namespace fl
