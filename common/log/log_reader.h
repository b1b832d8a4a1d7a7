// The taking end of a log: records in order, from any number on, up to what is durable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/log/head_file.h"
#include "common/log/log_error.h"
#include "common/log/payload.h"
#include "common/log/segment_window.h"
#include "common/log/segments.h"
#include "common/stream/block_builder.h"

namespace fl {

/// For events of a log: the widest limits that a stage may have had.
EventLimits widest_limits();

/// Reads a log while it is written, or not. Owns no position on disk (log_cursor.h). Every record
/// is checked; what cannot be read is set aside, reported, and is a gap: nothing is skipped
/// silently. A block that was handed out stays valid until the next call of next().
class LogReader {
 public:
  struct Settings {
    /// Records are joined up to this size; 0: each comes alone.
    std::size_t join_bytes = 64 << 10;
    std::uint64_t join_events = BlockBuilder::kMaxCount;
    bool sets_aside = true;  ///< copies damage to quarantine/, if it may
    LogNotify notify = log_notice;
  };

  /// A log that does not exist yet is not an error: refresh() finds it later.
  static Result<LogReader> open(LogFiles& files, const Settings& settings);

  /// False: there is no log yet.
  bool exists() const { return head_.state() == HeadFile::State::ok; }
  HeadFile::State head_state() const { return head_.state(); }
  /// There may be more than durable_sequence() says: head_file.h.
  bool head_lacks_slot() const { return head_.lacks_slot(); }
  /// For people who look at a log without a head: reading ends after the last record that is whole,
  /// durable or not.
  Status read_without_head();
  const LogId& log() const { return head_.slot().log; }
  /// The same in 32 hexadecimal digits.
  std::string log_text() const;
  /// The first number that is not durable: reading ends there.
  std::uint64_t durable_sequence() const { return head_.slot().durable_sequence; }
  const HeadSlot& head() const { return head_.slot(); }
  /// Looks whether more has become durable.
  Result<bool> refresh();

  /// The oldest event that is there; where there is none, the next one.
  Result<std::uint64_t> oldest();
  /// The first event put at or after this time; where there is none, the next one.
  Result<std::uint64_t> at_time(std::uint64_t ms);

  /// What is wrong with the newest positions of the sources, which no event follows; empty:
  /// nothing.
  Result<std::string> damaged_positions();

  /// Reads on from this number, which may be in the middle of a block.
  void seek(std::uint64_t sequence);
  /// Reads on from the oldest event: what is freed before the first one is read is not missing.
  Status seek_oldest();
  /// Of the next event.
  std::uint64_t sequence() const { return sequence_; }

  enum class Got { block, gap, nothing };
  Result<Got> next();
  /// After Got::block. There is room for a frame around it.
  Block& block() { return block_; }
  /// After Got::block and Got::gap: the first number, how many, when they were put, and why they
  /// are missing.
  std::uint64_t first() const { return first_; }
  std::uint64_t count() const { return count_; }
  std::uint64_t time_ms() const { return time_ms_; }
  /// When the last event of the block was put; 0 after Got::gap.
  std::uint64_t last_time_ms() const { return last_time_ms_; }
  const std::string& why() const { return why_; }
  /// After Got::gap: the oldest segments were removed since the reader began.
  bool is_freed() const { return is_freed_; }
  /// Where the block's first record is.
  std::uint64_t segment_first() const { return segment_ ? segment_->first : 0; }
  std::uint64_t record_offset() const { return record_offset_; }

  /// Events missing so far.
  std::uint64_t missing() const { return missing_; }

 private:
  LogReader(LogFiles& files, const Settings& settings, HeadFile head)
      : files_(&files), settings_(settings), head_(std::move(head)) {}
  Status list();
  Status open_segment_at(std::uint64_t sequence);
  Status set_limit();
  std::uint64_t end_of_segment() const;
  Result<Got> step();
  Result<bool> was_replaced();
  Status pass_damage();
  Got gap_to(std::uint64_t to, std::string why, bool is_freed = false);
  Result<bool> unpack(RecordHeader& header, std::uint8_t*& payload);
  bool trim(RecordHeader& header, std::uint8_t*& payload);
  void join();
  void guard();
  void unguard();

  LogFiles* files_;
  Settings settings_;
  HeadFile head_;
  std::vector<std::uint64_t> segments_;
  bool is_listed_ = false;
  std::optional<Segment> segment_;
  SegmentWindow window_;
  PayloadUnpacker unpacker_;
  std::uint64_t offset_ = 0;               // of the next record in the segment
  std::uint64_t chain_ = 0;                // the number that record should have
  std::uint64_t sequence_ = 0;             // the next number to hand out
  bool is_at_oldest_ = false;              // ... is that of the oldest event, whichever it is
  std::uint64_t headerless_ = UINT64_MAX;  // the segment whose damaged header was reported last
  std::string damage_;                     // what was found between the last record and offset_

  Block block_;
  bool is_unpacked_ = false;  // block_ is the unpacker's memory
  std::uint64_t first_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t time_ms_ = 0;
  std::uint64_t last_time_ms_ = 0;
  std::uint64_t record_offset_ = 0;
  std::string why_;
  bool is_freed_ = false;
  std::uint64_t missing_ = 0;
  std::uint8_t guarded_[Block::kAfter] = {};  // what a frame around block_ overwrites
  std::uint8_t* guard_at_ = nullptr;
};

}  // namespace fl
