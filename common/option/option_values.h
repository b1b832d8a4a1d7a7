// Reading and writing the values of an option table by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/option/option_table.h"

namespace fl {

/// Sets the option from text, after its list of choices. Errors are of class usage, name the value
/// and, for a choice, the nearest one; the caller says which option it is.
Status set_option(const OptionSpec& spec, void* options, std::string_view text);

/// An error of class usage if `text` is empty and that is never intended for the option.
Status check_empty(const OptionSpec& spec, std::string_view text);

/// The default of each option of the set, in its order, as set_option() reads it.
std::vector<std::string> default_values(const OptionSet& set);

/// "--name", or "-n" for a name of one letter.
std::string dashed(const std::string& name);

/// False for options that only Flume files may hold.
bool is_on_command_line(const OptionSpec& spec);

/// The parts of a value "a:b:c" (OptionSpec::parts): always `count` of them, missing ones empty. A
/// colon in any but the last is written "\:".
std::vector<std::string> split_parts(std::string_view text, std::size_t count);
/// The way back; empty parts at the end are left out.
std::string join_parts(const std::vector<std::string>& parts);

/// A positional that takes all remaining arguments.
bool takes_the_rest(const OptionSpec& spec);

}  // namespace fl
