// The half of fl-channel file that hands blocks out: reads what is durable, keeps a group's cursor.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "common/component/component.h"
#include "common/io/worker.h"
#include "common/log/log_cursor.h"
#include "common/log/log_reader.h"
#include "common/net/repeated_warning.h"
#include "tools/fl-channel/file/file_options.h"
#include "tools/fl-channel/file/file_put.h"
#include "tools/fl-channel/file/head_watch.h"

namespace fl {

/// Hands out what the head says is durable, from the group's cursor on. The cursor moves with the
/// acknowledgements; a thread syncs it. Alone (`shared` is null) it waits for a writer in another
/// process, and for the log itself if there is none yet.
class FileTake final : public ChannelTake {
 public:
  FileTake(const FileOptions& options, std::shared_ptr<FileShared> shared)
      : options_(options), directory_(log_directory(options)), shared_(std::move(shared)) {}

  Traits traits() const override { return {.replays = true, .drains_on_stop = false}; }
  bool has_begun() const override { return cursor_.has_value(); }
  std::optional<EventNumber> number() const override;
  std::string position_name() const override;
  Status resume(const std::optional<std::string>& place) override;
  std::optional<std::string> position() override;
  Status open(const StageContext& context) override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Block* front() override;
  void pop() override;
  bool over() const override;
  void put_over() override { is_put_over_ = true; }
  Status acked(std::uint64_t n) override;
  void stop() override { is_stopped_ = true; }
  Status close() override;
  std::string status() const override;
  void figures(FigureList& out) const override;

 private:
  /// From this many events handed out on, the next one has this number: a gap is before it.
  struct Mark {
    std::uint64_t handed = 0;
    std::uint64_t sequence = 0;
  };

  Status open_files();
  Status open_log();
  Status nothing_to_take();
  void report_head();
  Result<std::uint64_t> start_of_group();
  void wait_for_room(const Error& why);
  Result<bool> refresh();
  Status look();
  void look_if_more();
  std::uint64_t sequence_of(std::uint64_t acked);
  Status move_cursor();
  Result<bool> was_put_at(std::uint64_t sequence, std::uint64_t time_ms) const;
  std::uint64_t lag() const;
  std::int64_t age_ms() const;

  const FileOptions options_;
  const std::string directory_;
  const std::shared_ptr<FileShared> shared_;
  LogPlace from_;
  std::unique_ptr<LogFiles> files_;
  std::optional<LogReader> reader_;
  std::optional<LogCursor> cursor_;  // none: there is no log yet, or no space for a new group
  std::string log_text_;             // the log's id, once there is a cursor
  HeadWatch watch_;
  int watch_index_ = -1;
  std::int64_t look_at_ms_ = -1;
  bool is_head_reported_ = false;
  bool has_no_room_ = false;  // for the file of a new group
  RepeatedWarning room_warning_;
  std::int64_t behind_ms_ = 0;  // when there was something to take again
  std::uint64_t published_seen_ = 0;

  bool has_block_ = false;
  std::optional<Error> failed_;
  std::deque<Mark> marks_;  // the last one that is not after what was acknowledged, and those after
  std::uint64_t handed_ = 0;
  std::uint64_t acked_ = 0;

  Worker worker_;  // syncs the cursor
  std::uint64_t synced_sequence_ = 0;
  std::uint64_t syncing_sequence_ = 0;
  std::int64_t sync_at_ms_ = -1;

  bool is_put_over_ = false;
  bool is_stopped_ = false;
  bool is_dry_run_ = false;
  bool is_closed_ = false;  // what has become durable since is for the next taker
};

}  // namespace fl
