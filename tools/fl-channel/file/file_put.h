// The half of fl-channel file that takes blocks in: appends them, syncs them, frees segments.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/component/component.h"
#include "common/io/worker.h"
#include "common/log/log_writer.h"
#include "common/log/retention.h"
#include "common/net/repeated_warning.h"
#include "tools/fl-channel/file/file_options.h"
#include "tools/fl-channel/file/position_table.h"

namespace fl {

/// What the two halves in one process tell each other. Used by the stage's loop alone.
struct FileShared {
  std::uint64_t published = 0;  ///< grows when the head says more than before
  std::string group;            ///< that of the take half; empty: it is not open
  std::uint64_t acked = 0;      ///< how far that group has got
};

/// Appends in the stage's loop. A thread of its own syncs: what is appended while a sync runs
/// shares the next one. When there is no room it stops reading, reports it, and continues by
/// itself.
///
/// A block that could not be appended at once (`pending_`) waits here until the segment is rolled
/// or the disk has room; meanwhile nothing more is taken.
class FilePut final : public ChannelPut {
 public:
  FilePut(const FileOptions& options, std::shared_ptr<FileShared> shared)
      : options_(options), directory_(log_directory(options)), shared_(std::move(shared)) {}

  Traits traits() const override { return {.durable = true, .acks_at_put = true}; }
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::durable, "log synced"};
  }
  Status open(const StageContext& context) override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  bool ready() const override;
  Status put(const Block& block) override;
  std::uint64_t safe() const override;
  std::optional<std::vector<Position>> positions() const override { return table_.positions(); }
  Status position(std::uint64_t n, const Position& position) override;
  Status commit(std::uint64_t n) override;
  Result<bool> input_over() override;
  Status close() override;
  std::optional<Error> missing() const override;
  std::string status() const override;
  void figures(FigureList& out) const override;

 private:
  /// Why nothing can be taken in.
  enum class Full { no, disk, reserve, events, bytes };

  Status open_log();
  Result<LogWriter::Append> append(const Block& block);
  Status append_pending();
  void take_positions(std::uint64_t more);
  Status append_positions();
  Status after_append(LogWriter::Append done);
  bool gathers() const;
  Status stop_gathering();
  Status start_sync();
  Status finish_job();
  void start_freeing(bool drops);
  void report_dropped();
  std::uint64_t needed() const;
  std::uint64_t held() const;
  std::uint64_t syncs_per_second(std::int64_t now) const;
  bool drops_oldest() const { return options_.when_full == "drop-oldest"; }
  bool has_older_segment() const;
  Full limit_reached() const;
  bool exceeds_limit() const;
  void watch_limit();
  Full space_reached();
  void become(Full full);
  std::string why_full() const;
  bool has_pending() const { return !pending_.empty(); }

  const FileOptions options_;
  const std::string directory_;
  const std::shared_ptr<FileShared> shared_;
  Retain retain_;
  std::unique_ptr<LogFiles> files_;
  std::unique_ptr<LogWriter> writer_;  // none while a full disk does not let it open
  std::uint64_t base_ = 0;             // sequence of the first event that this process puts

  std::string pending_;
  std::uint64_t pending_count_ = 0;
  bool wants_roll_ = false;
  bool is_last_drop_asked_ = false;  // the input is over, and held too much

  PositionTable table_;
  PositionQueue coming_;        // positions that the events put so far do not reach
  bool table_changed_ = false;  // and is not in the log yet

  Worker worker_;
  enum class Job { none, sync, freeing } job_ = Job::none;
  LogWriter::Sync sync_;                 // the job's while it runs
  std::optional<Result<LogUse>> freed_;  // the same
  std::optional<Error> failed_;

  LogUse use_;
  KnownSegments known_;                // the job's while it runs
  std::int64_t gather_until_ms_ = -1;  // before that a flow gathers; -1: it does not
  std::int64_t look_at_ms_ = -1;       // when to check the groups again
  std::int64_t look_after_ms_ = 0;     // grows while nothing happens
  std::uint64_t space_at_ = 0;         // bytes appended when the file system is asked again
  std::uint64_t appended_bytes_ = 0;

  Full full_ = Full::no;            // of the disk, or a limit that has lasted
  std::uint64_t stuck_needed_ = 0;  // what the slowest group needed when a limit was reached
  std::int64_t stuck_since_ms_ = -1;
  std::int64_t retry_at_ms_ = -1;
  std::int64_t retry_after_ms_ = 0;
  RepeatedWarning full_warning_;
  RepeatedWarning freeing_warning_;
  RepeatedWarning dropping_warning_;

  std::uint64_t syncs_ = 0;
  struct Rate {
    std::int64_t since_ms = 0;
    std::uint64_t syncs = 0;  // until then
    std::uint64_t value = 0;  // in the second before
  };
  Rate rate_;
  std::int64_t last_sync_ms_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_reported_ = 0;
  bool is_dry_run_ = false;
};

}  // namespace fl
