// One input of a stage: text or streams from a descriptor, as blocks.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/input_buffer.h"
#include "common/stream/stream_reader.h"
#include "common/stream/text_reader.h"

namespace fl {

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
    std::size_t block_limit = 64 << 10;
  };

  Input(UniqueFd fd, std::string name, const Settings& settings);

  /// The next item. Reads without ever blocking. Errors: class input, io; the input is over then.
  Result<Got> next();

  const ContainerHeader& header() const { return reader_.header(); }
  /// The block's events. For text they are found here at the first call.
  Batch& batch();
  Block block() { return form_ == Form::stream ? reader_.block() : builder_.block(); }

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  Form form() const { return form_; }
  bool is_pipe() const { return is_pipe_; }
  bool saw_bytes() const { return saw_bytes_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  const TextReader& text() const { return text_; }
  void set_block_limit(std::size_t limit) { builder_.set_limit(limit); }
  void close() { fd_.reset(); }

 private:
  Result<Got> detect();
  Got hand_out();

  UniqueFd fd_;
  std::string name_;
  EventLimits limits_;
  Form form_;
  const char delimiter_;
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
  Batch text_batch_;
};

}  // namespace fl
