// A file that is read at any place, through one piece of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

class FileWindow {
 public:
  /// Errors: cannot be opened; not a regular file.
  static Result<FileWindow> open(const std::string& path);

  std::uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  /// The bytes from `offset` on, up to `count` of them; fewer only at the end of the file. They
  /// stay until the next call. Errors: the file cannot be read.
  Result<std::string_view> at(std::uint64_t offset, std::size_t count);

 private:
  FileWindow(UniqueFd fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  UniqueFd fd_;
  std::string path_;
  std::uint64_t size_ = 0;
  std::string bytes_;
  std::uint64_t begin_ = 0;  // where bytes_ are in the file
};

}  // namespace fl
