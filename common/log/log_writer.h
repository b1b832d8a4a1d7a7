// The putting end of a log: appends blocks, makes them durable, publishes how far.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/head_file.h"
#include "common/log/log_error.h"
#include "common/log/log_lock.h"
#include "common/log/payload.h"
#include "common/log/segments.h"
#include "common/stream/block_builder.h"

namespace fl {

/// The one writer of a log, which it locks. Appending is one system call and does not wait for the
/// disk; a sync does, so it is in three parts: begin_sync() and finish_sync() belong to the caller
/// that appends, run_sync() may run in another thread while blocks are appended. At most one sync
/// is between begin and finish. After an error of any of them the log takes no more, and nothing
/// after durable().durable_sequence counts: the next writer finds out what is on disk.
///
///   begin_sync  what is appended now is what this sync is about
///   run_sync    fdatasync of the segment; only then the head says so; then, for a roll, the next
///               segment: made, synced, named, its directory synced
///   finish_sync durable() has moved
class LogWriter {
 public:
  struct Settings {
    std::uint64_t segment_bytes = 64ull << 20;
    /// A segment with so many events takes no more; 0: only its size counts.
    std::uint64_t segment_events = 0;
    /// The head is synced when this much has become durable since the last time, so that opening
    /// never has more to scan.
    std::uint64_t head_sync_bytes = 8ull << 20;
    /// Small commits, one after the other, find this much room in the segment; 0: none.
    std::uint64_t room_bytes = 1ull << 20;
    PayloadCodec codec = PayloadCodec::none;
    LogNotify notify = log_notice;
  };

  /// Opens the log in the directory, or makes one there. Errors: class again if it has a writer;
  /// `full`: no room on the disk, to be tried again.
  static Result<std::unique_ptr<LogWriter>> open(LogFiles& files, const Settings& settings,
                                                 bool& full);

  const LogId& log() const { return log_; }
  /// Of the next event that is appended.
  std::uint64_t next_sequence() const { return sequence_; }
  /// What the last finished sync has made durable and published.
  const HeadSlot& durable() const { return durable_; }
  /// Events before this number are safe.
  std::uint64_t safe_sequence() const;
  /// Bytes appended and not durable yet.
  std::uint64_t unsynced_bytes() const { return offset_ - durable_.durable_offset; }
  /// Bytes in the segment in use.
  std::uint64_t segment_bytes() const { return offset_; }

  enum class Append {
    done,
    full,  ///< no room on the disk; nothing has changed
    roll,  ///< the segment is full: after a sync that rolls
  };
  /// Appends the block: one pwritev from where it is. `positions`, if not empty: the table of
  /// source positions that the block reaches, appended by the same call; nothing, not even a kill,
  /// leaves one of the two in the log without the other.
  Result<Append> append(const Block& block, std::string_view positions = {});
  /// The table alone, after the blocks that it is about.
  Result<Append> append_positions(std::string_view table);
  /// The newest one; empty: none yet.
  const std::string& positions() const { return positions_; }

  /// One sync in flight.
  struct Sync {
    std::shared_ptr<Segment> segment;
    HeadSlot slot;  ///< to be published
    bool rolls = false;
    std::string positions;  ///< for the next segment
    bool full = false;      ///< no room for the next segment: the rest is done
    std::shared_ptr<Segment> next;
    std::int64_t took_ms = 0;
  };
  bool has_unsynced() const { return sequence_ != durable_.durable_sequence || positions_moved_; }
  /// `rolls`: and begin the next segment; until finish_sync() nothing is appended. Where every sync
  /// is small, one now and then makes room for more: zeros in the file, after what was appended.
  Sync begin_sync(bool rolls);
  /// Once it has failed it keeps failing: a second sync of the same data would succeed and lie.
  Status run_sync(Sync& sync);
  void finish_sync(const Sync& sync);

  /// The first sequences of all segments.
  const std::vector<std::uint64_t>& segments() const { return segments_; }
  /// Segments before the one that begins with `first` are gone (retention.h).
  void forget_before(std::uint64_t first);

  /// Syncs everything, and the head, and removes the room that is left. Nothing is appended after
  /// it.
  Status close();

 private:
  LogWriter(LogFiles& files, const Settings& settings, HeadFile head)
      : files_(files), settings_(settings), head_(std::move(head)) {}
  struct Part {
    RecordKind kind;
    std::uint32_t count;
    std::string_view payload;
    std::uint16_t flags = 0;
  };
  Result<Append> append(std::span<const Part> parts);
  void make_room();
  Status try_sync(Sync& sync);
  Status roll(Sync& sync);

  LogFiles& files_;
  const Settings settings_;
  LogLock lock_;
  HeadFile head_;                    // of the sync that runs
  std::uint64_t head_synced_ = 0;    // the same: bytes published up to the last sync of the head
  std::uint64_t published_ = 0;      // the same: bytes
  std::optional<Error> sync_error_;  // the same

  PayloadPacker packer_;
  LogId log_{};
  std::shared_ptr<Segment> segment_;
  std::vector<std::uint64_t> segments_;
  std::uint64_t offset_ = 0;
  std::uint64_t started_ = 0;   // the disk has started on what is before it
  std::uint64_t room_end_ = 0;  // zeros were written up to here
  unsigned small_syncs_ = 0;    // in a row
  std::uint64_t sequence_ = 0;
  std::string positions_;
  std::uint64_t positions_offset_ = 0;
  bool positions_moved_ = false;
  HeadSlot durable_;
};

}  // namespace fl
