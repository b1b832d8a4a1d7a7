// The sink itself: buckets, the parts gathered in them, when they roll, what is safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/component/component.h"
#include "common/io/poll_set.h"
#include "common/net/retry.h"
#include "tools/fl-sink/hdfs/bucket_chooser.h"
#include "tools/fl-sink/hdfs/file_format.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/row_form.h"
#include "tools/fl-sink/hdfs/store.h"
#include "tools/fl-sink/hdfs/worker_pool.h"

namespace fl {

/// What a sink with rules of its own uses instead of the options; null: as they say.
struct HdfsParts {
  std::unique_ptr<Store> store;
  std::unique_ptr<BucketChooser> names;
  std::unique_ptr<RowForm> rows;
  std::string serializer = {};  ///< its name, where there are no rows; empty: as they say
};

/// Events are gathered into one open part for each bucket. A part that rolls waits in its bucket's
/// queue and is committed by a worker; the next one of the same bucket after it, so that files
/// appear in order. An event is safe when all parts that hold it or an earlier one are committed.
///
/// A commit that fails because a server is away, or because a person has to act, is tried again
/// (retry.h) without an end while input may come; later for --grace. Any other failure ends the
/// stage. A store that has to ask a server is opened by a worker: until it answers, the sink is not
/// ready() and nothing is read.
class HdfsSink final : public Sink {
 public:
  explicit HdfsSink(HdfsOptions options);
  /// With a store of the caller's choice (tests).
  HdfsSink(HdfsOptions options, std::unique_ptr<Store> store);
  ~HdfsSink() override;

  /// Before open().
  void build_of(HdfsParts parts);
  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  Status deliver(const Batch& batch) override;
  bool ready() const override;
  std::uint64_t safe() const override;
  Status commit(std::uint64_t n) override;
  void watch(PollSet& set, bool) override { set.add(wake_.get(), POLLIN); }
  Status handle(const PollSet&) override { return progress(); }
  /// Takes what the workers have finished, and looks at the timers.
  Status progress();
  /// Readable when a worker has finished something.
  int wake_fd() const { return wake_.get(); }
  std::int64_t deadline_ms() const override;
  Status close() override;
  std::string status() const override;
  std::optional<Error> missing() const override;
  bool works() const override { return committing_ != 0 || is_opening_; }
  void figures(FigureList& out) const override;

 private:
  static constexpr std::int64_t kFullRetryMs = 200;  // a full disk is tried again

  struct HeldPart;

  struct Bucket {
    std::string key;
    FileNames names;
    std::uint64_t counter = 0;  // the last one used
    HeldPart* open = nullptr;
    std::deque<HeldPart*> queue;  // rolled; the front is being committed
  };

  enum class State { open, queued, committing, waiting };

  // One part whose events are not all safe yet, open or committed.
  struct HeldPart {
    Bucket* bucket = nullptr;
    std::unique_ptr<Part> part;
    std::unique_ptr<Serializer> serializer;
    std::string buffer;
    State state = State::open;
    std::uint64_t first = 0;  // number of its first event
    std::uint64_t events = 0;
    std::uint64_t body_bytes = 0;
    std::int64_t opened_ms = 0;
    std::int64_t used_ms = 0;
    bool is_full = false;  // stopped by a full disk
    std::list<HeldPart*>::iterator by_age;
    std::list<HeldPart*>::iterator by_use;

    std::uint64_t counter = 0;
    Outcome outcome;
    Retry retry;
  };

  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };

  // Opening (open.cpp).
  Status check_options() const;
  Status open_store(bool dry_run);
  Result<bool> take_opened();
  Status show_plan();
  Status prepare_limits();

  Status look_at(const Event& event, std::int64_t wall);
  Status append(Bucket& bucket, const Event& event, std::int64_t now);
  Status reject(const Event& event, const Error& why);
  Bucket& bucket_of_last_located();
  Result<HeldPart*> begin_part(Bucket& bucket, std::int64_t now);
  Status write_out(HeldPart& held);
  Status relieve_memory();
  void roll(HeldPart& held);
  void start_commit(Bucket& bucket);
  void submit(HeldPart& held);
  Status take_finished(std::int64_t now);
  Status take_outcome(HeldPart& held, std::int64_t now);
  void finish(HeldPart& held, std::int64_t now);
  Status run_timers(std::int64_t now);
  Status retry_full(std::int64_t now);
  void set_full(HeldPart& held, bool full, const Error* why);
  void commit_wanted(std::int64_t now, bool all);
  void commit_largest();
  Status wait_for_retry(HeldPart& held, std::int64_t now);
  void clear_alarms(std::int64_t now);
  bool is_ended() const { return input_over_ && input_over_(); }
  std::string waiting_text() const;
  void sweep_once(const std::string& directory);
  void sweep_next();

  HdfsOptions options_;
  RetryLimits limits_;
  std::function<bool()> input_over_;
  Rejects* rejects_ = nullptr;
  std::unique_ptr<Store> store_;
  std::string where_note_;
  std::unique_ptr<FileFormat> format_;  // outlives the parts
  std::unique_ptr<BucketChooser> names_;
  std::unique_ptr<RowForm> rows_;  // until there is a format
  std::size_t max_open_ = 0;

  std::unordered_map<std::string, std::unique_ptr<Bucket>, KeyHash, std::equal_to<>> buckets_;
  std::map<std::uint64_t, std::unique_ptr<HeldPart>> parts_;  // not committed, by first event
  std::list<HeldPart*> by_age_;                               // open parts, oldest first
  std::list<HeldPart*> by_use_;  // open parts, least recently used first
  std::vector<HeldPart*> waiting_;
  std::unordered_set<std::string> swept_;
  std::string key_;         // of the bucket that was looked up last
  Bucket* last_ = nullptr;  // of the event before; null: look it up
  std::uint64_t last_counter_ = 0;

  std::uint64_t delivered_ = 0;
  std::uint64_t unchecked_bytes_ = 0;  // delivered since memory was last looked at
  std::uint64_t committed_ = 0;
  std::uint64_t retries_ = 0;
  std::size_t rolled_ = 0;  // queued, committing or waiting
  std::size_t committing_ = 0;
  std::uint64_t wanted_ = 0;
  std::int64_t last_commit_ms_ = INT64_MIN / 2;
  std::size_t full_parts_ = 0;
  std::optional<Error> full_why_;  // why the first of them is
  std::int64_t full_retry_ms_ = 0;
  Alarm away_{"writing continues"};     // a server does not answer as it should
  Alarm refused_{"writing continues"};  // a person has to act
  std::deque<std::string> sweeps_;
  bool is_sweeping_ = false;
  bool is_opening_ = false;
  bool has_failed_ = false;

  UniqueFd wake_;
  std::mutex finished_mutex_;
  std::vector<HeldPart*> finished_;
  std::optional<Status> opened_;  // what open() of the store said
  bool has_swept_ = false;
  std::vector<HeldPart*> taken_;
  WorkerPool pool_;  // last: its threads use the members above
};

}  // namespace fl
