// Whole reads and writes on the seam: what the system does in parts, or interrupts, is continued.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/log/log_files.h"

namespace fl {

/// Reads `size` bytes, or all there are. Returns how many, or -errno.
std::int64_t read_fully(LogFile& file, void* to, std::size_t size, std::uint64_t offset);
/// The same into a string that has room for `size`.
std::int64_t read_fully(LogFile& file, std::string& to, std::size_t size, std::uint64_t offset);

/// Writes all of it. `parts` is used up. 0, or -errno: then a part may have been written.
int write_fully(LogFile& file, std::span<iovec> parts, std::uint64_t offset);
int write_fully(LogFile& file, std::string_view bytes, std::uint64_t offset);

/// fdatasync() that continues when it was interrupted. 0, or -errno: what was not synced is lost to
/// this program, and another try would prove nothing.
int sync_fully(LogFile& file);

/// Calls until it is not interrupted.
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  for (int i = 0; i < 1000 && result == -4 /* EINTR */; ++i) {
    result = call();
  }
  return result;
}

}  // namespace fl
