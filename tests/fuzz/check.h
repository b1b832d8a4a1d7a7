// What a fuzz target finds wrong without a sanitizer's help.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace fl::fuzz {

/// Ends the process, so that the fuzzer keeps the input, unless `holds`.
inline void check(bool holds, const char* what) {
  if (!holds) {
    (void)std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

}  // namespace fl::fuzz
