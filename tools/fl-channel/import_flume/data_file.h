// Reads the records of a channel's data file one after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/error.h"
#include "tools/fl-channel/import_flume/file_window.h"
#include "tools/fl-channel/import_flume/flume_format.h"

namespace fl::flume {

/// Called with what is wrong with a channel's files, in words.
using Complaint = std::function<void(std::string text)>;

class DataFile {
 public:
  /// Reads from `position` on.
  DataFile(FileWindow window, std::uint32_t number, std::uint64_t position, Complaint complain)
      : window_(std::move(window)),
        complain_(std::move(complain)),
        number_(number),
        offset_(position) {}

  /// The next record is in record() and at pointer(). False: there is no further one. Damage goes
  /// to `complain`, and the records after it are found.
  Result<bool> next();
  const Record& record() const { return record_; }
  Pointer pointer() const { return pointer_; }

 private:
  enum class Found { record, disabled, filler, end, damage };
  /// What is at `offset`; `size` is that of the record with its frame.
  Result<Found> look(std::uint64_t offset, Record& record, std::uint64_t& size);
  /// The offset of the next record from `offset` on, or the end of the file.
  Result<std::uint64_t> search(std::uint64_t offset);
  /// From `offset` on there is nothing but filler, or zeros, which a power loss leaves.
  Result<bool> is_unwritten(std::uint64_t offset);
  std::uint64_t end() const;

  FileWindow window_;
  Complaint complain_;
  std::uint32_t number_;
  std::uint64_t offset_;
  Record record_;
  Pointer pointer_ = 0;
};

/// The payload of the record at `pointer`, as far as it is one of at most `most` bytes; else the
/// reason in `why`.
Result<std::string_view> payload_at(FileWindow& window, Pointer pointer, std::uint64_t most,
                                    std::string& why);

}  // namespace fl::flume
