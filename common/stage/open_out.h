// What --out names.
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// Opens a file, named pipe or /dev/fd/N for writing; "-" or nothing is stdout. A regular file is
/// empty afterwards, except where it is also one of `inputs`, which is an error (class usage): it
/// would be emptied unread, or grow for ever. "-" among the inputs is stdin.
Result<UniqueFd> open_out(const std::string& path, const std::vector<std::string>& inputs);

/// Class usage: the regular file `fd` is also one of `inputs`; "-" is stdin.
Status check_not_input(int fd, const std::vector<std::string>& inputs);

/// Class usage: two of the paths are one file, which would get two streams through each other.
Status check_distinct(const std::vector<std::string>& paths);

}  // namespace fl
