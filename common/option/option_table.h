// The option table: everything a user can see of a component is declared once, here, and the
// command line, help, man page, completion, Flume key and defaults are derived, so that they cannot
// contradict each other.
//
//   struct Options { std::string path; Duration roll_interval{300'000}; };
//   OptionTable<Options> table;
//   table.add("hdfs.path", &Options::path, "PATH", "Directory to write to.").positional();
//   table.add("hdfs.rollInterval", &Options::roll_interval, "TIME", "Roll after
//   TIME.").flume("30");
//
// The default on the command line is the member's initial value; .flume() is Flume's where it
// differs. Option name: the component's prefix is dropped and camelCase becomes kebab-case
// ("hdfs.rollInterval" -> "--roll-interval"). A bool is a flag: --name, --name=false.
//
//   table.add_secret("keystorePassword", &Options::password, "Opens the keystore.");
//   table.add_prefix("kafka.producer", &Options::producer, "A setting of the producer.");
//
// A secret has no value on the command line, only --keystore-password-env NAME and -file PATH. A
// prefix takes every Flume property below it, and --producer NAME=VALUE several times, with the
// same two for those that are secrets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/base/units.h"
#include "common/option/given_options.h"
#include "common/option/secret.h"

namespace fl {

/// One option, without the type of the struct it belongs to.
struct OptionSpec {
  std::string key;   ///< Flume's spelling; for options of ours that Flume lacks, the same style
  std::string name;  ///< command line name without dashes
  std::string metavar;
  std::string help;
  std::string flume_default;  ///< Flume's value where it differs from ours
  std::string flume_unit;     ///< "ms": a bare number in a Flume file is milliseconds, not seconds
  std::vector<std::string> choices;  ///< taken in any case; set() sees them as spelled here
  /// Other words for a choice (Flume's class names), to the letter: {word, choice}.
  std::vector<std::pair<std::string, std::string>> choice_aliases;
  std::vector<std::string> aliases;  ///< further command line names
  bool is_flag = false;
  bool is_required = false;
  bool is_positional = false;
  bool follows_dashes = false;  ///< written after "--": its words may look like options
  bool is_repeated = false;     ///< vector<string>: may be given several times
  /// Where Flume's value is a list of names with properties of their own, <key>.<name>.<part>: the
  /// parts in the order in which one text on the command line holds them, "a:b:c" (see
  /// split_parts() in option_values.h); "" is <key>.<name> itself. The names themselves are only
  /// Flume's.
  std::vector<std::string> parts;
  bool is_cli_only = false;  ///< no Flume property
  bool is_path = false;      ///< the value names a file or directory
  /// An empty value is never intended: it comes from a variable that is not set.
  bool refuses_empty = false;
  /// The key of the option that gets VALUE when this positional is alone and reads NAME=VALUE.
  std::string pair_key;
  bool is_flume_only = false;  ///< no command line option
  bool is_secret = false;      ///< the value is shown nowhere
  bool is_prefix = false;      ///< takes all properties <key>.NAME; set() reads "NAME=VALUE"
  /// What a negative number in a Flume file stands for; empty: it is refused.
  std::string flume_negative;
  /// Flume takes its default for what is not a number ...
  bool bad_is_default = false;
  bool zero_is_bad = false;    ///< ... or not above 0
  std::string hint;            ///< what to do, after a value that is refused
  std::string ignored_reason;  ///< Flume has it, we accept and ignore it: why

