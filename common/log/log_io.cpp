#include "common/log/log_io.h"

#include <algorithm>
#include <cerrno>

#include "common/log/seeded_bug.h"

namespace fl {

static_assert(EINTR == 4);

std::int64_t read_fully(LogFile& file, void* to, std::size_t size, std::uint64_t offset) {
  auto* const bytes = static_cast<char*>(to);
  std::size_t got = 0;
  while (got < size) {
    const std::int64_t n =
        uninterrupted([&] { return file.pread(bytes + got, size - got, offset + got); });
    if (n < 0) {
      if (seeded(Bug::read_error_is_end)) {
        break;
      }
      return n;
    }
    if (n == 0) {
      break;
    }
    got += static_cast<std::size_t>(n);
    if (seeded(Bug::short_read_is_damage)) {
      break;
    }
  }
  return static_cast<std::int64_t>(got);
}

std::int64_t read_fully(LogFile& file, std::string& to, std::size_t size, std::uint64_t offset) {
  to.resize(size);
  const std::int64_t n = read_fully(file, to.data(), size, offset);
  to.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return n;
}

int write_fully(LogFile& file, std::span<iovec> parts, std::uint64_t offset) {
  while (!parts.empty()) {
    if (parts.front().iov_len == 0) {
      parts = parts.subspan(1);
      continue;
    }
    const std::int64_t n = uninterrupted([&] { return file.pwritev(parts, offset); });
    if (n <= 0) {
      return n == 0 ? -EIO : static_cast<int>(n);
    }
    if (seeded(Bug::short_write_ignored)) {
      return 0;
    }
    offset += static_cast<std::uint64_t>(n);
    auto left = static_cast<std::size_t>(n);
    while (left > 0) {
      iovec& part = parts.front();
      const std::size_t used = std::min(left, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + used;
      part.iov_len -= used;
      left -= used;
      if (part.iov_len == 0) {
        parts = parts.subspan(1);
      }
    }
  }
  return 0;
}

int write_fully(LogFile& file, std::string_view bytes, std::uint64_t offset) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return write_fully(file, {&part, 1}, offset);
}

int sync_fully(LogFile& file) {
  return uninterrupted([&] { return file.fdatasync(); });
}

}  // namespace fl
