// Directories that cannot be left: names that come from events are resolved by the kernel below a
// directory the user chose, never through a symbolic link, never above it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// An open directory. Everything is done relative to its descriptor, so renaming or replacing a
/// parent meanwhile leads nowhere else.
class LocalDir {
 public:
  enum class Missing { fail, create };

  /// Opens the directory at `path`, which the user chose: symbolic links in it are followed. With
  /// Missing::create each missing level is made (mode 0777 less the umask) and its parent synced,
  /// so that after success the whole path survives a power loss.
  static Result<LocalDir> open(const std::string& path, Missing missing);

  /// Opens `relative` below this directory: no symbolic link, no "..", nothing outside (openat2
  /// with RESOLVE_BENEATH; without openat2 one level after the other with O_NOFOLLOW). Empty: this
  /// directory once more. Missing levels are made; they are not synced: sync_path() does that.
  /// `number` (optional) is the errno of a failure, else 0; the same below.
  Result<LocalDir> below(std::string_view relative, Missing missing, int* number = nullptr) const;

  /// Syncs this directory and each one on the way to `relative`: after success their entries are
  /// on disk.
  Status sync_path(std::string_view relative) const;
  /// Says which directories those are: the text changes when somebody puts another one in the place
  /// of one of them. Empty: it cannot be known (one is not there, or the file system keeps no time
  /// of birth, and a number of an inode is used again).
  std::string identity(std::string_view relative) const;
  /// True while the directory has a name somewhere: false once it was removed.
  bool exists() const;
  /// True if another directory, or something else, has the path by now. One that was only renamed
  /// is not replaced.
  bool is_replaced() const;
  /// Syncs this directory: entries made, renamed or removed before are on disk after success.
  Status sync() const;

  /// Makes a new regular file `name` (O_EXCL, O_NOFOLLOW, mode 0666 less the umask), open for
  /// reading and writing.
  Result<UniqueFd> create_file(const std::string& name, int* number = nullptr) const;
  /// Gives `from` the name `to` in one step. False: `to` exists, nothing has changed. An existing
  /// file is never replaced. Not on disk before sync().
  Result<bool> rename(const std::string& from, const std::string& to, int* number = nullptr) const;
  /// Removes the file `name`; one that is not there is fine.
  Status remove(const std::string& name) const;

  struct Entry {
    std::string name;
    std::int64_t modified_ms = 0;  ///< wall clock
  };
  /// The regular files whose name `accepts`. A file that goes away meanwhile is left out.
  Result<std::vector<Entry>> files(bool (*accepts)(std::string_view name)) const;
  /// Removes `name` unless somebody holds a flock on it. True: it was removed.
  bool remove_unlocked(const std::string& name) const;

  int fd() const { return fd_.get(); }
  /// For messages.
  const std::string& path() const { return path_; }
  std::string path_of(std::string_view name) const;

 private:
  LocalDir(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

/// Writes from `bytes` until all is written or the system refuses; returns how many bytes were
/// written and leaves the errno of the refusal (0: none) in `number`.
std::size_t write_some(int fd, std::string_view bytes, int& number);
/// True once the last name of the open file or directory was removed: what is in it goes when it is
/// closed.
bool is_removed(int fd);
/// True for the errnos that say "no room now": ENOSPC, EDQUOT.
bool is_disk_full(int number);

}  // namespace fl
