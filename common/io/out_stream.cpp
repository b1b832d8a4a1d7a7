#include "common/io/out_stream.h"

#include <poll.h>

#include <cerrno>

namespace fl {
namespace {

constexpr std::size_t kKeep = 1 << 20;  // larger buffers are given back

}  // namespace

short OutStream::wake_events() const { return idle() ? short{0} : short{POLLOUT}; }

Status OutStream::flush() {
  while (!closed_ && written_ < text_.size()) {
    const std::ptrdiff_t n = end_.write_some(text_.data() + written_, text_.size() - written_);
    if (n == -EPIPE || n == -ECONNRESET) {
      closed_ = true;
    } else if (n < 0) {
      return system_error(ErrorClass::io, "cannot write the output", static_cast<int>(-n));
    } else if (n == 0) {
      break;
    } else {
      written_ += static_cast<std::size_t>(n);
    }
  }
  while (next_item_ < ends_.size() && ends_[next_item_] <= written_) {
    ++next_item_;
    ++items_;
  }
  if (closed_ || idle()) {
    closed_ = closed_ || end_.reader_closed();
    text_.clear();
    ends_.clear();
    written_ = next_item_ = 0;
    if (text_.capacity() > kKeep) {
      text_.shrink_to_fit();
    }
  }
  return {};
}

}  // namespace fl
