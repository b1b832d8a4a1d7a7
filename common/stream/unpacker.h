// Incoming compressed text: from a descriptor that may be a pipe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/compress/stream_decompressor.h"
#include "common/io/input_buffer.h"

namespace fl {

/// Whether an input is decompressed; the words of --decompress.
struct Decompress {
  enum class Mode {
    refuse,  ///< none: compressed data are not text
    match,   ///< auto: where the first bytes say so, and the name too if there is one
    always,  ///< a format: everything else is refused
  };
  Mode mode = Mode::refuse;
  Compression format = Compression::none;  ///< of Mode::always

  static Decompress of(std::string_view word);
  /// How an input that begins with `head` is to be read. `file`: its name; empty: it has none.
  /// `what` names it in messages. Class input: its bytes are not what the options say.
  Result<Compression> choose(std::string_view head, std::string_view file,
                             const std::string& what) const;
};

/// Owns what was read and is not decoded yet. Memory: that, at most one read(2), and the decoder's.
class Unpacker {
 public:
  /// `what` names the input in messages. Errors: class config, a library is not installed.
  static Result<std::unique_ptr<Unpacker>> open(Compression format, std::string what);

  /// Where the compressed bytes are to be put.
  InputBuffer& packed() { return packed_; }
  /// Moves text to `out`, a piece of it at a time; returns how many bytes. 0: it needs more of
  /// packed(). Errors: class input, damaged data.
  Result<std::size_t> unpack(InputBuffer& out);
  /// The input is over. Class input: the data end early.
  Status check_end() const;

 private:
  Unpacker(Compression format, std::string what) : format_(format), what_(std::move(what)) {}

  static constexpr std::size_t kPiece = 64 << 10;

  const Compression format_;
  const std::string what_;
  std::unique_ptr<StreamDecompressor> decoder_;
  InputBuffer packed_;
  std::unique_ptr<std::uint8_t[]> piece_ = std::make_unique_for_overwrite<std::uint8_t[]>(kPiece);
};

}  // namespace fl
