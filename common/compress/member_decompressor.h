// What the decoders of compressed files share; each format has a file of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/compress/stream_decompressor.h"

namespace fl {

using OpenedStream = Result<std::unique_ptr<StreamDecompressor>>;

OpenedStream open_gzip_stream();
OpenedStream open_bzip2_stream();
OpenedStream open_xz_stream();
OpenedStream open_zstd_stream();
OpenedStream open_lz4_stream();

/// The library has no memory for a decoder.
Error decoder_not_started(Compression compression);

/// Members (streams, frames) in a row, and where the input may end. A format says what one call of
/// its library does, and how a member begins. Between calls of decode() either a member is being
/// decoded, or one has ended and the next has not begun.
class MemberDecompressor : public StreamDecompressor {
 public:
  Result<std::size_t> decode(std::string_view& in, std::uint8_t* to, std::size_t room) override;
  bool complete() const override { return between_ && any_; }

 protected:
  static constexpr std::size_t kMaxCall = 1 << 30;  // zlib and bzip2 count in unsigned int

  /// What one call of a library's decoder did.
  struct Step {
    std::size_t consumed = 0;
    std::size_t produced = 0;
    bool ended = false;         // a member is complete
    const char* why = nullptr;  // damaged
  };

  explicit MemberDecompressor(Compression compression) : compression_(compression) {}
  /// One call of the library.
  virtual Step run(std::string_view in, std::uint8_t* to, std::size_t room) = 0;
  /// Prepares for a member; false: took something off `in` that belongs to none.
  virtual bool start(std::string_view& in) {
    (void)in;
    return true;
  }
  bool is_first() const { return !any_; }

 private:
  const Compression compression_;
  bool between_ = true;
  bool any_ = false;
};

}  // namespace fl
