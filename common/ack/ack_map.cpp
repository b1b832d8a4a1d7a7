#include "common/ack/ack_map.h"

namespace fl {

void DropMap::add(std::uint64_t in, std::uint64_t out, const std::vector<bool>& keep) {
  inputs_ += in;
  outputs_ += out;
  if (in == out) {
    if (!runs_.empty() && runs_.back().in == runs_.back().out) {
      runs_.back().in += in;
      runs_.back().out += out;
      return;
    }
    runs_.push_back({in, out, {}});
  } else {
    runs_.push_back({in, out, keep});
  }
}

std::uint64_t DropMap::safe_inputs(std::uint64_t out) {
  // A run is over when all its outputs are safe; one without outputs is over at once.
  while (!runs_.empty() && done_out_ + runs_.front().out <= out) {
    done_in_ += runs_.front().in;
    done_out_ += runs_.front().out;
    runs_.pop_front();
  }
  std::uint64_t safe = done_in_;
  if (!runs_.empty() && out >= done_out_) {
    const Run& run = runs_.front();
    std::uint64_t left = out - done_out_;
    if (run.in == run.out) {
      safe += left;
    } else {
      // Up to the first kept event that is not safe: dropped ones before it are done with.
      std::size_t i = 0;
      for (; i < run.keep.size(); ++i) {
        if (run.keep[i]) {
          if (left == 0) {
            break;
          }
          --left;
        }
      }
      safe += i;
    }
  }
  if (safe > safe_) {
    safe_ = safe;
  }
  return safe_;
}

}  // namespace fl
