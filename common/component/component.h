// What a component implements. A component sees events, its options and a status to return;
// pipes, acknowledgements and signals are the runner's (runner.h).
//
// All calls come from one thread. Events of a stage are numbered from 0 in the order in which
// they came in (sink) or were produced (source); "the first n events" means numbers 0 to n-1.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ack/event_number.h"
#include "common/ack/failure.h"
#include "common/ack/guarantee.h"
#include "common/ack/position.h"
#include "common/base/error.h"
#include "common/component/figures.h"
#include "common/compress/block_codec.h"
#include "common/event/batch.h"
#include "common/stream/block_builder.h"

namespace fl {

/// Dead letters (--reject): events that can never be delivered.
class Rejects {
 public:
  virtual ~Rejects() = default;
  /// Keeps the event with the message of `why`, its reason; it then counts as delivered. Without
  /// --reject, or where `why` is not an error of class input, that error itself, which ends the
  /// stage.
  virtual Status reject(const Event& event, const Error& why) = 0;
  /// There is a file for them.
  virtual bool keeps() const { return false; }
  /// True: what was rejected is on disk. False: a sync runs, and the loop wakes up when it is
  /// through. Cheap when there is nothing new. Asked before a component does something irreversible
  /// because events are delivered; it asks again in handle().
  virtual Result<bool> synced() { return true; }
};

/// Limits and surroundings that the runner gives to a component. Outlives it.
struct StageContext {
  EventLimits limits;
  std::int64_t grace_ms = 10'000;  ///< --grace: how long an unavailable peer is tried again
  std::int64_t give_up_ms = 0;     ///< --give-up-after; 0: never. The loop has a clock for it, too
  bool terminal = false;           ///< stderr is a terminal
  bool dry_run = false;            ///< --dry-run: resolve, authenticate, show names; write nothing
  /// --codec: for a sink that writes a container, as far as it takes_codec().
  CodecChoice codec;
  /// Text input rules (--max-line, --delimiter, ...) for sources that read text themselves.
  const struct TextOptions* text = nullptr;
  /// True once nothing more comes in: the input has ended, was read after a signal, or its writers
  /// have said which event is the last (they may say how it ended only when all is safe). A sink
  /// that waits for its destination bounds that by `grace_ms` from then on. Empty: never.
  std::function<bool()> input_over = {};
  /// Where events go that can never be delivered. Never null under the runner.
  Rejects* rejects = nullptr;
  /// The options of the stage, for components that open outputs of their own. Null in tests.
  const struct StageOptions* stage = nullptr;
};

class PollSet;

/// What all components have in common: how they open, how they wait, what they report.
///
/// The waiting contract: watch() before each poll of the stage's loop, handle() after it, on every
/// turn: also while the output is busy, the window is full or the reader has not shaken hands. A
/// component never blocks; what must block (fsync, a blocking library) has a thread of its own, and
/// an eventfd that watch() adds.
class Component {
 public:
  virtual ~Component() = default;
  /// Called once, before anything else but figures().
  virtual Status open(const StageContext& context) {
    (void)context;
    return {};
  }
  /// Adds the descriptors and times that it waits for. `room`: the stage takes what this component
  /// has for it now. Without room a descriptor that only reports more must not be added: the loop
  /// would spin.
  virtual void watch(PollSet& set, bool room) {
    (void)set;
    (void)room;
  }
  /// After the poll: finished work, timers, connections. An error ends the stage.
  virtual Status handle(const PollSet& set) {
    (void)set;
    return {};
  }
  /// Monotonic ms (base/clock.h) at which handle() has something to do; -1: none.
  virtual std::int64_t deadline_ms() const { return -1; }
  /// What it waits for that is not there, as the error that ends the stage when that lasts
  /// (--give-up-after); none: it waits for nothing but input.
  virtual std::optional<Error> missing() const { return std::nullopt; }
  /// It works on something that ends by itself, well or not, and shows no progress before: an
  /// upload. The stage does not give up meanwhile.
  virtual bool works() const { return false; }
  /// More words for the status line, after those of figures(): what is waited for, and why.
  virtual std::string status() const { return {}; }
  /// Adds what is worth knowing about it for the status line and --metrics (figures.h). May be
  /// called at any time, before open() too.
  virtual void figures(FigureList& out) const { (void)out; }
  /// SIGHUP: open or read files anew (logs that were moved, certificates).
  virtual void reopen() {}
};

/// What can resume where a durable stage below it has got to.
class Resumable {
 public:
  virtual ~Resumable() = default;
  /// Its name for itself in the memory of a durable stage below, the same in its next run
  /// ("spooldir:/var/spool/app"). Empty: it has no positions, or none yet.
  virtual std::string position_name() const { return {}; }
  /// A durable stage below keeps positions. Called at most once, before the first event is
  /// produced or handed out: it has everything up to `place`, a position() of this or an earlier
  /// run. Nothing: it knows of none. The words come from another process and must be checked; the
  /// stage that kept them may be wrong about a source that was changed, so the source's own record
  /// counts too.
  virtual Status resume(const std::optional<std::string>& place) {
    (void)place;
    return {};
  }
  /// The place after the events produced so far, or those up to the block handed out now, for a
  /// resume() later. Asked after resume() only, once for each block. Nothing: there is none here;
  /// the last one still counts.
  virtual std::optional<std::string> position() { return std::nullopt; }
};

/// Produces events. open() comes after the stream's header has gone out. Resumable only with state.
class Source : public Component, public Resumable {
 public:
  enum class State {
    more,  ///< call again when there is room
    wait,  ///< nothing now: call again when ready()
    end,   ///< everything is produced
  };

