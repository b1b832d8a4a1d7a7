// Descriptors 0, 1 and 2, which a caller may have closed.
#pragma once

#include "common/base/error.h"

namespace fl {

/// Puts something into each of 0, 1 and 2 that is closed, so that no file of ours gets that number
/// and is taken for stdin or stdout. Reading a closed stdin and writing a closed stdout then fail.
/// The first call of a program.
void occupy_standard_fds();

/// Both are open and are one file, pipe or socket: `2>&1`.
bool is_same_file(int one, int other);

/// Ok if `fd` may be written to.
Status check_writable(int fd);

}  // namespace fl
