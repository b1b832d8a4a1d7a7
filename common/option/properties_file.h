// The lines of a Flume file, as java.util.Properties reads them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

struct Property {
  std::string key;
  std::string value;
  std::size_t line = 0;  ///< from 1; where it begins
};

/// A line that cannot be read as it is meant.
struct BadLine {
  std::size_t line = 0;
  bool is_fatal = false;  ///< Java refuses the whole file
  std::string message;
};

struct PropertiesFile {
  std::vector<Property> properties;  ///< in the order of the file, duplicates included
  std::vector<BadLine> bad_lines;
};

/// Comments begin with # or !; a key ends at the first = or : or blank that has no backslash before
/// it; a backslash at the end continues a line; \t \n \r \f \uXXXX stand for characters. A byte
/// from 0x80 is a character of Latin-1 and becomes UTF-8.
PropertiesFile parse_properties(std::string_view text);

}  // namespace fl
