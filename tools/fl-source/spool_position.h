// What a durable stage below keeps for the spooldir source (fl-ack(7): pos, resume).
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// A file of the directory and how much of it the stage below has.
struct SpoolPlace {
  /// Inode, size and time of the last change of the inode in hex: a file that was written to,
  /// renamed or replaced since is another one, so that what a user puts back is read again.
  std::string file;
  bool whole = false;
  std::uint64_t offset = 0;  ///< of what follows, if not whole
  std::string text = {};     ///< what `offset` counts in, as in SpoolMark

  static std::string name_of(const struct stat& info);
  friend bool operator==(const SpoolPlace&, const SpoolPlace&) = default;
};

/// "FILE,FILE,FILE@OFFSET@TEXT": files that were read and not settled, and the one being read.
/// kMaxSpoolPlaces of them fit into a position.
constexpr std::size_t kMaxSpoolPlaces = 64;
std::string spool_position(const std::vector<SpoolPlace>& places);
/// Reads spool_position(); nothing for anything else.
std::optional<std::vector<SpoolPlace>> parse_spool_position(std::string_view text);

}  // namespace fl
