// The command line that gives the options of some structs, as text for a shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/option/command_line.h"

namespace fl {

/// `word` so that a shell reads it as one word; unchanged where nothing in it means something.
std::string shell_quoted(std::string_view word);

/// `command` ("fl-sink hdfs") and every option of `bindings` that differs from its default, without
/// those whose keys are in `left_out`. What parse_command_line() makes of it are the same options,
/// except for secrets that a Flume file held as they are: a variable FL_<NAME> stands for each.
std::string command_text(std::string_view command, const std::vector<Binding>& bindings,
                         const std::vector<std::string>& left_out);

}  // namespace fl
