// Blocks of events with numbers of their own: a body is "#", 16 hexadecimal digits, and bytes that
// follow from the number. The judge (ledger.py) tells from them what was given.
#pragma once

#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

struct NumberedBlock {
  std::string payload;  ///< as fl-stream(5) has it: no count, no size, no marker
  std::uint32_t count = 0;
};

class NumberedBlocks {
 public:
  explicit NumberedBlocks(std::uint64_t seed, std::uint64_t first = 0)
      : random_(seed), next_(first) {}

  /// The number of the next event.
  std::uint64_t next() const { return next_; }

  /// Mostly small; now and then an event of several KiB, so that writes span pages.
  NumberedBlock make() {
    const std::uint64_t kind = random_() % 16;
    if (kind == 0) {
      return block(1, 2000 + random_() % 6000);
    }
    return kind < 10 ? block(1, random_() % 64) : block(2 + random_() % 6, random_() % 200);
  }
  NumberedBlock make_small() { return block(1, random_() % 32); }

  NumberedBlock block(std::uint64_t count, std::uint64_t filler) {
    NumberedBlock made;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (random_() % 4 == 0) {
        // A map of one pair, as a block with a size.
        made.payload += std::string("\x01\x08\x02k\x02v\0", 7);
      } else {
        made.payload += '\0';
      }
      char number[18];
      std::snprintf(number, sizeof number, "#%016llx", static_cast<unsigned long long>(next_));
      std::string body(number, 17);
      for (std::uint64_t left = filler; left > 0; --left) {
        body += static_cast<char>((next_ * 31 + left * 7) & 0xff);
      }
      for (std::uint64_t size = 2 * body.size();; size >>= 7) {
        made.payload += static_cast<char>(size < 128 ? size : (size & 127) | 128);
        if (size < 128) {
          break;
        }
      }
      made.payload += body;
      ++next_;
      ++made.count;
    }
    return made;
  }

 private:
  std::mt19937_64 random_;
  std::uint64_t next_;
};

/// The numbers in a payload, in order. A '#' in a filler is followed by other bytes.
inline std::vector<std::uint64_t> numbers_in(std::string_view payload) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t at = payload.find('#');
       at != std::string_view::npos && at + 17 <= payload.size(); at = payload.find('#', at + 1)) {
    const std::string digits(payload.substr(at + 1, 16));
    if (digits.find_first_not_of("0123456789abcdef") == std::string::npos) {
      numbers.push_back(std::stoull(digits, nullptr, 16));
      at += 16;
    }
  }
  return numbers;
}

}  // namespace fl
