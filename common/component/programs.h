// Components that are programs of their own: `fl-sink hdfs` executes fl-sink-hdfs, as git does with
// its commands. They are beside the tool, in ../libexec/fl from there, or in PATH.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fl {

struct Program {
  std::string name;  ///< "hdfs"
  std::string path;  ///< absolute
};

/// Programs of the tool, each name once, the first place wins; sorted. `beside_only`: without PATH.
std::vector<Program> find_programs(const std::string& tool, bool beside_only);

/// The path of the program for `name`, empty if there is none. `beside_only`: without PATH.
std::string find_program(const std::string& tool, const std::string& name,
                         bool beside_only = false);

/// The path of a file that is installed with this program: beside it or in ../libexec/fl; empty if
/// there is none.
std::string find_beside(const std::string& file);

/// What the programs print with `argument` (at most 64 KiB each), run at the same time without
/// stdin and stderr; empty for one that fails or takes longer than two seconds, which is killed
/// with its children.
std::vector<std::string> ask_programs(const std::vector<Program>& programs,
                                      const std::vector<std::string>& arguments);

}  // namespace fl
