// What --out names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// Opens a file, named pipe or /dev/fd/N for writing; "-" or nothing is stdout. A regular file is
/// empty afterwards, except where it is also one of `inputs`, which is an error (class usage): it
/// would be emptied unread, or grow forever. "-" among the inputs is stdin.
///
/// A named pipe is waited for until it has a reader. Signals are handled meanwhile: TERM and INT
/// end that (class again), USR1 prints what is waited for. `give_up_ms`, if not 0, bounds it too.
Result<UniqueFd> open_out(const std::string& path, const std::vector<std::string>& inputs,
                          std::int64_t give_up_ms = 0);
/// --dry-run: the same without opening or changing anything, as far as that can tell.
Status check_out(const std::string& path, const std::vector<std::string>& inputs);
/// The same of a file that would be written beside the stream.
Status check_place(const std::string& path);
/// The same of an input; "-" is stdin.
Status check_in(const std::string& path);

/// Class usage: the regular file `fd` is also one of `inputs`; "-" is stdin.
Status check_not_input(int fd, const std::vector<std::string>& inputs);

/// Class usage: a unix: endpoint among them has no usable path, or is both an input and an output.
Status check_endpoints(const std::vector<std::string>& ins, const std::vector<std::string>& outs);

/// Class usage: two of the paths are one file or pipe, which would get two streams through each
/// other. A device may be there twice if that is not stdout.
Status check_distinct(const std::vector<std::string>& paths);

}  // namespace fl
