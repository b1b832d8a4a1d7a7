// Files that are read whole: secrets, certificates, positions.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/error.h"

namespace fl {

/// What is left to read of `fd`, the file `path`. At most `limit` + 1 bytes: with that many it is
/// larger than `limit`, and the caller says so. Error: "cannot read 'path'" and the system's
/// reason. The descriptor stays the caller's.
Result<std::string> read_small_file(int fd, const std::string& path, std::size_t limit);

}  // namespace fl
