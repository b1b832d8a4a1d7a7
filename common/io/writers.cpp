#include "common/io/writers.h"

#include <fcntl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace fl {

bool is_local_file_system(int fd) {
  // statfs(2); linux/magic.h lacks some of them.
  constexpr std::array<std::uint32_t, 17> kLocal = {
      0xEF53,      // ext2, ext3, ext4
      0x58465342,  // xfs
      0x9123683E,  // btrfs
      0x01021994,  // tmpfs
      0x858458F6,  // ramfs
      0x794C7630,  // overlayfs
      0xF2F52010,  // f2fs
      0x2FC12FC1,  // zfs
      0xCA451A4E,  // bcachefs
      0x52654973,  // reiserfs
      0x3153464A,  // jfs
      0x3434,      // nilfs
      0x4D44,      // vfat
      0x2011BAB0,  // exfat
      0x7366746E,  // ntfs3
      0x15013346,  // udf
      0x482B,      // hfs+
  };
  struct statfs info {};
  return ::fstatfs(fd, &info) == 0 &&
         std::find(kLocal.begin(), kLocal.end(), static_cast<std::uint32_t>(info.f_type)) !=
             kLocal.end();
}

Writers find_writers(int fd) {
  static const bool ignored = std::signal(SIGIO, SIG_IGN) != SIG_ERR;
  if (!ignored) {
    return Writers::unknown;
  }
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    (void)::fcntl(fd, F_SETLEASE, F_UNLCK);
    return Writers::none;
  }
  return errno == EAGAIN && is_local_file_system(fd) ? Writers::some : Writers::unknown;
}

}  // namespace fl
