// How far a row of tasks that end out of order is done.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>

namespace fl {

/// Tasks have the numbers 0, 1, 2, ... in the order of add(). Each ends once, in any order;
/// prefix() is how many of the first ones have all ended. A bit for each task from the prefix on.
class Completions {
 public:
  /// `n` more tasks.
  void add(std::uint64_t n) {
    added_ += n;
    const std::uint64_t words = (added_ - base_ + 63) / 64;
    while (words_.size() < words) {
      words_.push_back(0);
    }
  }
  /// The task has ended; false: it had before, or there is none.
  bool complete(std::uint64_t task) {
    if (task < prefix_ || task >= added_) {
      return false;
    }
    std::uint64_t& word = words_[(task - base_) / 64];
    const std::uint64_t bit = std::uint64_t{1} << ((task - base_) % 64);
    if ((word & bit) != 0) {
      return false;
    }
    word |= bit;
    ++completed_;
    if (task == prefix_) {
      advance();
    }
    return true;
  }
  std::uint64_t prefix() const { return prefix_; }
  std::uint64_t added() const { return added_; }
  /// Tasks that have not ended.
  std::uint64_t open() const { return added_ - completed_; }

 private:
  void advance() {
    for (;;) {
      const auto at = static_cast<unsigned>((prefix_ - base_) % 64);
      const auto run = static_cast<unsigned>(std::countr_one(words_.front() >> at));
      prefix_ += run;
      if (at + run < 64) {
        return;
      }
      words_.pop_front();
      base_ += 64;
      if (words_.empty()) {
        return;
      }
    }
  }

  std::deque<std::uint64_t> words_;
  std::uint64_t base_ = 0;  // the task of the first bit
  std::uint64_t prefix_ = 0;
  std::uint64_t added_ = 0;
  std::uint64_t completed_ = 0;
};

}  // namespace fl
