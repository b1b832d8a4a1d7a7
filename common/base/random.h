// Random bytes from the kernel: for markers, stream ids and names that nobody else takes.
#pragma once

#include <cstddef>
#include <string>

namespace fl {

/// `size` random bytes (at most 256).
std::string random_bytes(std::size_t size);
/// The same as twice as many lower-case hex digits.
std::string random_hex(std::size_t size);

}  // namespace fl
