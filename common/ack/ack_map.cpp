#include "common/ack/ack_map.h"

#include <algorithm>

namespace fl {

void InputMap::add(std::uint64_t in, std::uint64_t out, const std::vector<bool>& keep,
                   const std::vector<std::uint32_t>& done) {
  inputs_ += in;
  outputs_ += out;
  if (in == out && done.empty()) {
    if (!runs_.empty() && runs_.back().is_plain()) {
      runs_.back().in += in;
      runs_.back().out += out;
      return;
    }
    runs_.push_back({in, out, {}, {}});
  } else {
    runs_.push_back({in, out, keep, done});
  }
}

std::uint64_t InputMap::safe_inputs(std::uint64_t out) {
  // A run is over when all its outputs are safe; one without outputs is over at once.
  while (!runs_.empty() && done_out_ + runs_.front().out <= out) {
    Run& run = runs_.front();
    done_in_ += run.in;
    done_out_ += run.out;
    if (runs_.size() == 1 && run.is_plain()) {
      run.in = run.out = 0;  // takes what comes next: nothing is allocated
      break;
    }
    runs_.pop_front();
  }
  std::uint64_t safe = done_in_;
  if (!runs_.empty() && out >= done_out_) {
    const Run& run = runs_.front();
    std::uint64_t left = out - done_out_;
    if (run.is_plain()) {
      safe += std::min(left, run.out);  // 0 where nothing came since
    } else {
      // Up to the first output event that is not safe: dropped ones before it are done with.
      const std::size_t row = std::max(run.keep.size(), run.done.size());
      for (std::size_t i = 0; i < row; ++i) {
        if (run.keep.empty() || run.keep[i]) {
          if (left == 0) {
            break;
          }
          --left;
        }
        safe += run.done.empty() ? 1 : run.done[i];
      }
    }
  }
  if (safe > safe_) {
    safe_ = safe;
  }
  return safe_;
}

}  // namespace fl
