// What people and programs read about an option table: help, man page, JSON.
#pragma once

#include <string>
#include <string_view>

#include "common/option/option_table.h"

namespace fl {

/// "[OPTION]... PATH [FILE]..." for the usage line.
std::string synopsis(const OptionSet& set);

/// The list for --help, 80 columns wide: arguments first, each with its default.
std::string help_list(const OptionSet& set);

/// The same as scdoc, with Flume's key, default and unit.
std::string page_list(const OptionSet& set);

/// A JSON array of objects.
std::string json_list(const OptionSet& set);

/// `text` so that scdoc shows it as it is.
std::string scdoc_escaped(std::string_view text);

}  // namespace fl
