// The ts stage alone, in memory: find the events of a block, note the header, build the block that
// goes on. Against memcpy of the same bytes, in interleaved rounds.
// usage: ts_stage [ROUNDS] [BODY_BYTES]; prints "MEMCPY_NS STAGE_NS" per event, one line a round.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/batch.h"
#include "common/event/event.h"
#include "common/stream/block_builder.h"

namespace {

constexpr std::size_t kBlock = 64 << 10;
constexpr int kBlocks = 4000;  // about 250 MB a round

double seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::vector<std::uint8_t> make_block(std::size_t body_bytes, std::size_t& events) {
  const std::string body(body_bytes, 'x');
  fl::BlockBuilder builder(kBlock);
  while (builder.fits(fl::BlockBuilder::event_size({}, body))) {
    builder.add({}, body);
  }
  const fl::Block block = builder.block();
  events = block.count;
  return {block.data, block.data + block.size};
}

// What the runner does with a block after an interceptor that adds a header to all events.
std::size_t run_stage(const std::vector<std::uint8_t>& block, fl::Batch& batch,
                      fl::BlockBuilder& builder) {
  const fl::EventLimits limits;
  batch.clear();
  const std::uint8_t* at = block.data();
  const std::uint8_t* const end = at + block.size();
  while (at != end) {
    fl::Event event;
    const char* why = nullptr;
    at = fl::scan_event(at, end, limits, event, why);
    if (at == nullptr) {
      std::fprintf(stderr, "ts_stage: %s\n", why);
      std::exit(1);
    }
    batch.add(event);
  }
  batch.put("timestamp", "1700000000000", fl::Batch::Existing::replace);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i != batch.size(); ++i) {
    const std::string_view event = batch[i].bytes();
    if (!builder.fits(batch.prefix(i).size() + event.size())) {
      bytes += builder.size();
      builder.clear();
    }
    builder.add_encoded(batch.prefix(i), event);
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
  const std::size_t body_bytes = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 300;
  std::size_t events = 0;
  const std::vector<std::uint8_t> block = make_block(body_bytes, events);
  // Inputs that are larger than the caches' first levels, as blocks that come through a pipe.
  std::vector<std::uint8_t> copy(block.size());
  fl::Batch batch;
  fl::BlockBuilder builder(kBlock);
  volatile std::size_t sink = 0;
  for (int round = 0; round != rounds; ++round) {
    const double start = seconds();
    for (int i = 0; i != kBlocks; ++i) {
      std::memcpy(copy.data(), block.data(), block.size());
      // The copy must not be optimised away.
      __asm__ volatile("" : : "r"(copy.data()) : "memory");
    }
    const double middle = seconds();
    for (int i = 0; i != kBlocks; ++i) {
      sink = sink + run_stage(block, batch, builder);
    }
    const double end = seconds();
    const double count = static_cast<double>(events) * kBlocks;
    std::printf("%.3f %.3f\n", (middle - start) * 1e9 / count, (end - middle) * 1e9 / count);
  }
  return 0;
}
