#include "common/stage/input.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/log.h"
#include "common/io/poll_set.h"

namespace fl {

Input::Input(UniqueFd fd, std::string name, const Settings& settings)
    : fd_(std::move(fd)),
      name_(std::move(name)),
      limits_(settings.limits),
      form_(settings.form),
      delimiter_(settings.rules.delimiter),
      decompress_(settings.decompress),
      file_(settings.file),
      has_line_form_(settings.line_form != nullptr),
      reader_(settings.limits),
      text_(settings.rules, settings.rejected),
      builder_(settings.block_limit) {
  struct stat info {};
  is_pipe_ = fstat(fd_.get(), &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
  if (settings.line_form != nullptr) {
    text_.set_form(*settings.line_form, limits_, settings.refused);
  }
}

// Enough bytes are there: more of them would not change what they are.
bool Input::is_told(std::string_view bytes) const {
  return eof_ || bytes.size() >= kCompressionMagicBytes ||
         bytes.find('\n') != std::string_view::npos;
}

Result<Input::Got> Input::detect() {
  const std::string_view bytes = buffer_.view();
  if (bytes.empty()) {
    return eof_ ? Got::end : Got::nothing;
  }
  if (bytes.starts_with(kMagic)) {
    form_ = Form::stream;
  } else if (is_told(bytes)) {
    const std::string_view head = bytes.substr(0, kCheckedText);
    if (Status status = check_text_start(head, delimiter_); !status) {
      return status.error();
    }
    form_ = Form::text;
    unchecked_ = kCheckedText - head.size();
    pass_mark();
  }
  return Got::nothing;
}

// A byte order mark of UTF-8 at the start belongs to no event.
void Input::pass_mark() {
  if (buffer_.view().starts_with(kUtf8Mark)) {
    buffer_.consume(kUtf8Mark.size());
    log(LogLevel::info, name_ + " begins with a byte order mark of UTF-8, which is left out");
  }
}

// Of text that nobody detects: is it compressed? Then what was read goes through an Unpacker.
Status Input::look_at_start() {
  const std::string_view bytes = buffer_.view();
  if (!is_told(bytes)) {
    return {};
  }
  if (unpacker_ && compression_of_bytes(bytes) != Compression::none) {
    return Error{ErrorClass::input, name_ + " is compressed twice", "unpack it first"};
  }
  const Result<Compression> format = decompress_->choose(bytes, file_, name_);
  if (!format) {
    return format.error();
  }
  if (*format == Compression::none) {
    decompress_.reset();
    Status is_text = check_start(bytes);
    pass_mark();
    return is_text;
  }
  auto unpacker = Unpacker::open(*format, name_);
  if (!unpacker) {
    return unpacker.error();
  }
  unpacker_ = std::move(*unpacker);
  std::swap(unpacker_->packed(), buffer_);
  packed_over_ = std::exchange(eof_, false);
  decompress_ = Decompress();
  return {};
}

// Of text that nobody detects: is it text?
Status Input::check_start(std::string_view bytes) {
  if (is_utf16(bytes)) {
    return Error{ErrorClass::input, name_ + " is UTF-16", "iconv -f UTF-16 -t UTF-8 converts it"};
  }
  if (bytes.starts_with(kMagic)) {
    return Error{ErrorClass::input, name_ + " is a stream of events or another Avro file, not text",
                 "every stage but a source reads streams: fl-sink ... --in FILE"};
  }
  if (file_.empty()) {
    return {};  // a program's output may hold any bytes
  }
  const std::string_view head = bytes.substr(0, kCheckedText);
  if (!check_text_start(head, delimiter_)) {
    return Error{ErrorClass::input, "cannot read " + name_ + " as text: it has control characters",
                 "zcat(1) and its like unpack compressed files, iconv(1) converts other encodings"};
  }
  unchecked_ = kCheckedText - head.size();
  return {};
}

Input::Got Input::hand_out() {
  handed_out_ = true;
  scanned_ = false;
  return Got::block;
}

Result<Input::Got> Input::next() {
  if (handed_out_) {
    builder_.clear();
    handed_out_ = false;
  }
  if (kept_error_) {
    return *kept_error_;
  }
  for (;;) {
    if (form_ == Form::unknown) {
      Result<Got> got = detect();
      if (!got || *got == Got::end) {
        return got;
      }
    }
    std::size_t wanted = 0;
    if (decompress_) {
      if (Status status = look_at_start(); !status) {
        return status.error();
      }
    }
    if (form_ == Form::text && !decompress_) {
      if (!announced_ && (buffer_.size() > 0 || eof_)) {
        announced_ = true;
        return Got::text;
      }
      const Result<bool> full = text_.read(buffer_, eof_, builder_);
      if (!full) {
        Error error = full.error();
        if (has_line_form_ && error.kind == ErrorClass::input) {
          error.message = name_ + ", " + error.message;
        }
        return fail(error);
      }
      if (*full || (eof_ && !builder_.empty())) {
        return hand_out();
      }
      if (eof_) {
        return Got::end;
      }
    } else if (form_ == Form::stream) {
      Result<StreamReader::Item> item = reader_.next(buffer_, eof_);
      if (!item) {
        return item.error();
      }
      switch (*item) {
        case StreamReader::Item::header:
          return Got::header;
        case StreamReader::Item::block:
          return Got::block;
        case StreamReader::Item::end:
          return Got::end;
        case StreamReader::Item::need_more:
          wanted = reader_.bytes_wanted();
      }
    }
    const Result<bool> more = read(wanted);
    if (!more) {
      return fail(more.error());
    }
    if (!*more) {
      return builder_.empty() ? Got::nothing : hand_out();
    }
  }
}

// Events before the fault go out first.
Result<Input::Got> Input::fail(const Error& error) {
  if (builder_.empty()) {
    return error;
  }
  kept_error_ = error;
  return hand_out();
}

// Reads once, or unpacks a piece. False: nothing is there right now.
Result<bool> Input::read(std::size_t wanted) {
  if (unpacker_) {
    const Result<std::size_t> got = unpacker_->unpack(buffer_);
    if (!got) {
      return got.error();
    }
    if (*got > 0) {
      return true;
    }
    if (packed_over_) {
      eof_ = true;
      const Status end = unpacker_->check_end();
      return end ? Result<bool>(true) : Result<bool>(end.error());
    }
  }
  if ((poll_now(fd_.get(), POLLIN) & (POLLIN | POLLHUP | POLLERR)) == 0) {
    return false;
  }
  InputBuffer& to = unpacker_ ? unpacker_->packed() : buffer_;
  const std::ptrdiff_t n = to.read(fd_.get(), wanted);
  if (n == -EAGAIN || n == -EINTR) {
    return false;
  }
  if (n < 0) {
    return system_error(ErrorClass::io, "cannot read " + name_, static_cast<int>(-n));
  }
  (unpacker_ ? packed_over_ : eof_) = n == 0;
  if (n > 0) {
    saw_bytes_ = true;
    bytes_read_ += static_cast<std::uint64_t>(n);
  }
  return check_more(static_cast<std::size_t>(n));
}

// Of the last `n` bytes those that are near the start of text: the verdict does not depend on how
// they were cut.
Result<bool> Input::check_more(std::size_t n) {
  const std::size_t size = std::min(n, unchecked_);
  if (size > 0) {
    unchecked_ -= size;
    if (Status status = check_text(buffer_.view().substr(buffer_.size() - n, size), delimiter_);
        !status) {
      return status.error();
    }
  }
  return true;
}

bool Input::has_more() const {
  if (unpacker_ && unpacker_->packed().size() > 0) {
    return true;
  }
  if (buffer_.size() > 0 || eof_ || text_.pending() > 0) {
    return buffer_.size() > 0 || text_.pending() > 0;
  }
  struct stat info {};
  if (is_pipe_) {
    return (poll_now(fd_.get(), POLLIN) & POLLIN) != 0;
  }
  return fstat(fd_.get(), &info) == 0 && S_ISREG(info.st_mode) &&
         lseek(fd_.get(), 0, SEEK_CUR) < info.st_size;
}

Batch& Input::batch() {
  if (form_ == Form::stream) {
    return reader_.batch();
  }
  if (!scanned_) {
    scanned_ = true;
    text_batch_.clear();
    const Block block = builder_.block();
    const std::uint8_t* p = block.data;
    const char* why = nullptr;
    Event event;
    while (p != block.data + block.size &&
           (p = scan_event(p, block.data + block.size, limits_, event, why)) != nullptr) {
      text_batch_.add(event);
    }
  }
  return text_batch_;
}

}  // namespace fl