  /// Adds events to `out` until !out.fits(next event) or there is nothing more now.
  virtual Result<State> produce(BlockBuilder& out) = 0;
  /// After State::wait: produce() may have something to do.
  virtual bool ready() const { return ready_; }
  /// True if the source forgets an event only when it is acknowledged, and can read again.
  virtual bool has_state() const { return false; }
  /// Asked while produce() waits, of a source with state: somebody waits for the acknowledgements
  /// (clients for their replies), or nothing more is read before they come. Then the stages below
  /// are asked to make everything safe soon. Otherwise a sink gathers as long as it likes.
  virtual bool needs_acks() const { return true; }
  /// What an acknowledgement will mean, once the reader has reported it; for a source with state,
  /// before the first produce(). May come again when that changes. An error ends the stage.
  virtual Status acknowledged_by(const Guarantee& guarantee) {
    (void)guarantee;
    return {};
  }
  /// The first n events are safe. Cumulative; called as acks come.
  virtual Status acked(std::uint64_t n) {
    (void)n;
    return {};
  }
  /// A signal asked to stop: produce() is not called again.
  virtual void stop() {}
  /// Called once at the end. With state: everything is acknowledged by then, unless the stage ends
  /// on an error or was told to stop at once. An error says what is left (class again) or what
  /// could not be delivered; the stages below get it instead of the stream's `end`.
  virtual Status close() { return {}; }
  /// One line for the last message, e.g. "3 files, 1200 events"; empty: none.
  virtual std::string summary() const { return {}; }

  /// A source that waits for one descriptor (readable) and one time needs only wait_fd() and
  /// deadline_ms(); one with more overrides watch(), handle() and ready().
  virtual int wait_fd() const { return -1; }
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;

 private:
  int index_ = -1;
  bool ready_ = false;
};

/// Changes or drops events.
class Interceptor : public Component {
 public:
  /// Edits the batch; see Batch for what may be done. Events that are not kept(i) are skipped.
  virtual Status process(Batch& batch) = 0;
};

/// Delivers events. open() comes before any event.
class Sink : public Component {
 public:
  /// What safe() means, for `at`, e.g. gathered "hdfs closed and renamed". Nothing: not known yet.
  /// Its words are a view into the sink, until it is called again.
  virtual std::optional<Guarantee> guarantee() const = 0;
  /// Takes all events of the batch; its bytes are invalid after return. Never called while
  /// !ready().
  virtual Status deliver(const Batch& batch) = 0;
  /// False: cannot take more now (a disk is full, uploads lag). Reading stops; the runner asks
  /// again on each turn.
  virtual bool ready() const { return true; }
  /// True if it writes a container with StageContext::codec; else --codec is refused.
  virtual bool takes_codec() const { return false; }
  /// The first n events delivered are durable at their destination. Never falls.
  virtual std::uint64_t safe() const = 0;
  /// Make the first n events safe soon. Returns at once; handle() does the rest.
  virtual Status commit(std::uint64_t n) {
    (void)n;
    return {};
  }
  /// For a sink that writes streams: no event comes after those delivered, though the input is not
  /// over before they are safe. Called on every turn from then on.
  virtual void no_more_comes() {}
  /// No more events come; `end`: whether all of the input was read. Called until it returns true,
  /// then safe() decides.
  virtual Result<bool> input_over(const StreamEnd& end) {
    (void)end;
    return true;
  }
  /// For a sink that writes streams (fan-out): how many of --out, from the first on, are open.
  virtual std::size_t outputs_opened() const { return 0; }
  /// For a sink that writes streams (fan-out): the stage ends with a status other than 0; their
  /// readers are to learn why. Called until it returns true, at most for --ack-wait.
  virtual bool tell_failure(const Failure& failure) {
    (void)failure;
    return true;
  }
  /// The stage ends with 0, after close(): the sockets of the streams are removed.
  virtual void remove_sockets() {}
  /// True when the sink's own reader closed: the stage ends quietly and sends `enough` upstream.
  virtual bool reader_closed() const { return false; }
  /// Called once at the end (after commit of everything, or on an error): releases, removes
  /// temporaries, stops threads. Commits nothing.
  virtual Status close() { return {}; }
};

/// The half of a channel that takes blocks in. Blocks pass whole and are not decoded.
class ChannelPut : public Component {
 public:
  /// How it behaves where channels differ; constant from the start.
  struct Traits {
    /// What safe() counts outlives this process: then nothing is lost, whatever the reader of the
    /// take half does. False: held in memory.
    bool durable = false;
    /// safe() counts what was put (--ack-at put). False: what the reader of the take half has
    /// acknowledged; the stage passes on that reader's guarantee.
    bool acks_at_put = false;
  };

