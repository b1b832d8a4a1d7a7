// The command line from option tables. Syntax: --name VALUE, --name=VALUE, --flag, --flag=false,
// positional arguments anywhere, -- before positionals that begin with a dash. Given twice, the
// last value counts; a repeated option keeps all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/option/option_table.h"

namespace fl {

/// A table and the struct that it fills (made by set->make()). Both outlive the call.
struct Binding {
  const OptionSet* set = nullptr;
  void* options = nullptr;
};

struct CommandLine {
  bool help = false;      ///< -h, --help; counts even beside errors
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

/// Where the first positional argument of `args` stands, args.size() if there is none, knowing
/// only the options of `set`. An unknown option before it is an error.
Result<std::size_t> first_positional(const std::vector<std::string>& args, const OptionSet& set);

}  // namespace fl
