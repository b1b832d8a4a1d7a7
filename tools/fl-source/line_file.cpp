#include "tools/fl-source/line_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fl {
namespace {

constexpr std::size_t kRead = 128 << 10;

}  // namespace

void LineFile::start(UniqueFd fd, std::uint64_t offset) {
  fd_ = std::move(fd);
  offset_ = offset;
  begin_ = end_ = searched_ = 0;
  eof_ = peeked_ = in_line_ = drop_ = false;
  error_ = 0;
  if (capacity_ > 4 * kRead && capacity_ > 4 * std::size_t{rules_.max_line}) {
    buffer_.reset();
    capacity_ = 0;
  }
}

/// Reads more behind what is there. False: an error.
bool LineFile::fill() {
  if (begin_ != 0 && end_ + kRead > capacity_) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_) {
    const std::size_t capacity = std::max(kRead, 2 * capacity_);
    auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    if (end_ != 0) {
      std::memcpy(buffer.get(), buffer_.get(), end_);
    }
    buffer_ = std::move(buffer);
    capacity_ = capacity;
  }
  for (;;) {
    const std::size_t size = std::min(capacity_ - end_, kRead);
    const ssize_t n = ::pread(fd_.get(), buffer_.get() + end_, size,
                              static_cast<off_t>(offset_ + (end_ - begin_)));
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      error_ = errno;
      return false;
    }
    eof_ = n == 0;
    end_ += static_cast<std::size_t>(n);
    return true;
  }
}

void LineFile::consume(std::size_t bytes) {
  begin_ += bytes;
  offset_ += bytes;
  searched_ = 0;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  }
}

/// True: the line is passed. False: an error.
bool LineFile::drop_rest_of_line() {
  for (;;) {
    const std::string_view text = unread();
    const auto* found =
        text.empty()
            ? nullptr
            : static_cast<const char*>(std::memchr(text.data(), rules_.delimiter, text.size()));
    if (found != nullptr) {
      consume(static_cast<std::size_t>(found - text.data()) + 1);
      return true;
    }
    consume(text.size());
    if (eof_) {
      return true;
    }
    if (!fill()) {
      return false;
    }
  }
}

LineFile::Next LineFile::peek() {
  if (peeked_) {
    return Next::event;
  }
  for (;;) {
    if (drop_) {
      if (!drop_rest_of_line()) {
        return Next::failed;
      }
      drop_ = false;
    }
    const std::string_view text = unread();
    const void* found =
        text.size() == searched_
            ? nullptr
            : std::memchr(text.data() + searched_, rules_.delimiter, text.size() - searched_);
    const bool ends = found != nullptr;
    const std::size_t length =
        ends ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data())
             : text.size();
    std::string_view line = text.substr(0, length);
    const bool carriage = rules_.strip_cr && !line.empty() && line.back() == '\r';
    if (carriage && (ends || !eof_)) {
      line.remove_suffix(1);  // not certain yet if the line does not end here: it does not count
    }
    if (line.size() > rules_.max_line) {
      if (!in_line_) {
        ++long_lines_;
      }
      if (rules_.long_line == LongLine::reject) {
        ++rejected_;
        drop_ = true;
        continue;
      }
      body_ = line.substr(0, rules_.max_line);
      taken_ = body_.size();
      piece_ = rules_.long_line == LongLine::split;
      drop_after_ = !piece_;
      peeked_ = true;
      return Next::event;
    }
    if (ends || (eof_ && !text.empty())) {
      body_ = line;
      taken_ = length + (ends ? 1 : 0);
      piece_ = drop_after_ = false;
      peeked_ = true;
      return Next::event;
    }
    if (eof_) {
      return Next::end;
    }
    searched_ = text.size();
    if (!fill()) {
      return Next::failed;
    }
  }
}

void LineFile::accept() {
  consume(taken_);
  peeked_ = false;
  in_line_ = piece_;
  if (drop_after_) {
    // At once, so that offset() is the start of an event; an error comes back at the next peek().
    drop_ = !drop_rest_of_line();
  }
}

}  // namespace fl
