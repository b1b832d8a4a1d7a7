// One input of a stage: text or streams from a descriptor, as blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/input_buffer.h"
#include "common/stream/stream_reader.h"
#include "common/stream/text_reader.h"
#include "common/stream/unpacker.h"

namespace fl {

/// Owns the descriptor, the bytes that were read and not handed out, and the reader for its form.
/// The form is unknown until the first bytes decide it, and never changes then; it ends with `end`
/// or an error. Between calls nothing is decoded ahead: a block is in the buffer (a stream) or in
/// the builder (text), and the next call may overwrite it. It never blocks and never reads unless
/// poll says that something is there, since stdin is shared with other processes.
class Input {
 public:
  enum class Form { unknown, text, stream };
  enum class Got {
    nothing,  ///< no more right now: poll fd() for POLLIN
    text,     ///< the input has turned out to be text; comes once, before its first block
    header,   ///< a stream begins: header()
    block,    ///< batch() and block(), valid until the next call
    end,      ///< the input is over
  };
  struct Settings {
    Form form = Form::unknown;
    EventLimits limits;
    LineRules rules;
    RejectedLine rejected = {};     ///< takes the lines that `rules` reject
    LineForm* line_form = nullptr;  ///< what a line is; null: a body. Outlives the input
    RefusedLine refused = {};       ///< takes lines that are not of that form
    /// Of text that is checked at its start though `form` says that it is text; none: any bytes.
    std::optional<Decompress> decompress = {};
    std::string file = {};  ///< the name of the file; empty: it has none
    std::size_t block_limit = 64 << 10;
  };

  Input(UniqueFd fd, std::string name, const Settings& settings);

  /// The next item. Reads without ever blocking. Errors: class input, io; the input is over then.
  Result<Got> next();

  const ContainerHeader& header() const { return reader_.header(); }
  /// The block's events. For text they are found here at the first call.
  Batch& batch();
  Block block() { return form_ == Form::stream ? reader_.block() : builder_.block(); }

  /// Of the bodies of the block's events.
  std::uint64_t body_bytes() {
    return form_ == Form::stream ? reader_.batch().body_bytes() : builder_.body_bytes();
  }

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  Form form() const { return form_; }
  bool is_pipe() const { return is_pipe_; }
  bool saw_bytes() const { return saw_bytes_; }
  /// The last error of next() was an item that the end of the input cut off.
  bool was_cut() const { return form_ == Form::stream && reader_.was_cut(); }
  /// The last error of next() was an event that its writer would send again.
  bool was_refused() const { return form_ == Form::stream && reader_.was_refused(); }
  /// Something is left: bytes in hand, or, of a regular file or a pipe, not read yet.
  bool has_more() const;
  std::uint64_t bytes_read() const { return bytes_read_; }
  const TextReader& text() const { return text_; }
  void close() { fd_.reset(); }

 private:
  Result<Got> detect();
  Result<Got> fail(const Error& error);
  bool is_told(std::string_view bytes) const;
  Status look_at_start();
  Status check_start(std::string_view bytes);
  void pass_mark();
  Result<bool> read(std::size_t wanted);
  Result<bool> check_more(std::size_t n);
  Got hand_out();

  UniqueFd fd_;
  std::string name_;
  EventLimits limits_;
  Form form_;
  const char delimiter_;
  std::optional<Decompress> decompress_;  // until the start has been looked at
  std::size_t unchecked_ = 0;             // bytes of text that are still to be checked
  const std::string file_;
  const bool has_line_form_;
  std::unique_ptr<Unpacker> unpacker_;  // none: the bytes are the text
  bool packed_over_ = false;
  bool announced_ = false;
  bool is_pipe_ = false;
  bool eof_ = false;
  bool saw_bytes_ = false;
  std::uint64_t bytes_read_ = 0;
  InputBuffer buffer_;
  StreamReader reader_;
  TextReader text_;
  BlockBuilder builder_;
  bool handed_out_ = false;  // builder_ holds the block of the last call
  bool scanned_ = false;
  std::optional<Error> kept_error_;  // told when the events before it are handed out
  Batch text_batch_;
};

}  // namespace fl
