// Which files of a spool directory are to be read, and in which order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/io/local_dir.h"
#include "common/regex/regex.h"

namespace fl {

/// A file that waits. `path` is relative to the spool directory.
struct SpoolFile {
  std::string path;
  std::int64_t mtime_ns = 0;
};

class SpoolScan {
 public:
  struct Rules {
    std::string suffix;            ///< names that end so are finished files
    std::string include = "^.*$";  ///< full match on the name
    std::string ignore = "^$";     ///< full match; wins, for directories too
    std::string order = "oldest";  ///< oldest, youngest, random
    bool recursive = false;
  };
  /// Names kept of one scan; of a directory with more, those that come first in the order.
  static constexpr std::size_t kMaxFiles = 1 << 16;

  /// Errors: a pattern that cannot be used.
  static Result<SpoolScan> make(Rules rules);

  /// Called for each directory before its entries are read: its descriptor and its path below the
  /// root.
  using OnDirectory = std::function<void(int fd, const std::string& path)>;

  /// Regular files below `root` whose names pass the rules and for which `skip` (asked with the
  /// relative path) is false, in reading order. Symbolic links, names with a leading dot and the
  /// directory with the identity of `not_into` are skipped. `more`: there were too many.
  Result<std::vector<SpoolFile>> list(const LocalDir& root, int not_into,
                                      const std::function<bool(std::string_view)>& skip,
                                      const OnDirectory& on_directory, bool& more);
  /// The file if list() would name it, were it the only one. Directories above are not asked.
  Result<std::optional<SpoolFile>> look(const LocalDir& root, std::string_view path);
  /// Where `file` belongs among files that are in order.
  std::deque<SpoolFile>::iterator place(std::deque<SpoolFile>& files, const SpoolFile& file) const;

 private:
  explicit SpoolScan(Rules rules) : rules_(std::move(rules)) {}
  struct Walk;
  Status list_directory(int fd, const std::string& prefix, int depth, Walk& walk);
  Result<bool> accepts(std::string_view name, bool directory);
  bool before(const SpoolFile& a, const SpoolFile& b) const;
  void sort(std::vector<SpoolFile>& files, std::size_t keep) const;

  Rules rules_;
  std::optional<Regex> include_;  // not set: all names
  std::optional<Regex> ignore_;   // not set: none
};

/// The part after the last slash.
std::string_view base_name(std::string_view path);
/// The part before the last slash; empty if there is none.
std::string_view parent_of(std::string_view path);

}  // namespace fl
