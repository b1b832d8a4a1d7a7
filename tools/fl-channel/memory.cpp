// Keeps blocks in memory between a source and a sink of different speed.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/stage/component_type.h"

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
           "Events to hold; when so many are held, reading stops.")
      .flume("100");
  table.add("byteCapacity", &Options::byte_capacity, "SIZE",
            "Memory for events; when it is used up, reading stops. 0: no limit but capacity.");
  table
      .add(
          "ackAt", &Options::ack_at, "put|sink",
          "When an event counts as delivered for the source: put: when it is held here; sink: when "
          "the stage behind this one has acknowledged it.")
      .choices({"put", "sink"})
      .flume("put");
  table
      .add("transactionCapacity", &Options::transaction_capacity, "N", "Events in one transaction.")
      .ignored("blocks pass whole; there are no transactions");
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

class MemoryChannel final : public Channel {
 public:
  explicit MemoryChannel(const Options& options)
      : capacity_(options.capacity),
        byte_capacity_(options.byte_capacity.value),
        ack_at_put_(options.ack_at == "put") {
    slots_.resize(64);
  }

  Status open(const StageContext&) override {
    if (capacity_ == 0) {
      capacity_ = Options().capacity;
      log(LogLevel::warning,
          "a capacity of 0 events is not possible; using " + std::to_string(capacity_));
    }
    return {};
  }

  bool has_room() const override {
    return events_ < capacity_ && (byte_capacity_ == 0 || bytes_ < byte_capacity_);
  }

  Status put(const Block& block) override {
    if (used_ == slots_.size()) {
      grow();
    }
    Slot& slot = slots_[(first_ + used_) % slots_.size()];
    slot.buffer = spare_.take(block.size);
    slot.block = {slot.buffer.memory.get() + Block::kBefore, block.size, block.count};
    std::memcpy(slot.block.data, block.data, block.size);
    ++used_;
    events_ += block.count;
    bytes_ += class_bytes(slot.buffer.size_class);
    return {};
  }

  Block* front() override { return used_ == 0 ? nullptr : &slots_[first_].block; }

  void pop() override {
    Slot& slot = slots_[first_];
    events_ -= slot.block.count;
    bytes_ -= class_bytes(slot.buffer.size_class);
    spare_.give(std::move(slot.buffer));
    slot = {};
    first_ = (first_ + 1) % slots_.size();
    --used_;
  }

  bool acks_at_put() const override { return ack_at_put_; }

  void figures(FigureList& out) const override {
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

  std::uint64_t capacity_;
  const std::uint64_t byte_capacity_;
  const bool ack_at_put_;
  std::vector<Slot> slots_;  // a ring
  std::size_t first_ = 0;
  std::size_t used_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t bytes_ = 0;  // memory held, rounded up to whole buffers
  SpareBuffers spare_;
};

}  // namespace

ComponentType memory_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "memory";
  type.class_names = {"org.apache.flume.channel.MemoryChannel"};
  type.summary = "buffer events in memory";
  type.description =
      "Takes events as fast as they come, up to its capacity, and hands them on as fast as they "
      "are taken, in the same order. A slow sink and a source that works in bursts then run apart. "
      "When it is full it stops reading, so that the source waits.\n\n"
      "Events are held in whole blocks: the last block taken may exceed a limit.";
  type.delivery =
      "What is held is lost when the process dies, so nothing is acknowledged to the source before "
      "the stage behind this one has acknowledged it. With --ack-at put, which is what Flume does, "
      "it "
      "is acknowledged at once, and a crash of this process loses it.";
  type.examples = {
      {"fl-source seq --count 1000 | fl-channel memory | fl-sink null", "The usual buffer."},
      {"fl-source seq --count 1000 | fl-channel memory --capacity 100000 --byte-capacity 256MiB | "
       "fl-sink null",
       "A large one."},
  };
  type.options = options();
  type.channel = factory<Channel, MemoryChannel, Options>();
  return type;
}

}  // namespace fl
