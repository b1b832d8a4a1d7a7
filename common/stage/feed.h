// Everything that comes into a stage: its inputs, the streams in them, and the talk with their
// writers. Events of all streams are numbered in the order in which they are handed out.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/ack/ack_map.h"
#include "common/io/poll_set.h"
#include "common/stage/input.h"
#include "common/stage/stage_options.h"
#include "common/stage/upstream.h"

namespace fl {

class Feed {
 public:
  struct Settings {
    EventLimits limits;
    LineRules rules;
    bool text_source = false;  ///< fl-source stdin: text, from `files` one after the other
    std::vector<std::string> files;
    std::size_t block_limit = 64 << 10;  ///< for blocks made of text
  };
  enum class Got {
    nothing,  ///< no more right now
    begun,    ///< a stream, or text, begins: the stage knows what its input is
    block,    ///< batch() and block() hold events, already counted; valid until the next call
    moved,    ///< something else happened: ask again
  };

  /// `options` outlives the feed.
  Feed(const StageOptions& options, Settings settings);

  /// Opens --in, the files or stdin.
  Status open();

  /// `take`: the stage can take a block.
  void watch(PollSet& set, bool take);
  /// After poll. True if a writer has died or failed just now: what is here should be made safe.
  bool hear(const PollSet& set);

  /// The next item of the input whose turn it is. Errors are the stage's end; damaged input is
  /// not: it is logged, counts as damaged(), and that input is over.
  Result<Got> next();
  Batch& batch() { return current_->input.batch(); }
  Block block() { return current_->input.block(); }

  /// A signal: inputs that are files are over, the others when their writers are done or silent.
  void stop();
  /// Ends what is over after stop(). `can_take`: what is not asked for is not silence.
  void drain(bool can_take);
  /// Ends everything without judging the writers.
  void end_all();
  /// Nothing more comes.
  bool over() const;

  std::uint64_t total() const { return ledger_.total(); }
  std::uint64_t acked() const { return ledger_.done(); }
  std::uint64_t bytes() const;
  std::uint64_t blocks() const { return blocks_; }
  /// Lines that were refused.
  std::uint64_t rejected_lines() const;

  /// The first n events are safe: tells the writers.
  void ack(std::uint64_t n);
  void at(std::string_view rule);
  void enough();
  /// How many events writers want safe now; 0: nothing new.
  std::uint64_t take_want();
  /// Sends what waits for slow writers, for at most `ms`.
  void flush(std::int64_t ms);

  /// Some stream was not whole: no `end` is passed on, and the stage ends with 75 (or 65).
  bool early() const { return early_; }
  bool damaged() const { return damaged_; }
  /// Lines were rejected (--long-line reject).
  bool rejected() const { return rejected_; }

 private:
  struct Slot {
    Slot(UniqueFd fd, std::string name, const Input::Settings& settings);
    Input input;
    Upstream* stream = nullptr;  // the one that is coming in
    int index = -1;
    std::int64_t last_data_ms;
    bool ready = true;  // worth asking for an item
    bool over = false;
    bool long_said = false;
    bool saw_stream = false;
  };

  void add_slot(UniqueFd fd, std::string name);
  Status open_path(const std::string& path);
  Status open_next_file();
  Result<Got> next_of(Slot& slot);
  void take_block(Slot& slot);
  void begin(Slot& slot, std::unique_ptr<Upstream> stream);
  void finish(Upstream& stream);
  void end_slot(Slot& slot, bool silent);

  const StageOptions& options_;
  const Settings settings_;
  std::deque<std::string> more_files_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Slot* current_ = nullptr;
  std::size_t turn_ = 0;
  std::vector<std::unique_ptr<Upstream>> streams_;
  std::vector<int> stream_indexes_;
  StreamLedger<Upstream*> ledger_;
  std::uint64_t bytes_of_closed_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t rejected_of_closed_ = 0;
  bool stopping_ = false;
  bool died_ = false;
  bool early_ = false;
  bool damaged_ = false;
  bool rejected_ = false;
};

}  // namespace fl
