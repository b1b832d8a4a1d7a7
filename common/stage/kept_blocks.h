// Events that are kept until an output has acknowledged them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "common/event/batch.h"
#include "common/stream/block_builder.h"

namespace fl {

/// The one owner of the events that a stage has taken and may have to send again, and all that is
/// known of where they are. It copies events into blocks; a block is
///
///   waiting   for an output (in the order of the input), or
///   given     to one output, whose stream holds it, until that has acknowledged its last event, or
///   safe      and then, once everything before it is safe too, forgotten.
///
/// An output that is lost gives its blocks back: they wait again, without the events at their
/// beginning that it had acknowledged. So an event is sent twice only if nobody had acknowledged
/// it.
///
/// Two counts must not be mixed up: events of the input, from the first one on, in which want() and
/// safe() count; and events of an output's present stream, in which acknowledgements count. A
/// stream begins with the first block that is given after the start or take_back().
class KeptBlocks {
 public:
  /// Bytes of events in a block: what the smallest pipe takes whole.
  static constexpr std::size_t kBlockBytes = (64 << 10) - 64;
  /// Which outputs refused a block, as bits.
  static constexpr std::size_t kMaxOutputs = 64;
  /// What a block costs besides its events; many small ones must not take more than was allowed.
  static constexpr std::size_t kBlockCost = 256;

  explicit KeptBlocks(std::size_t outputs) : streams_(outputs) {}

  // ---- in
  /// Copies the events of a batch into blocks of at most `block_bytes` (a larger event has one of
  /// its own). They wait.
  void add(const Batch& batch, std::size_t block_bytes);
  /// The same for a block, which stays whole. Small ones that nobody takes yet become one.
  void add(const Block& block, std::size_t block_bytes);

  // ---- out
  std::size_t waiting() const { return waiting_.size(); }
  /// The first waiting block becomes the output's. Its memory stays until all of it is acknowledged
  /// or it is taken back; the frame around it may be written over.
  Block give(std::size_t output);
  /// Events in the output's present stream.
  std::uint64_t given(std::size_t output) const { return streams_[output].events; }
  /// Its blocks that are not wholly acknowledged.
  bool holds(std::size_t output) const { return !streams_[output].blocks.empty(); }
  /// The output has acknowledged the first `n` events of its present stream. `writing`: the block
  /// that it was given last is not written yet, so whatever it says about that is untrue. True if
  /// that is news.
  bool acked(std::size_t output, std::uint64_t n, bool writing);
  /// The output is lost: what it has not acknowledged waits again. How many events that is.
  std::uint64_t take_back(std::size_t output);

  // ---- requests
  /// The first `n` events of the input are to be made safe, whoever gets them.
  void want(std::uint64_t n) { wanted_ = std::max(wanted_, n); }
  /// The highest count that want() was called with.
  std::uint64_t wanted() const { return wanted_; }
  /// How many events of its present stream the output is to make safe for that; 0: none.
  std::uint64_t wanted(std::size_t output) const;
  /// After add(): the `n` to want() so that there is room again, at three quarters of `capacity`
  /// bytes; 0: nothing new. Asked for once, until something has become safe.
  std::uint64_t wanted_for_room(std::uint64_t capacity);
  /// Nothing more should come in.
  bool is_full(std::uint64_t capacity) const { return bytes_ >= capacity && !empty(); }

  // ---- refusals
  /// Before take_back(): the output ended because of an event among those that it holds.
  void refuse(std::size_t output);
  /// True if all of these outputs (bits) have refused one block that still waits.
  bool is_refused_by(std::uint64_t outputs) const;

  // ---- figures
  /// The first n events of the input are safe. Never falls.
  std::uint64_t safe() const { return safe_; }
  /// All events that came in.
  std::uint64_t events() const { return events_; }
  /// The memory that kept events take.
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return kept_.empty(); }

 private:
  struct Kept {
    BlockBuilder block;
    std::uint64_t first = 0;    // number of its first event in the input
    std::uint64_t acked = 0;    // events at its beginning
    std::uint64_t skipped = 0;  // of those, left out of what an output gets
    std::size_t skipped_bytes = 0;
    std::uint64_t begin = 0;    // where the rest begins in the output's stream
    std::uint64_t refused = 0;  // outputs
    std::uint64_t end() const { return begin + block.count() - skipped; }
    bool is_safe() const { return acked == block.count(); }
  };
  struct Stream {
    std::deque<Kept*> blocks;  // as given
    std::uint64_t events = 0;
  };

  Kept& new_block(std::size_t bytes);
  Kept* growing();
  static void skip_acked(Kept& kept);
  void forget_safe();

  std::vector<Stream> streams_;
  std::deque<std::unique_ptr<Kept>> kept_;  // in the order of the input
  std::deque<Kept*> waiting_;               // likewise
  std::vector<std::unique_ptr<Kept>> spare_;
  std::uint64_t events_ = 0;
  std::uint64_t safe_ = 0;
  std::uint64_t wanted_ = 0;
  std::uint64_t asked_at_ = 0;  // safe() when asked to make room, + 1; 0: not asked
  std::size_t bytes_ = 0;
};

}  // namespace fl
