#include "common/stage/input.h"

#include <sys/stat.h>

#include "common/io/poll_set.h"

namespace fl {

Input::Input(UniqueFd fd, std::string name, const Settings& settings)
    : fd_(std::move(fd)),
      name_(std::move(name)),
      limits_(settings.limits),
      form_(settings.form),
      delimiter_(settings.rules.delimiter),
      reader_(settings.limits),
      text_(settings.rules),
      builder_(settings.block_limit) {
  struct stat info {};
  is_pipe_ = fstat(fd_.get(), &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

Result<Input::Got> Input::detect() {
  const std::string_view bytes = buffer_.view();
  if (bytes.empty()) {
    return eof_ ? Got::end : Got::nothing;
  }
  if (bytes.starts_with(kMagic)) {
    form_ = Form::stream;
  } else if (bytes.size() >= kMagic.size() || eof_ || bytes.find('\n') != std::string_view::npos) {
    if (Status status = check_text_start(bytes, delimiter_); !status) {
      return status.error();
    }
    form_ = Form::text;
  }
  return Got::nothing;
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
  for (;;) {
    if (form_ == Form::unknown) {
      Result<Got> got = detect();
      if (!got || *got == Got::end) {
        return got;
      }
    }
    std::size_t wanted = 0;
    if (form_ == Form::text) {
      if (!announced_ && (buffer_.size() > 0 || eof_)) {
        announced_ = true;
        return Got::text;
      }
      const bool full = text_.read(buffer_, eof_, builder_);
      if (full || (eof_ && !builder_.empty())) {
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
    if ((poll_now(fd_.get(), POLLIN) & (POLLIN | POLLHUP | POLLERR)) == 0) {
      return builder_.empty() ? Got::nothing : hand_out();
    }
    const std::ptrdiff_t n = buffer_.read(fd_.get(), wanted);
    if (n > 0) {
      saw_bytes_ = true;
      bytes_read_ += static_cast<std::uint64_t>(n);
    } else if (n == 0) {
      eof_ = true;
    } else if (n != -EAGAIN && n != -EINTR) {
      return system_error(ErrorClass::io, "cannot read " + name_, static_cast<int>(-n));
    } else {
      return Got::nothing;
    }
  }
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
