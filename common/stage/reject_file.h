// Dead letters: events that a sink's destination will never take (--reject).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/component/component.h"
#include "common/io/worker.h"
#include "common/stream/block_builder.h"
#include "common/stream/container.h"
#include "common/stream/stream_reader.h"

namespace fl {

/// Owns the descriptor of a file that others append to as well, and knows how much of it was whole
/// when it was last locked. Closed (every event is refused), or open. Between calls the file is not
/// locked, and ends with a whole block or with what a killed stage left. An event counts as
/// delivered only once synced() says so; a thread syncs, and a failed sync is reported each time,
/// because a second one would succeed and lie.
///
/// A file of streams that can be fed in again: each event as it was, with the header
/// `fl.reject.reason` and the name of the stage as `fl.reject.stage`.
///
/// Somebody may feed its events in again and remove it meanwhile: then the next event goes into a
/// new file. A renamed file is written on until reopen(), so that nothing is lost between both.
///
/// Several stages may share one file, as the sinks of a group do. It is locked only while one of
/// them appends, so that each block is in it as a whole. A stage that finds that the file has grown
/// since it appended last begins a stream of its own; what a killed stage left half written at the
/// end is cut off: it was never acknowledged.
class RejectFile final : public Rejects {
 public:
  static constexpr std::string_view kReason = "fl.reject.reason";
  static constexpr std::string_view kStage = "fl.reject.stage";

  /// `stage` as in messages. Without open() every event is refused.
  explicit RejectFile(std::string stage) : stage_(std::move(stage)) {}

  /// Opens or makes the file. Class again: another program keeps it locked; class create: it holds
  /// something else; class usage: it is one of `inputs` ("-": stdin), which would never end.
  Status open(const std::string& path, const std::vector<std::string>& inputs);

  /// The next event that is rejected goes into the file that has the path then. HUP.
  void reopen() { must_reopen_ = bool(fd_); }

  Status reject(const Event& event, const Error& why) override;
  bool keeps() const override { return bool(fd_); }
  Result<bool> synced() override;
  /// A sync runs: nothing is to be rejected now.
  bool syncing() const { return worker_.busy(); }
  /// Adds what wakes the loop when it is through.
  void watch(PollSet& set) const { worker_.watch(set); }

  std::uint64_t count() const { return count_; }
  const std::string& path() const { return path_; }

 private:
  Status open_file();
  Status follow_path();
  Status lock();
  Status catch_up();
  Status find_end();
  Status append(std::string_view bytes);
  Status append_event_block(const Event& event, const Error& why);

  const std::string stage_;
  std::string path_;
  std::vector<std::string> inputs_;
  UniqueFd fd_;
  bool must_reopen_ = false;
  std::uint64_t end_ = 0;                 // bytes that were whole when it was last locked
  std::unique_ptr<StreamReader> others_;  // has read up to there; none: the last block is ours
  Marker marker_{};
  BlockBuilder builder_;
  std::string encoded_;
  std::uint64_t count_ = 0;
  bool unsynced_ = false;
  std::optional<Error> sync_error_;
  Worker worker_;  // the last member: it ends before the descriptor is closed
};

}  // namespace fl
