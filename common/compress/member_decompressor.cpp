#include "common/compress/member_decompressor.h"

#include <string>

namespace fl {
namespace {

Error damaged(Compression compression, std::string_view why) {
  return {ErrorClass::input,
          "the " + std::string(name_of(compression)) + " data is damaged: " + std::string(why)};
}

}  // namespace

Error decoder_not_started(Compression compression) {
  return {ErrorClass::io,
          "cannot start the " + std::string(name_of(compression)) + " decoder: out of memory"};
}

Result<std::size_t> MemberDecompressor::decode(std::string_view& in, std::uint8_t* to,
                                               std::size_t room) {
  std::size_t done = 0;
  while (done < room) {
    if (between_ && in.empty()) {
      break;
    }
    if (between_) {
      if (!start(in)) {
        continue;  // padding was taken
      }
      between_ = false;
    }
    const Step step = run(in, to + done, room - done);
    if (step.why != nullptr) {
      return damaged(compression_, step.why);
    }
    in.remove_prefix(step.consumed);
    done += step.produced;
    if (step.ended) {
      between_ = true;
      any_ = true;
    } else if (step.consumed == 0 && step.produced == 0) {
      if (in.empty()) {
        break;
      }
      return damaged(compression_, "its bytes cannot be decoded");
    }
  }
  return done;
}

}  // namespace fl
