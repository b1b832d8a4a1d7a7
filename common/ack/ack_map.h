// Counts of a stage's output mapped back to its input, exactly, through dropped and added events,
// and forward.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace fl {

/// Owns counts, not events: one Run for each block that is not wholly acknowledged, the oldest
/// first. Between calls safe_inputs() is the number of inputs whose outputs are all safe; an input
/// without output is safe as soon as all before it are.
///
/// Input events are numbered in the order in which they came; each becomes one output event, none,
/// or, with others, several. Memory: as much as `keep` and `done` of the blocks that need them;
/// neighbours that became one event each share one entry.
class InputMap {
 public:
  /// The next `in` input events became `out` output events, by way of a row of events. `keep`:
  /// which of the row are output events; empty: all. `done`: how many of the input events are
  /// finished once an event of the row, and all before it, are safe; empty: one for each.
  void add(std::uint64_t in, std::uint64_t out, const std::vector<bool>& keep = {},
           const std::vector<std::uint32_t>& done = {});
  /// The first `out` output events are safe: how many of the first input events are finished. Never
  /// falls; `out` may repeat or fall.
  std::uint64_t safe_inputs(std::uint64_t out);

  /// The inverse: the fewest output events after which the first `in` input events are finished, so
  /// that safe_inputs() of it is at least `in`. Acknowledged events are no longer known in detail:
  /// then the answer may be larger. Events not added yet: all.
  std::uint64_t outputs_for(std::uint64_t in) const;

  std::uint64_t inputs() const { return inputs_; }
  std::uint64_t outputs() const { return outputs_; }

 private:
  struct Run {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    std::vector<bool> keep;
    std::vector<std::uint32_t> done;
    bool is_plain() const { return keep.empty() && done.empty(); }
    std::uint64_t outputs_for(std::uint64_t inputs) const;
  };

  Run& run(std::size_t i) { return runs_[(first_ + i) % runs_.size()]; }
  const Run& run(std::size_t i) const { return runs_[(first_ + i) % runs_.size()]; }
  void push(std::uint64_t in, std::uint64_t out, const std::vector<bool>& keep,
            const std::vector<std::uint32_t>& done);
  void pop();

  // A ring of those that are not wholly acknowledged; free ones keep their memory for the next.
  std::vector<Run> runs_;
  std::size_t first_ = 0;
  std::size_t used_ = 0;
  std::uint64_t done_in_ = 0;
  std::uint64_t done_out_ = 0;
  std::uint64_t inputs_ = 0;
  std::uint64_t outputs_ = 0;
  std::uint64_t safe_ = 0;
};

/// Which stream each input event came from: streams follow and interleave (several --in).
/// `Stream` is whatever the caller knows a stream by.
template <typename Stream>
class StreamLedger {
 public:
  struct Span {
    Stream stream;
    std::uint64_t count;
    std::uint64_t stream_first;  ///< number of the span's first event in its stream
  };

  void add(Stream stream, std::uint64_t count, std::uint64_t stream_first) {
    total_ += count;
    if (!spans_.empty() && spans_.back().stream == stream &&
        spans_.back().stream_first + spans_.back().count == stream_first) {
      spans_.back().count += count;
    } else {
      spans_.push_back({stream, count, stream_first});
    }
  }

  /// The first `n` events are safe; calls `on_ack(stream, count)` with the stream's new count.
  template <typename OnAck>
  void ack(std::uint64_t n, OnAck on_ack) {
    while (!spans_.empty() && n > done_) {
      Span& span = spans_.front();
      const std::uint64_t part = n - done_ < span.count ? n - done_ : span.count;
      done_ += part;
      span.count -= part;
      span.stream_first += part;
      const Stream stream = span.stream;
      const std::uint64_t acked = span.stream_first;
      if (span.count == 0) {
        spans_.pop_front();
      }
      on_ack(stream, acked);
    }
  }

  /// How many events of all streams there are up to and including event `n` (a count) of `stream`.
  std::uint64_t position(Stream stream, std::uint64_t n) const {
    std::uint64_t at = done_;
    std::uint64_t found = done_;
    for (const Span& span : spans_) {
      if (span.stream == stream && span.stream_first < n) {
        const std::uint64_t part = n - span.stream_first;
        found = at + (part < span.count ? part : span.count);
      }
      at += span.count;
    }
    return found;
  }

  std::uint64_t total() const { return total_; }
  std::uint64_t done() const { return done_; }

 private:
  std::deque<Span> spans_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace fl
