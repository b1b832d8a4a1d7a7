// Reads streams, one after the other, out of an input buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/compress/block_codec.h"
#include "common/event/batch.h"
#include "common/io/input_buffer.h"
#include "common/stream/container.h"

namespace fl {

/// Owns the header, the batch and, for a packed block, its unpacked bytes; the others stay in the
/// input buffer. Before a header, in a stream, or broken after an error. Between calls the buffer
/// begins with an item that has not been taken yet.
///
/// Feed it an InputBuffer; it takes whole headers and blocks out of it. Every length is checked
/// before it is used, and no memory is taken for bytes that have not come.
class StreamReader {
 public:
  enum class Item {
    need_more,  ///< the next item is not whole yet; bytes_wanted() is a hint
    header,     ///< header() is new: a stream begins
    block,      ///< batch() and block() hold the events; valid until the next call or read
    end,        ///< only with `eof`: the input ended between two items
  };

  explicit StreamReader(EventLimits limits) : limits_(limits) {}

  /// The next item. `eof`: nothing follows the buffer's bytes; a cut item is then an error.
  /// Errors are of class input; the reader is of no use after one.
  Result<Item> next(InputBuffer& in, bool eof);

  const ContainerHeader& header() const { return header_; }
  Batch& batch() { return batch_; }
  /// The block's bytes, in the input buffer (or unpacked), with room for a new frame around.
  Block block() const { return block_; }
  std::size_t bytes_wanted() const { return wanted_; }
  /// The last error was an item that the end of the input cut off.
  bool was_cut() const { return was_cut_; }
  /// The last error was an event in a whole block: its writer would send the same again.
  bool was_refused() const { return was_refused_; }

 private:
  Result<Item> next_header(InputBuffer& in, bool eof);
  Result<Item> next_block(InputBuffer& in, bool eof);
  Status choose_codec();

  const EventLimits limits_;
  ContainerHeader header_;
  bool in_stream_ = false;
  bool was_cut_ = false;
  bool was_refused_ = false;
  Batch batch_;
  Block block_;
  std::size_t wanted_ = 0;
  BlockCodec codec_ = BlockCodec::null;
  std::unique_ptr<BlockDecompressor> decompressor_;  // none for null
  GapBuffer unpacked_{Block::kBefore, Block::kAfter};
};

}  // namespace fl
