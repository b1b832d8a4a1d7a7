// What a component implements. A component sees events, its options and a status to return;
// nothing of pipes, acknowledgements or signals: the runner (runner.h) has those.
//
// All calls come from one thread. Events of a stage are numbered from 0 in the order in which
// they came in (sink) or were produced (source); "the first n events" means numbers 0 to n-1.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/compress/block_codec.h"
#include "common/event/batch.h"
#include "common/stage/figures.h"
#include "common/stream/block_builder.h"

namespace fl {

/// Dead letters (--reject): events that can never be delivered.
class Rejects {
 public:
  virtual ~Rejects() = default;
  /// Keeps the event with the message of `why`, its reason; it then counts as delivered. Without
  /// --reject, or where `why` is no error of class input, that error itself, which ends the stage.
  virtual Status reject(const Event& event, const Error& why) = 0;
};

/// Limits and surroundings that the runner gives to a component. Outlives it.
struct StageContext {
  EventLimits limits;
  std::int64_t grace_ms = 10'000;  ///< --grace: how long an unavailable peer is tried again
  bool terminal = false;           ///< stderr is a terminal
  bool dry_run = false;            ///< --dry-run: resolve, authenticate, show names; write nothing
  /// --codec: for a sink that writes a container, as far as it takes_codec().
  CodecChoice codec;
  /// Text input rules (--max-line, --delimiter, ...) for sources that read text themselves.
  const struct TextOptions* text = nullptr;
  /// True once nothing more comes in: the input has ended, or was read after a signal. A sink that
  /// waits for its destination bounds that by `grace_ms` from then on. Empty: never.
  std::function<bool()> input_over = {};
  /// Where events go that can never be delivered. Never null under the runner.
  Rejects* rejects = nullptr;
  /// The options of the stage, for components that open outputs of their own. Null in tests.
  const struct StageOptions* stage = nullptr;
};

/// Produces events.
class Source {
 public:
  enum class State {
    more,  ///< call again when there is room
    wait,  ///< nothing now: call again when wait_fd() is readable or deadline_ms() has come
    end,   ///< everything is produced
  };
  virtual ~Source() = default;

  /// Called once, after the stream's header has gone out.
  virtual Status open(const StageContext& context) = 0;
  /// Adds events to `out` until !out.fits(next event) or there is nothing more now.
  virtual Result<State> produce(BlockBuilder& out) = 0;
  /// True if the source forgets an event only when it is acknowledged, and can read again.
  virtual bool has_state() const { return false; }
  /// The first n events are safe. Cumulative; called as acks come.
  virtual Status acked(std::uint64_t n) {
    (void)n;
    return {};
  }
  /// False once something could not be delivered (a damaged file): the stream then ends without
  /// `end`, so that the stages below do not take it for whole.
  virtual bool whole() const { return true; }
  /// A signal asked to stop: produce() is not called again.
  virtual void stop() {}
  /// Called once at the end, after the last acked(). An error says what is left (class again).
  virtual Status close() { return {}; }
  /// For State::wait.
  virtual int wait_fd() const { return -1; }
  /// Monotonic ms (base/clock.h) for State::wait, -1: none.
  virtual std::int64_t deadline_ms() const { return -1; }
  /// One line for the last message, e.g. "3 files, 1200 events"; empty: none.
  virtual std::string summary() const { return {}; }
  /// Adds what is worth knowing of it for the status line and --metrics (figures.h). May be called
  /// at any time, before open() too.
  virtual void figures(FigureList& out) const { (void)out; }
};

/// Changes or drops events.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  virtual Status open(const StageContext& context) {
    (void)context;
    return {};
  }
  /// Edits the batch; see Batch for what may be done. Events that are not kept(i) are passed over.
  virtual Status process(Batch& batch) = 0;
  /// Adds what is worth knowing of it for the status line and --metrics (figures.h). May be called
  /// at any time, before open() too.
  virtual void figures(FigureList& out) const { (void)out; }
};

class PollSet;

/// Delivers events.

class Sink {
 public:
  virtual ~Sink() = default;

  /// Called once, before any event.
  virtual Status open(const StageContext& context) = 0;
  /// The rule by which safe() counts, for `at`, e.g. "hdfs closed and renamed". Valid after open();
  /// empty: not known yet. A view into the sink, until it is called again.
  virtual std::string_view rule() const = 0;
  /// Takes all events of the batch; its bytes are gone after return. Never called while !ready().
  virtual Status deliver(const Batch& batch) = 0;
  /// False: cannot take more now (a disk is full, uploads are behind). Reading stops; the runner
  /// asks again after each progress().
  virtual bool ready() const { return true; }
  /// True if it writes a container with StageContext::codec; else --codec is refused.
  virtual bool takes_codec() const { return false; }
  /// The first n events delivered are durable at their destination. Never falls.
  virtual std::uint64_t safe() const = 0;
  /// Make the first n events safe soon. Returns at once; progress() does the rest.
  virtual Status commit(std::uint64_t n) {
    (void)n;
    return {};
  }
  /// Called when wake_fd() is readable (for `events` of poll) or deadline_ms() has come: timers,
  /// finished work. An error ends the stage.
  virtual Status progress() { return {}; }
  virtual int wake_fd() const { return -1; }
  virtual short wake_events() const { return 1 /* POLLIN */; }
  virtual std::int64_t deadline_ms() const { return -1; }
  /// For a sink with many descriptors (fanout.h): adds them before, and looks at them after, each
  /// poll; before progress().
  virtual void watch(PollSet& set) { (void)set; }
  virtual Status handle(const PollSet& set) {
    (void)set;
    return {};
  }
  /// No more events come; `whole`: all of the input was read. Called until it says true, then
  /// safe() decides.
  virtual Result<bool> input_over(bool whole) {
    (void)whole;
    return true;
  }
  /// True when the sink's own reader closed: the stage ends quietly and sends `enough` upstream.
  virtual bool reader_closed() const { return false; }
  /// Called once at the end (after commit of everything, or on an error): releases, removes
  /// temporaries, stops threads. Commits nothing.
  virtual Status close() { return {}; }
  /// SIGHUP: reopen files.
  virtual void reopen() {}
  /// More words for the status line, behind those of figures(): what is waited for, and why.
  virtual std::string status() const { return {}; }
  /// Adds what is worth knowing of it for the status line and --metrics (figures.h). May be called
  /// at any time, before open() too.
  virtual void figures(FigureList& out) const { (void)out; }
};

/// Buffers blocks between input and output.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual Status open(const StageContext& context) {
    (void)context;
    return {};
  }
  /// False: full, reading stops.
  virtual bool has_room() const = 0;
  /// Takes a copy of the block (encoded events).
  virtual Status put(const Block& block) = 0;
  /// The oldest block, valid until pop(); nullptr: empty.
  virtual Block* front() = 0;
  virtual void pop() = 0;
  /// True: what is put counts as safe upstream (--ack-at put); else what the reader acknowledges.
  virtual bool acks_at_put() const { return false; }
  /// As for a sink.
  virtual std::string status() const { return {}; }
  /// Adds what is worth knowing of it for the status line and --metrics (figures.h). May be called
  /// at any time, before open() too.
  virtual void figures(FigureList& out) const { (void)out; }
};

}  // namespace fl
