// Copies records from one segment into another one that is not named yet.
#pragma once

#include <string>
#include <string_view>

#include "common/log/log_files.h"
#include "common/log/segment_window.h"

namespace fl {

/// Appends records to a new segment, each with that segment's id. Collects them and writes large
/// pieces; flush() writes the rest. All return false on failure, with -errno in `result`.
class RecordCopy {
 public:
  RecordCopy(LogFile& to, std::uint64_t segment_id, std::uint64_t first);

  /// The records from `from` to `end` of the segment in `window`, whose id is `segment_id`.
  bool records(SegmentWindow& window, std::uint64_t segment_id, std::uint64_t from,
               std::uint64_t end, std::int64_t& result);
  bool positions(std::string_view table, std::uint64_t now_ms, std::int64_t& result);
  /// The events up to `to` are missing.
  bool gap(std::uint64_t to, std::string_view why, std::uint64_t now_ms, std::int64_t& result);
  bool flush(std::int64_t& result);

  std::uint64_t first() const { return first_; }
  /// Of the next event.
  std::uint64_t sequence() const { return sequence_; }
  /// The offset of the next record.
  std::uint64_t offset() const { return offset_ + buffer_.size(); }
  std::uint64_t positions_offset() const { return positions_offset_; }
  const std::string& newest_positions() const { return positions_; }

 private:
  bool add(RecordHeader header, std::string_view payload, std::int64_t& result);

  LogFile& to_;
  const std::uint64_t segment_id_;
  const std::uint64_t first_;
  std::uint64_t sequence_;
  std::uint64_t offset_ = kSegmentHeaderBytes;  // of the buffer
  std::uint64_t positions_offset_ = 0;
  std::string positions_;
  std::string buffer_;
};

}  // namespace fl
