// Keeps blocks in memory between a source and a sink of different speed.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/component/component_type.h"

namespace fl {
namespace {

struct Options {
  std::uint64_t capacity = 10'000;
  Bytes byte_capacity{64ull << 20};
  std::string ack_at = "sink";
  std::uint64_t transaction_capacity = 100;
  std::uint64_t keep_alive = 3;
  std::uint64_t byte_capacity_buffer_percentage = 20;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("capacity", &Options::capacity, "N",
           "The most events to hold; reading stops when it is reached.")
      .flume("100")
      .flume_falls_back(true);
  table
      .add("byteCapacity", &Options::byte_capacity, "SIZE",
           "The most memory for events; reading stops when it is used up. 0: only --capacity "
           "limits.")
      .flume_falls_back(false);
  table
      .add(
          "ackAt", &Options::ack_at, "put|sink",
          "When an event counts as delivered for the source. put: when it is held here; sink: when "
          "the stage after this one has acknowledged it.")
      .choices({"put", "sink"})
      .flume("put");
  table
      .add("transactionCapacity", &Options::transaction_capacity, "N", "Events in one transaction.")
      .ignored("blocks are passed on whole; there are no transactions");
  table.add("keep-alive", &Options::keep_alive, "SECONDS", "Time to wait for room.")
      .ignored("a full channel makes its writer wait as long as it takes");
  table
      .add("byteCapacityBufferPercentage", &Options::byte_capacity_buffer_percentage, "PERCENT",
           "Part of byteCapacity kept for headers.")
      .ignored("byteCapacity counts headers too");
  return std::move(table).erased();
}

/// A buffer for one block. Sizes come in powers of two, so that a buffer that became free fits a
/// later block.
struct Buffer {
  std::unique_ptr<std::uint8_t[]> memory;
  unsigned size_class = 0;
};

constexpr unsigned kSmallestClass = 9;  // 512 bytes
constexpr unsigned kLargestKept = 18;   // 256 KiB: the largest usual block; larger ones are freed
constexpr std::size_t kSpareBytes = 4 << 20;

std::size_t class_bytes(unsigned size_class) { return std::size_t{1} << size_class; }

unsigned class_of(std::size_t bytes) {
  return std::max<unsigned>(
      kSmallestClass, static_cast<unsigned>(std::bit_width(std::max<std::size_t>(bytes, 1) - 1)));
}

/// Buffers that are free now, at most kSpareBytes of them.
class SpareBuffers {
 public:
  Buffer take(std::size_t bytes) {
    const unsigned size_class = class_of(bytes);
    if (size_class <= kLargestKept && !spare_[size_class].empty()) {
      Buffer buffer = std::move(spare_[size_class].back());
      spare_[size_class].pop_back();
      bytes_ -= class_bytes(size_class);
      return buffer;
    }
    return {std::make_unique_for_overwrite<std::uint8_t[]>(Block::kBefore +
                                                           class_bytes(size_class) + Block::kAfter),
            size_class};
  }

  void give(Buffer buffer) {
    const std::size_t bytes = class_bytes(buffer.size_class);
    if (buffer.size_class <= kLargestKept && bytes_ + bytes <= kSpareBytes) {
      bytes_ += bytes;
      spare_[buffer.size_class].push_back(std::move(buffer));
    }
  }

 private:
  std::vector<Buffer> spare_[kLargestKept + 1];
  std::size_t bytes_ = 0;
};

/// The blocks, and how far they are put, taken and acknowledged. Shared by the two halves.
class MemoryStore {
 public:
  explicit MemoryStore(const Options& options)
      : capacity_(options.capacity), byte_capacity_(options.byte_capacity.value) {
    slots_.resize(64);
  }

  // A Flume file with such a value gets the default.
  Status check_capacity() const {
    return capacity_ > 0 ? Status()
                         : Status(Error{ErrorClass::config, "--capacity 0 would hold no event",
                                        "give the most events to hold, 1 or more"});
  }

  bool has_room() const {
    return events_ < capacity_ && (byte_capacity_ == 0 || bytes_ < byte_capacity_);
  }

  void put(const Block& block) {
    if (used_ == slots_.size()) {
      grow();
    }
    Slot& slot = slots_[(first_ + used_) % slots_.size()];
    slot.buffer = spare_.take(block.size);
    slot.block = {slot.buffer.memory.get() + Block::kBefore, block.size, block.count};
    std::memcpy(slot.block.data, block.data, block.size);
    ++used_;
    put_ += block.count;
    events_ += block.count;
    bytes_ += class_bytes(slot.buffer.size_class);
  }