  /// Parses `text` into the member. Errors are of class usage and name the value.
  std::function<Status(void* options, std::string_view text)> set;
  /// The member as text that set() reads back; of a repeated option for people.
  std::function<std::string(const void* options)> get;
  /// The member as the texts that set() was called with, or would be: one, unless it is repeated.
  std::function<std::vector<std::string>(const void* options)> get_all;
};

/// A table without its type, with a way to make a default-constructed struct.
struct OptionSet {
  std::vector<OptionSpec> options;
  std::function<std::shared_ptr<void>()> make = [] { return std::make_shared<int>(0); };
};

/// "hdfs.rollInterval" -> "roll-interval", "max-line-length" stays, "useIP" -> "use-ip".
std::string option_name(std::string_view key);

namespace option_detail {
Status parse(std::string_view text, bool& out);
Status parse(std::string_view text, std::uint64_t& out);
Status parse(std::string_view text, std::int64_t& out);
Status parse(std::string_view text, Bytes& out);
Status parse(std::string_view text, Duration& out);
Status parse(std::string_view text, std::string& out);
Status parse(std::string_view text, std::vector<std::string>& out);  // appends
std::string render(bool value);
std::string render(std::uint64_t value);
std::string render(std::int64_t value);
std::string render(Bytes value);
std::string render(Duration value);
std::string render(const std::string& value);
std::string render(const std::vector<std::string>& value);
template <typename Member>
std::vector<std::string> render_all(const Member& value) {
  return {render(value)};
}
inline std::vector<std::string> render_all(const std::vector<std::string>& value) { return value; }

void add_secret(OptionSet& set, std::string key, const std::function<Secret&(void*)>& access,
                const std::string& help);
void add_prefix(OptionSet& set, std::string key, const std::function<PropertyMap&(void*)>& access,
                const std::string& help, const std::string& alias);
}  // namespace option_detail

/// Builds an OptionSet. Owns the specs of the options added so far, in the order of the help; each
/// holds a pointer to a member of Options, so setting one needs no lookup by name. Between calls
/// every spec is complete with its defaults; an Entry is valid until the next add(). erased() ends
/// the building and forgets the type, so that nothing below this folder is a template.
template <typename Options>
class OptionTable {
 public:
  /// Returned by add(); each call refines the option just added.
  class Entry {
   public:
    explicit Entry(OptionSpec& spec) : spec_(spec) {}
    Entry& required() {
      spec_.is_required = true;
      return *this;
    }
    Entry& positional() {
      spec_.is_positional = true;
      return *this;
    }
    /// A positional that is written after "--", since its words may look like options.
    Entry& after_dashes() {
      spec_.follows_dashes = true;
      return positional();
    }
    Entry& cli_only() {
      spec_.is_cli_only = true;
      return *this;
    }
    Entry& named(std::string name) {
      spec_.name = std::move(name);
      return *this;
    }
    Entry& alias(std::string name) {
      spec_.aliases.push_back(std::move(name));
      return *this;
    }
    Entry& choices(std::vector<std::string> values) {
      spec_.choices = std::move(values);
      return *this;
    }
    Entry& choice_alias(std::string word, std::string choice) {
      spec_.choice_aliases.emplace_back(std::move(word), std::move(choice));
      return *this;
    }
    Entry& parts(std::vector<std::string> names) {
      spec_.parts = std::move(names);
      return *this;
    }
    Entry& flume(std::string value) {
      spec_.flume_default = std::move(value);
      return *this;
    }
    Entry& flume_ms() {
      spec_.flume_unit = "ms";
      return *this;
    }
    /// The value is a path: never empty, completed as a path.
    Entry& path() {
      spec_.is_path = true;
      return not_empty();
    }
    Entry& not_empty() {
      spec_.refuses_empty = true;
      return *this;
    }
    Entry& flume_negative(std::string value) {
      spec_.flume_negative = std::move(value);
      return *this;
    }
    /// Flume takes its default for what is not a number, and for 0 and less if `zero_too`.
    Entry& flume_falls_back(bool zero_too) {
      spec_.bad_is_default = true;
      spec_.zero_is_bad = zero_too;
      return *this;
    }
    /// Only in Flume's files: an older name of another option.
    Entry& flume_only() {
      spec_.is_flume_only = true;
      return *this;
    }
    Entry& pairs_with(std::string key) {
      spec_.pair_key = std::move(key);
      return *this;
    }
    Entry& hint(std::string text) {
      spec_.hint = std::move(text);
      return *this;
    }
    Entry& ignored(std::string reason) {
      spec_.ignored_reason = std::move(reason);
      return *this;
    }

   private:
    OptionSpec& spec_;
  };

  template <typename Member>
  Entry add(std::string key, Member Options::*member, std::string metavar, std::string help) {
    return add_at<Member>(
        std::move(key), [member](Options& options) -> Member& { return options.*member; },
        std::move(metavar), std::move(help));
  }

  /// The same for a member of a struct inside Options.
  template <typename Part, typename Member>
  Entry add(std::string key, Part Options::*part, Member Part::*member, std::string metavar,
            std::string help) {
    return add_at<Member>(
        std::move(key),
        [part, member](Options& options) -> Member& { return options.*part.*member; },
        std::move(metavar), std::move(help));
  }

  /// A secret with this Flume key, and the options <name>-env and <name>-file.
  void add_secret(const std::string& key, Secret Options::*member, const std::string& help) {
    option_detail::add_secret(
        set_, key,
        [member](void* options) -> Secret& { return static_cast<Options*>(options)->*member; },
        help);
  }

  /// The same for a member of a struct inside Options.
  template <typename Part>
  void add_secret(const std::string& key, Part Options::*part, Secret Part::*member,
                  const std::string& help) {
    option_detail::add_secret(
        set_, key,
        [part, member](void* options) -> Secret& {
          return static_cast<Options*>(options)->*part.*member;
        },
        help);
  }

  /// All properties <key>.NAME, and the options <name>, <name>-env and <name>-file.
  /// `alias`: a further name of the first of them, for example "X" for -X.
  void add_prefix(const std::string& key, PropertyMap Options::*member, const std::string& help,
                  const std::string& alias = "") {
    option_detail::add_prefix(
        set_, key,
        [member](void* options) -> PropertyMap& { return static_cast<Options*>(options)->*member; },
        help, alias);
  }

  /// Options.*member learns which of the options added so far are set.
  void note_given(GivenOptions Options::*member) {
    for (OptionSpec& spec : set_.options) {
      spec.set = [set = std::move(spec.set), name = spec.name, member](void* options,
                                                                       std::string_view text) {
        (static_cast<Options*>(options)->*member).add(name);
        return set(options, text);
      };
    }
  }

  OptionSet erased() && {
    set_.make = [] { return std::static_pointer_cast<void>(std::make_shared<Options>()); };
    return std::move(set_);
  }

 private:
  template <typename Member, typename Access>
  Entry add_at(std::string key, Access access, std::string metavar, std::string help) {
    OptionSpec spec;
    spec.name = option_name(key);
    spec.key = std::move(key);
    spec.metavar = std::move(metavar);
    spec.help = std::move(help);
    spec.is_flag = std::is_same_v<Member, bool>;
    spec.is_repeated = std::is_same_v<Member, std::vector<std::string>>;
    spec.set = [access](void* options, std::string_view text) {
      return option_detail::parse(text, access(*static_cast<Options*>(options)));
    };
    spec.get = [access](const void* options) {
      // Only read: what `access` returns is not written to.
      return option_detail::render(access(*static_cast<Options*>(const_cast<void*>(options))));
    };
    spec.get_all = [access](const void* options) {
      return option_detail::render_all(access(*static_cast<Options*>(const_cast<void*>(options))));
    };
    set_.options.push_back(std::move(spec));
    return Entry(set_.options.back());
  }

  OptionSet set_;
};

}  // namespace fl
