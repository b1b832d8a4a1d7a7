#include "common/stage/kept_blocks.h"

#include <algorithm>

namespace fl {
namespace {

constexpr std::size_t kSpare = 16;
constexpr EventLimits kAny{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};

}  // namespace

// `bytes`: what it is to hold. Its memory is no larger: there may be many small ones.
KeptBlocks::Kept& KeptBlocks::new_block(std::size_t bytes) {
  std::unique_ptr<Kept> kept;
  if (spare_.empty()) {
    kept = std::make_unique<Kept>();
  } else {
    kept = std::move(spare_.back());
    spare_.pop_back();
  }
  kept->first = events_;
  kept->block.set_limit(bytes);
  bytes_ += kBlockCost;
  waiting_.push_back(kept.get());
  kept_.push_back(std::move(kept));
  return *kept_.back();
}

// The newest block, if it may take more.
KeptBlocks::Kept* KeptBlocks::growing() {
  if (waiting_.empty() || waiting_.back() != kept_.back().get()) {
    return nullptr;
  }
  Kept* const kept = waiting_.back();
  return kept->acked == 0 && kept->skipped == 0 && kept->refused == 0 ? kept : nullptr;
}

void KeptBlocks::add(const Batch& batch, std::size_t block_bytes) {
  for (std::size_t i = 0; i < batch.size();) {
    std::size_t end = i + 1;
    std::size_t bytes = batch[i].size;
    while (end < batch.size() && end - i < BlockBuilder::kMaxCount &&
           bytes + batch[end].size <= block_bytes) {
      bytes += batch[end++].size;
    }
    Kept& kept = new_block(bytes);
    for (; i < end; ++i) {
      kept.block.add_encoded({}, batch[i].bytes());
      ++events_;
    }
    bytes_ += bytes;
  }
}

void KeptBlocks::add(const Block& block, std::size_t block_bytes) {
  Kept* kept = growing();
  if (kept == nullptr || kept->block.size() + block.size > block_bytes ||
      kept->block.count() + block.count > BlockBuilder::kMaxCount) {
    kept = &new_block(block.size);
  }
  kept->block.add_encoded({}, {reinterpret_cast<const char*>(block.data), block.size}, block.count);
  bytes_ += block.size;
  events_ += block.count;
}

Block KeptBlocks::give(std::size_t output) {
  Stream& stream = streams_[output];
  Kept& kept = *waiting_.front();
  waiting_.pop_front();
  kept.begin = stream.events;
  stream.blocks.push_back(&kept);
  stream.events = kept.end();
  Block block = kept.block.block();
  block.data += kept.skipped_bytes;
  block.size -= kept.skipped_bytes;
  block.count -= kept.skipped;
  return block;
}

bool KeptBlocks::acked(std::size_t output, std::uint64_t n, bool writing) {
  Stream& stream = streams_[output];
  bool is_news = false;
  while (!stream.blocks.empty()) {
    Kept& kept = *stream.blocks.front();
    const bool is_last = stream.blocks.size() == 1;
    if (n <= kept.begin || (is_last && writing)) {
      break;
    }
    const std::uint64_t acked = kept.skipped + std::min(n, kept.end()) - kept.begin;
    is_news = is_news || acked > kept.acked;
    kept.acked = std::max(kept.acked, acked);
    if (!kept.is_safe()) {
      break;
    }
    stream.blocks.pop_front();
  }
  if (is_news) {
    forget_safe();
  }
  return is_news;
}

// The events are where the output got them from; only where they begin is new.
void KeptBlocks::skip_acked(Kept& kept) {
  const Block block = kept.block.block();
  const std::uint8_t* const end = block.data + block.size;
  const std::uint8_t* next = block.data + kept.skipped_bytes;
  for (; kept.skipped < kept.acked; ++kept.skipped) {
    Event event;
    const char* why = nullptr;
    next = scan_event(next, end, kAny, event, why);
    kept.skipped_bytes += event.size;
  }
}

std::uint64_t KeptBlocks::take_back(std::size_t output) {
  Stream& stream = streams_[output];
  std::uint64_t events = 0;
  for (Kept* kept : stream.blocks) {
    skip_acked(*kept);
    events += kept->block.count() - kept->skipped;
    waiting_.push_back(kept);
  }
  std::sort(waiting_.begin(), waiting_.end(),
            [](const Kept* a, const Kept* b) { return a->first < b->first; });
  stream.blocks.clear();
  stream.events = 0;
  return events;
}

std::uint64_t KeptBlocks::wanted(std::size_t output) const {
  std::uint64_t n = 0;
  for (const Kept* kept : streams_[output].blocks) {
    if (wanted_ > kept->first + kept->skipped) {
      n = std::min(kept->end(), kept->begin + (wanted_ - kept->first - kept->skipped));
    }
  }
  return n;
}

std::uint64_t KeptBlocks::wanted_for_room(std::uint64_t capacity) {
  if (bytes_ < capacity / 4 * 3 || asked_at_ == safe_ + 1) {
    return 0;
  }
  asked_at_ = safe_ + 1;
  return events_;
}

void KeptBlocks::refuse(std::size_t output) {
  for (Kept* kept : streams_[output].blocks) {
    kept->refused |= std::uint64_t{1} << output;
  }
}

bool KeptBlocks::is_refused_by(std::uint64_t outputs) const {
  return outputs != 0 && std::any_of(waiting_.begin(), waiting_.end(), [&](const Kept* kept) {
           return (kept->refused & outputs) == outputs;
         });
}

void KeptBlocks::forget_safe() {
  while (!kept_.empty() && kept_.front()->is_safe()) {
    std::unique_ptr<Kept> kept = std::move(kept_.front());
    kept_.pop_front();
    safe_ = kept->first + kept->block.count();
    bytes_ -= kept->block.size() + kBlockCost;
    if (spare_.size() < kSpare) {
      kept->block.clear();
      kept->acked = kept->skipped = kept->refused = 0;
      kept->skipped_bytes = 0;
      spare_.push_back(std::move(kept));
    }
  }
  if (!kept_.empty()) {
    safe_ = std::max(safe_, kept_.front()->first + kept_.front()->acked);
  }
}

}  // namespace fl
