// The command line from option tables. Syntax: --name VALUE, --name=VALUE, --flag, --flag=false,
// positional arguments anywhere, -- before positionals that begin with a dash. Given twice, the
// last value counts; a repeated option keeps all.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/option/option_table.h"

namespace fl {

/// A table and the struct that it fills (made by set->make()). Both outlive the call.
struct Binding {
  const OptionSet* set = nullptr;
  void* options = nullptr;
  /// The key of an option that, when given, brings the Flume properties of this table: then a
  /// required one may be among those, and none may be given beside them.
  std::string properties_key = {};
};

/// With this the command line is read as for a run: so one program asks another whether it takes
/// certain words.
inline constexpr std::string_view kGenerateNothing = "nothing";

struct CommandLine {
  bool help = false;      ///< -h, --help; counts even beside errors
  bool help_all = false;  ///< --help-all
  bool version = false;   ///< --version
  bool describe = false;  ///< --describe: "name<TAB>summary", for `list`
  std::string generate;   ///< --generate WHAT, for the build
  /// What was given, by key; positionals among them.
  std::map<std::string, std::vector<std::string>> given;
};

/// Reads `args` (without the program's name) into the structs. Names must be unique among the
/// tables. Errors are of class usage; then the structs are partly filled.
Result<CommandLine> parse_command_line(const std::vector<std::string>& args,
                                       const std::vector<Binding>& bindings);

/// The message of the error about a required option that is not given.
std::string missing_argument(const OptionSpec& spec);

/// The message of the error about a positional argument that no option takes.
std::string unexpected_argument(std::string_view argument);

/// Where the first positional argument of `args` is, args.size() if there is none, knowing only the
/// options of `set`. An unknown option before it is an error.
Result<std::size_t> first_positional(const std::vector<std::string>& args, const OptionSet& set);

}  // namespace fl
