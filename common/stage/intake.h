// Everything that comes into a stage: its inputs, the streams in them, and the talk with their
// writers. Events of all streams are numbered in the order in which they are handed out.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/ack_map.h"
#include "common/component/component.h"
#include "common/component/component_type.h"
#include "common/component/stage_options.h"
#include "common/io/poll_set.h"
#include "common/stage/input.h"
#include "common/stage/upstream.h"
#include "common/stage/writers_door.h"

namespace fl {

/// Owns the inputs (a Slot each), the streams in them (Upstream) and the ledger that knows which
/// event came from which stream. A slot is ready (worth asking), waiting (its descriptor is polled)
/// or over. A stream outlives its slot until all its events are acknowledged, since its writer
/// waits for that. A unix: endpoint (WritersDoor) makes a slot for each connection, and that is
/// forgotten when it is over; what goes wrong there is logged and never judged: the writer sends
/// again what was not acknowledged.
///
/// Between calls: the block of the last next() is the only one lent out, and ends with the next
/// call; total() counts exactly the events handed out. A stream is judged once, when it is over,
/// and never by silence: the first reason of each sort is kept (damage, heard, cut short), so that
/// outcome() does not depend on what happens afterwards.
class Intake {
 public:
  struct Settings {
    EventLimits limits;
    LineRules rules;
    bool text_source = false;  ///< fl-source stdin: text, as `text` says
    TextInput text = {};
    std::size_t block_limit = 64 << 10;  ///< for blocks made of text
    Rejects* rejects = nullptr;          ///< takes the lines that `rules` reject; outlives the feed
  };
  enum class Got {
    nothing,  ///< no more right now
    begun,    ///< a stream, or text, begins: the stage knows what its input is
    block,    ///< batch() and block() hold events, already counted; valid until the next call
    moved,    ///< something else happened: ask again
  };

  /// `options` outlives the feed.
  Intake(const StageOptions& options, Settings settings);

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

  /// A signal: inputs that are files are over, the others when their writers are finished or
  /// silent.
  void stop();
  /// Ends what is over after stop(). `can_take`: what is not asked for is not silence.
  void drain(bool can_take);
  /// Ends everything without judging the writers.
  void end_all();
  /// Nothing more comes, and all writers have said how it ended.
  bool over() const;
  /// Nothing more comes; writers may wait for acknowledgements before they say how it ended.
  bool no_more_comes() const;

  std::uint64_t total() const { return ledger_.total(); }
  std::uint64_t acked() const { return ledger_.done(); }
  std::uint64_t bytes() const;
  /// Of the bodies of the events handed out.
  std::uint64_t body_bytes() const { return body_bytes_; }
  std::uint64_t blocks() const { return blocks_; }
  /// Lines that were refused.
  std::uint64_t rejected_lines() const;

  /// The first n events are safe: tells the writers.
  void ack(std::uint64_t n);
  void at(const Guarantee& guarantee);
  /// Tells the writers that have not been sent at() yet which positions are kept; nothing: none
  /// are.
  void resume(const std::function<std::optional<std::vector<Position>>()>& kept);
  /// The next position that the events handed out reach, its count over all streams.
  std::optional<PositionQueue::Entry> take_position();
  /// There is one.
  bool has_position() const;
  /// The number in a log of the event that comes next, as the header of the stream says that begins
  /// it: for our own header. After Got::begun.
  const std::optional<EventNumber>& first_number() const { return first_number_; }
  /// The same for the event `i` of the block, for sure; and the next one where it does not go on by
  /// one. After Got::block.
  std::optional<EventNumber> number(std::size_t i) const;
  std::size_t next_number(std::size_t i) const;
  void enough();
  /// How many events writers want safe now; 0: nothing new.
  std::uint64_t take_want();
  /// Sends what waits for slow writers, for at most `ms`.
  void flush(std::int64_t ms);

  /// Why what came in is not whole; nothing: it is, as far as it is over. Damage and rejected lines
  /// (65) come before what the first failed stage above reported, and that before an end for which
  /// nobody gave a reason (75).
  StreamEnd outcome() const;

 private:
  struct Slot {
    Slot(UniqueFd fd, std::string name, const Input::Settings& settings);
    Input input;
    WritersDoor* door = nullptr;  // through which it came; none: it is not a connection
    Upstream* stream = nullptr;   // the one that is coming in
    int index = -1;
    std::int64_t last_data_ms;
    bool ready = true;  // worth asking for an item
    bool over = false;
    bool long_said = false;
    bool saw_stream = false;
    bool saw_whole = true;  // of a connection: its last stream, or text
  };

  Slot& add_slot(UniqueFd fd, std::string name, const std::string& file = {});
  void set_text(Input::Settings& settings, const std::string& name, const std::string& file) const;
  Result<Got> to_next_file(const Slot& slot);
  void let_in(const PollSet& set);
  bool is_listening() const;
  void forget_ended();
  void finish_connection(const Slot& slot, Upstream& stream);
  Status open_path(const std::string& path);
  Status open_next_file();
  Result<Got> next_of(Slot& slot);
  void take_block(Slot& slot);
  void hear_stream(Upstream& stream);
  void begin(Slot& slot, std::unique_ptr<Upstream> stream);
  void finish(Slot& slot, Upstream& stream);
  void cut_short(std::string reason);
  void damaged(std::string reason);
  void end_slot(Slot& slot, bool silent);
  static bool will_say(const Slot& slot);
  void stop_reading(Slot& slot);

  const StageOptions& options_;
  const Settings settings_;
  std::deque<std::string> more_files_;
  std::vector<std::unique_ptr<WritersDoor>> doors_;
  Decompress decompress_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Slot* current_ = nullptr;
  std::size_t turn_ = 0;
  std::vector<std::unique_ptr<Upstream>> streams_;
  std::vector<int> stream_indexes_;
  StreamLedger<Upstream*> ledger_;
  bool has_positions_ = false;  // some stream may send them
  std::optional<EventNumber> first_number_;
  std::uint64_t block_at_ = 0;  // of the block's first event in its stream
  std::uint64_t bytes_of_closed_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t rejected_of_closed_ = 0;
  bool stopping_ = false;
  bool died_ = false;
  StreamEnd damage_;     // of what came in
  StreamEnd heard_;      // from a stage above
  StreamEnd cut_short_;  // nobody said why
};

}  // namespace fl
