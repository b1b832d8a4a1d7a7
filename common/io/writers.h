// Who else has a file open for writing.
#pragma once

namespace fl {

/// True if all that opens and changes files below `fd` goes through this kernel, so that what the
/// kernel knows of writers and reports by inotify(7) is complete. False for network and FUSE file
/// systems and those that are not known.
bool is_local_file_system(int fd);

enum class Writers { none, some, unknown };
/// Whether anybody has the file open for writing. `fd` is open for reading only. Asks for a read
/// lease (fcntl(2), F_SETLEASE) and gives it back at once: one that is held would make the next
/// writer wait. Ignores SIGIO from the first call on, whose default action ends the process.
/// Unknown where the file belongs to another user (without CAP_LEASE), and where a refused lease
/// says nothing about writers.
Writers find_writers(int fd);

}  // namespace fl
