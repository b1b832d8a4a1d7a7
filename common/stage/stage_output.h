// What a stage writes its stream to, as the loop and the fan-out see it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/event_number.h"
#include "common/ack/failure.h"
#include "common/ack/guarantee.h"
#include "common/ack/position.h"
#include "common/base/error.h"
#include "common/compress/block_codec.h"
#include "common/io/poll_set.h"
#include "common/stream/block_builder.h"

namespace fl {

/// One logical stream: blocks go in, counts of what is safe come back. Output writes it once, to
/// one descriptor; KeptOutput writes it to the reader that listens at unix:PATH, and to each later
/// one from the first event that is not safe. Called once or a few times for each block, never for
/// each event.
class StageOutput {
 public:
  /// What acked() rests on.
  enum class Reader {
    unknown,  ///< nobody has connected; the header may lie untouched
    acking,   ///< a reader acknowledges
    foreign,  ///< a reader that does not: what it has taken is handed on
    file,     ///< a regular file: written and synced counts
    none,     ///< a device or a terminal: written counts
  };

  virtual ~StageOutput() = default;

  /// Comes first; until it has succeeded only start_failed() and close() may follow.
  virtual Status open() = 0;
  /// Queues the stream's header; once, before any block.
  virtual void start() = 0;
  /// Instead of start(): the stage fails before there is a stream.
  virtual void start_failed(const Failure& failure) = 0;
  virtual bool started() const = 0;

  /// True while nothing more is taken: no send() and no change of builder() then.
  virtual bool busy() const = 0;
  virtual BlockBuilder& builder() = 0;
  /// Bytes of events in a block that goes best.
  virtual std::size_t block_limit() const = 0;
  /// Sends what builder() holds.
  virtual void flush_builder() = 0;
  /// Sends a block; its memory stays valid and untouched until !busy().
  virtual void send(Block block) = 0;

  virtual void watch(PollSet& set) = 0;
  /// After poll: writes, reads from the reader, judges it. Errors end the stage.
  virtual Status handle(const PollSet& set) = 0;
  /// Writes what goes right now.
  virtual Status pump() = 0;

  virtual std::uint64_t sent() const = 0;
  virtual std::uint64_t sent_blocks() const = 0;
  /// With headers, and what still waits to be written.
  virtual std::uint64_t sent_bytes() const = 0;
  /// What went out of them: grows while a reader takes something.
  virtual std::uint64_t written_bytes() const = 0;
  /// The first n events of those sent are safe by guarantee().
  virtual std::uint64_t acked() = 0;
  virtual Reader reader() const = 0;
  /// For `at`; empty while the reader is unknown.
  virtual std::optional<Guarantee> guarantee() const = 0;
  /// The reader asks for no more.
  virtual bool enough() const = 0;
  virtual bool reader_lost() const = 0;
  virtual bool was_shared() const = 0;
  /// The reader closed before we did.
  virtual bool closed_early() const = 0;

  virtual void want(std::uint64_t n) = 0;
  /// The highest count that want() was called with.
  virtual std::uint64_t wanted() const = 0;
  /// The positions that the reader keeps; nothing: it keeps none, or they do not pass here. Final
  /// once guarantee() is known.
  virtual std::optional<std::vector<Position>> kept_positions() const { return std::nullopt; }
  /// The position of a source after the first n events. Call it before they are sent.
  virtual void position(std::uint64_t n, const Position& position) {
    (void)n;
    (void)position;
  }
  /// The event n of the stream, counted from 0, and those after it have these numbers in a log;
  /// nothing: no known ones. Call it before the event is sent; repeating it costs nothing. Before
  /// start() it is for the header alone. An output that shares events out says none.
  virtual void number(std::uint64_t n, const std::optional<EventNumber>& number) {
    (void)n;
    (void)number;
  }
  /// No event comes after those sent; close() says how the stream ends.
  virtual void last() = 0;
  /// Ends the stream, whole or with a failure. Call again until closed(). `hurry`: told to stop.
  virtual Status close(const StreamEnd& outcome, bool hurry) = 0;
  /// Ends it without `end` or `fail`.
  virtual void close_silently() = 0;
  virtual bool closed() const = 0;
  /// A failure was heard by one reader: for a moment others, behind tee(1), may still come for it.
  virtual void tell_late_readers() {}
  /// The stage ends with 0.
  virtual void remove_socket() = 0;
};

/// How an output is opened.
struct OutputSettings {
  /// For ack_wait_ms: a reader is waited for however long it takes to connect. What a slow one has
  /// would else be forgotten before it is safe.
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max() / 4;

  bool ack = true;
  std::int64_t ack_wait_ms = 3000;
  CodecChoice codec = {};
  std::uint64_t keep_bytes = 16 << 20;  ///< of a unix: endpoint
  std::int64_t give_up_ms = 0;          ///< until a named pipe has a reader; 0: forever
};

/// For what --out names: a unix: endpoint, or what open_out() opens ("-" or nothing: stdout).
Result<std::unique_ptr<StageOutput>> make_stage_output(const std::string& out,
                                                       const std::vector<std::string>& inputs,
                                                       const OutputSettings& settings);

}  // namespace fl
