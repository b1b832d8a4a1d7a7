// A subcommand: prints the names in a directory.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "common/component/command_type.h"

namespace fl {
namespace {

struct Options {
  std::string directory;
  std::string order = "name";
};

Result<int> run(const std::shared_ptr<void>& erased) {
  const Options& options = *std::static_pointer_cast<Options>(erased);
  std::error_code code;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(options.directory, code)) {
    names.push_back(entry.path().filename());
  }
  if (code) {
    return system_error(fmt::format("cannot list '{}'", options.directory), code.value());
  }
  std::sort(names.begin(), names.end());
  if (options.order == "reverse") {
    std::reverse(names.begin(), names.end());
  }
  for (const std::string& name : names) {
    fmt::print("{}\n", name);
  }
  return 0;
}

}  // namespace

CommandType ls_command() {
  CommandType command;
  command.name = "ls";
  command.summary = "lists a directory";
  command.description = "Prints the names in DIR, one on a line.";
  command.examples = {{"fl-double ls .", "What is here."}};
  OptionTable<Options> table;
  table.add("directory", &Options::directory, "DIR", "What to list.")
      .positional()
      .required()
      .path();
  table.add("order", &Options::order, "name|reverse", "The order of the names.")
      .choices({"name", "reverse"});
  command.options = std::move(table).erased();
  command.run = run;
  return command;
}

}  // namespace fl
