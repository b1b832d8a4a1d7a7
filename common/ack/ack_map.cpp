#include "common/ack/ack_map.h"

#include <algorithm>

namespace fl {
namespace {

// Entries of a row that a free run may keep; a block of tiny events can have millions.
constexpr std::size_t kMostSpare = 64 << 10;

}  // namespace

void InputMap::add(std::uint64_t in, std::uint64_t out, const std::vector<bool>& keep,
                   const std::vector<std::uint32_t>& done) {
  inputs_ += in;
  outputs_ += out;
  if (in == out && done.empty()) {
    if (used_ > 0 && run(used_ - 1).is_plain()) {
      run(used_ - 1).in += in;
      run(used_ - 1).out += out;
      return;
    }
    push(in, out, {}, {});
  } else {
    push(in, out, keep, done);
  }
}

void InputMap::push(std::uint64_t in, std::uint64_t out, const std::vector<bool>& keep,
                    const std::vector<std::uint32_t>& done) {
  if (used_ == runs_.size()) {
    std::rotate(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(first_), runs_.end());
    first_ = 0;
    runs_.resize(std::max<std::size_t>(8, 2 * runs_.size()));
  }
  Run& next = run(used_++);
  next.in = in;
  next.out = out;
  next.keep = keep;
  next.done = done;
}

void InputMap::pop() {
  Run& first = run(0);
  if (first.keep.capacity() > kMostSpare || first.done.capacity() > kMostSpare) {
    first = Run();
  }
  first_ = (first_ + 1) % runs_.size();
  --used_;
}

std::uint64_t InputMap::safe_inputs(std::uint64_t out) {
  // A run is over when all its outputs are safe; one without outputs is over at once.
  while (used_ > 0 && done_out_ + run(0).out <= out) {
    Run& first = run(0);
    done_in_ += first.in;
    done_out_ += first.out;
    if (used_ == 1 && first.is_plain()) {
      first.in = first.out = 0;  // takes what comes next
      break;
    }
    pop();
  }
  std::uint64_t safe = done_in_;
  if (used_ > 0 && out >= done_out_) {
    const Run& first = run(0);
    std::uint64_t left = out - done_out_;
    if (first.is_plain()) {
      safe += std::min(left, first.out);  // 0 where nothing came since
    } else {
      // Up to the first output event that is not safe: dropped ones before it are finished.
      const std::size_t row = std::max(first.keep.size(), first.done.size());
      for (std::size_t i = 0; i < row; ++i) {
        if (first.keep.empty() || first.keep[i]) {
          if (left == 0) {
            break;
          }
          --left;
        }
        safe += first.done.empty() ? 1 : first.done[i];
      }
    }
  }
  if (safe > safe_) {
    safe_ = safe;
  }
  return safe_;
}

// From the end: what is asked for is mostly what was added last.
std::uint64_t InputMap::outputs_for(std::uint64_t in) const {
  std::uint64_t inputs = inputs_;
  std::uint64_t outputs = outputs_;
  for (std::size_t i = used_; i > 0 && in <= inputs; --i) {
    const Run& last = run(i - 1);
    inputs -= last.in;
    outputs -= last.out;
    if (in > inputs) {
      return outputs + last.outputs_for(in - inputs);
    }
  }
  return outputs;
}

// How many outputs finish the run's first `inputs` inputs; all if it has fewer.
std::uint64_t InputMap::Run::outputs_for(std::uint64_t inputs) const {
  if (is_plain()) {
    return std::min(inputs, out);
  }
  std::uint64_t outputs = 0;
  std::uint64_t passed = 0;
  const std::size_t row = std::max(keep.size(), done.size());
  for (std::size_t i = 0; i < row && passed < inputs; ++i) {
    outputs += keep.empty() || keep[i] ? 1U : 0U;
    passed += done.empty() ? 1U : done[i];
  }
  return outputs;
}

}  // namespace fl
