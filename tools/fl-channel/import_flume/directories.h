// The directories of a file channel, and what keeps Flume out of them meanwhile.
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "tools/fl-channel/import_flume/replay.h"

namespace fl::flume {

/// Locks the directory as a reader, as far as Flume left its lock file. Errors: class again,
/// another process has locked it. (Flume 1.11 does not notice that it loses its own lock:
/// find_files() looks for what it has open.)
Result<UniqueFd> lock_directory(const std::string& directory);

/// The data files of each directory. Errors: a directory without any, a number that two files have,
/// a log-N that is not a regular file or a link to one, an encrypted file (class input), a file
/// that is being written (class again). A file without a .meta is read as a whole, and is reported
/// to `complain` unless it is empty, as Flume leaves one when it is stopped while making it.
Result<std::vector<FoundFiles>> find_files(const std::vector<std::string>& directories,
                                           const Complaint& complain);

}  // namespace fl::flume
