// The seam below the log: every system call that it makes on its directory. What is above knows
// nothing of paths and descriptors, so that tests can record the calls, make them fail, and build
// the states that a power loss may leave.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// An open file. Results are those of the system calls, with -errno for a failure; a call may be
/// interrupted (-EINTR) or do only a part: log_io.h has the loops. Reads, writes and syncs may run
/// on the same file in several threads at once. The destructor closes and syncs nothing.
class LogFile {
 public:
  enum class Lock { shared, exclusive };

  virtual ~LogFile() = default;
  /// pread(2): bytes read, 0 at the end of the file.
  virtual std::int64_t pread(void* to, std::size_t size, std::uint64_t offset) = 0;
  /// pwritev(2): bytes written.
  virtual std::int64_t pwritev(std::span<const iovec> parts, std::uint64_t offset) = 0;
  virtual int fdatasync() = 0;
  /// sync_file_range(2): the disk starts on these bytes, so that a later sync has less to wait for.
  /// It promises nothing; failures are reported by that sync.
  virtual void start_writing(std::uint64_t offset, std::uint64_t size) {
    (void)offset;
    (void)size;
  }
  virtual int ftruncate(std::uint64_t size) = 0;
  /// fstat(2): the size in bytes.
  virtual std::int64_t size() = 0;
  /// fstat(2): false once it was removed: what is in it goes when it is closed.
  virtual bool has_name() { return true; }
  /// flock(2) without waiting: -EWOULDBLOCK while another open file holds it. Closing releases it.
  virtual int lock(Lock how) = 0;
};

/// What a file system has room for, and which one it is.
struct LogSpace {
  std::uint64_t free_bytes = 0;  ///< for the user who runs this program
  std::uint64_t total_bytes = 0;
  std::int64_t type = 0;  ///< statfs(2): f_type
};

/// A log's directory. Names are relative to it and hold at most one '/'. Results as above.
class LogFiles {
 public:
  /// How a file is opened. The two that create make it empty, with the mode of the log.
  enum class Open { read, write, create, create_new };

  virtual ~LogFiles() = default;
  /// open(2), for reading, or for both. 0: `file` is open. create_new: -EEXIST if there is one.
  virtual int open(const std::string& name, Open how, std::unique_ptr<LogFile>& file) = 0;
  /// rename(2): an existing `to` is replaced.
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int unlink(const std::string& name) = 0;
  virtual int mkdir(const std::string& name) = 0;
  /// The names in a directory (empty: the log's own) without "." and "..", in any order.
  virtual int list(const std::string& directory, std::vector<std::string>& names) = 0;
  /// fsync(2) of a directory (empty: the log's own): names made, renamed and removed in it.
  virtual int sync_dir(const std::string& directory) = 0;
  virtual int space(LogSpace& space) = 0;

  /// False once the directory was removed, or another one has its path.
  virtual bool has_place() { return true; }

  /// For messages: "/var/lib/fl/app".
  virtual const std::string& path() const = 0;
  /// Milliseconds since 1970, and 64 random bits: also from here, so that a test repeats a run.
  virtual std::int64_t now_ms() = 0;
  virtual std::uint64_t random() = 0;
};

/// The modes of what is made: the directory's; a file has the same without the right to search.
struct LogModes {
  unsigned directory = 0750;
  /// Files get the mode whatever the umask is.
  bool is_exact = false;
  unsigned file() const { return directory & 0666u; }
};

/// The directory at `path` by plain system calls. `create`: it and its missing parents are made
/// and their names synced. Without `modes` what is made has that of a directory that is there, so
/// that all who share a log can use it; a directory that is made has 0750. Errors: class create,
/// permission, or config where it is not a directory.
Result<std::unique_ptr<LogFiles>> open_log_files(const std::string& path, bool create,
                                                 std::optional<LogModes> modes = {});

}  // namespace fl