  Block* front() { return used_ == 0 ? nullptr : &slots_[first_].block; }

  void pop() {
    Slot& slot = slots_[first_];
    events_ -= slot.block.count;
    bytes_ -= class_bytes(slot.buffer.size_class);
    spare_.give(std::move(slot.buffer));
    slot = {};
    first_ = (first_ + 1) % slots_.size();
    --used_;
  }

  std::uint64_t put_count() const { return put_; }
  void end_put() { put_over_ = true; }
  bool over() const { return put_over_ && used_ == 0; }

  void figures(FigureList& out) const {
    out.gauge("events", "Events held.", events_).said("events held");
    out.gauge("capacity_events", "Events that can be held.", capacity_);
    out.gauge("used_bytes", "Memory that holds them.", bytes_).said_as_bytes("used");
    out.gauge("capacity_bytes", "Memory that may hold them; 0: no limit.", byte_capacity_);
  }

 private:
  struct Slot {
    Buffer buffer;
    Block block;
  };

  // A block has at least one event, so there are never many more slots than the capacity.
  void grow() {
    std::rotate(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(first_), slots_.end());
    first_ = 0;
    slots_.resize(slots_.size() * 2);
  }

  const std::uint64_t capacity_;
  const std::uint64_t byte_capacity_;
  std::vector<Slot> slots_;  // a ring
  std::size_t first_ = 0;
  std::size_t used_ = 0;
  std::uint64_t put_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t bytes_ = 0;  // memory held, rounded up to whole buffers
  bool put_over_ = false;
  SpareBuffers spare_;
};

class MemoryPut final : public ChannelPut {
 public:
  MemoryPut(std::shared_ptr<MemoryStore> store, bool acks_at_put)
      : store_(std::move(store)), acks_at_put_(acks_at_put) {}

  Traits traits() const override { return {.durable = false, .acks_at_put = acks_at_put_}; }
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::memory, "held in memory"};
  }
  Status open(const StageContext&) override { return store_->check_capacity(); }
  bool ready() const override { return store_->has_room(); }
  Status put(const Block& block) override {
    store_->put(block);
    return {};
  }
  std::uint64_t safe() const override { return store_->put_count(); }
  void figures(FigureList& out) const override { store_->figures(out); }

 private:
  const std::shared_ptr<MemoryStore> store_;
  const bool acks_at_put_;
};

class MemoryTake final : public ChannelTake {
 public:
  explicit MemoryTake(std::shared_ptr<MemoryStore> store) : store_(std::move(store)) {}

  Traits traits() const override { return {.replays = false, .drains_on_stop = true}; }
  Block* front() override { return store_->front(); }
  void pop() override { store_->pop(); }
  bool over() const override { return store_->over(); }
  void put_over() override { store_->end_put(); }

 private:
  const std::shared_ptr<MemoryStore> store_;
};

}  // namespace

ComponentType memory_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "memory";
  type.class_names = {"org.apache.flume.channel.MemoryChannel"};
  type.sought_as = {"buffer", "queue"};
  type.summary = "buffer events in memory";
  type.description =
      "Takes events as fast as they arrive, up to its capacity, and passes them on in the same "
      "order as fast as the next stage reads. It evens out a source that works in bursts and a "
      "slow sink. When it is full it stops reading, so the source waits.\n\n"
      "Events are held in whole blocks: the last block taken may exceed a limit.";
  type.delivery =
      "Events in memory are lost when the process dies, so an event is acknowledged to the source "
      "only when the stage after this one has acknowledged it. With --ack-at put, as in Flume, it "
      "is acknowledged at once. A crash of this process then loses it; if the next stage goes "
      "away, the number of lost events is reported.";
  type.examples = {
      {"fl-source seq --count 1000 | fl-channel memory | fl-sink null", "The usual buffer."},
      {"fl-source seq --count 1000 | fl-channel memory --capacity 100000 --byte-capacity 256MiB | "
       "fl-sink null",
       "A large one."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.channel = [](const std::shared_ptr<void>& given) {
    const auto& chosen = *std::static_pointer_cast<Options>(given);
    auto store = std::make_shared<MemoryStore>(chosen);
    return Channel{std::make_unique<MemoryPut>(store, chosen.ack_at == "put"),
                   std::make_unique<MemoryTake>(store)};
  };
  return type;
}

}  // namespace fl