  virtual Traits traits() const = 0;
  /// What safe() means, for `at`, where traits().acks_at_put.
  virtual std::optional<Guarantee> guarantee() const { return std::nullopt; }
  /// False: full, reading stops.
  virtual bool ready() const = 0;
  /// Takes a copy of the block (encoded events). Never called while !ready().
  virtual Status put(const Block& block) = 0;
  /// The first n events put are safe by guarantee(). Never falls. Asked where traits().acks_at_put.
  virtual std::uint64_t safe() const = 0;
  /// For a half that is durable and acknowledges at put: the newest position of each source above
  /// that is durable here, empty if there is none. Asked whenever a stream begins. Nothing: it
  /// keeps none; then position() is not called, and positions go on to the take half.
  virtual std::optional<std::vector<Position>> positions() const { return std::nullopt; }
  /// The source's position after the first n events put. Called before the put() of the block that
  /// reaches n, so that both become durable in one step; or, with an n that was put already, where
  /// a stage between has dropped the events of a block, or its writer was late. The position must
  /// not become durable before the n events. Every block of a source ends at a position; a stage
  /// between may have cut one in two, so a crash doubles nothing only if what follows the last
  /// position is held back until the next one is there (for a bounded time).
  virtual Status position(std::uint64_t n, const Position& position) {
    (void)n;
    (void)position;
    return {};
  }
  /// Make the first n events safe soon. Returns at once; handle() does the rest.
  virtual Status commit(std::uint64_t n) {
    (void)n;
    return {};
  }
  /// No more is put. Called until it returns true: everything that was put is safe by then, or an
  /// error says why not.
  virtual Result<bool> input_over() { return true; }
  /// Called once at the end.
  virtual Status close() { return {}; }
};

/// The half of a channel that hands blocks out. Resumable only if it replays.
class ChannelTake : public Component, public Resumable {
 public:
  /// How it behaves where channels differ; constant from the start.
  struct Traits {
    /// What is not acknowledged is handed out again by the next process. So it waits for a reader
    /// that acknowledges (`at`), and refuses one that does not; its put half does not wait for
    /// that.
    bool replays = false;
    /// A signal asked to stop: hand on what is held before the end (memory), or stop at once
    /// because it is kept (a log).
    bool drains_on_stop = true;
  };

  virtual Traits traits() const = 0;
  /// Of a half that replays: false as long as it does not know what it hands out. The header of the
  /// stream waits for that.
  virtual bool has_begun() const { return true; }
  /// Of a half that replays: the number that the first event of front() has in its log; without a
  /// block, that of the next one. Within a block they go on by one.
  virtual std::optional<EventNumber> number() const { return std::nullopt; }
  /// The oldest block that was not popped; valid until pop(). nullptr: none now.
  virtual Block* front() = 0;
  virtual void pop() = 0;
  /// Nothing more comes: the put half is over (in this process or another) and everything was
  /// popped.
  virtual bool over() const = 0;
  /// The put half in this process is over.
  virtual void put_over() {}
  /// The first n events handed out are safe at the reader. Cumulative.
  virtual Status acked(std::uint64_t n) {
    (void)n;
    return {};
  }
  /// A signal asked to stop.
  virtual void stop() {}
  /// Called once at the end, as Source::close().
  virtual Status close() { return {}; }
};

/// A channel: both halves, which know each other, or one of them alone.
struct Channel {
  std::unique_ptr<ChannelPut> put;
  std::unique_ptr<ChannelTake> take;
};

}  // namespace fl
