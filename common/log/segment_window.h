// A part of a segment in memory.
#pragma once

#include <cstdint>
#include <memory>

#include "common/log/format.h"
#include "common/log/log_files.h"

namespace fl {

/// Reads a segment in large pieces, and looks for records in them. Owns the memory, which is used
/// again for the next piece; a pointer into it is valid until the next call. The caller may
/// overwrite the bytes it got and kSlack bytes before and after them, but those are not read again:
/// after a change, ask only for what follows them, or call forget() first.
class SegmentWindow {
 public:
  static constexpr std::size_t kSlack = 64;
  static constexpr std::size_t kUsual = 1 << 20;

  /// Nothing in memory; reads from `file`, which outlives the window's use, up to `limit`.
  void reset(LogFile* file, std::uint64_t limit);
  /// More may be read now. What is in memory stays.
  void raise_limit(std::uint64_t limit) { limit_ = limit; }
  void forget() { size_ = 0; }

  /// `size` bytes at `offset`; nullptr: the segment ends before that. -errno in `result`, or 0.
  std::uint8_t* at(std::uint64_t offset, std::size_t size, std::int64_t& result);
  /// How many bytes from `offset` on are in memory.
  std::size_t held(std::uint64_t offset) const;

  enum class Found { record, none, damaged };
  /// The record at `offset`: its header and checksum hold and it belongs to this life of the
  /// segment. `none`: the segment ends here.
  Found record(std::uint64_t offset, std::uint64_t segment_id, RecordHeader& header,
               std::uint8_t*& payload, std::int64_t& result);

  /// The first record at or after `offset` with this segment's id and a first sequence of at least
  /// `sequence`, at most `last`. False: none.
  bool find(std::uint64_t& offset, std::uint64_t segment_id, std::uint64_t sequence,
            std::uint64_t last, std::int64_t& result);

 private:
  LogFile* file_ = nullptr;
  std::uint64_t limit_ = 0;
  std::uint64_t start_ = 0;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::unique_ptr<std::uint8_t[]> memory_;
};

}  // namespace fl
