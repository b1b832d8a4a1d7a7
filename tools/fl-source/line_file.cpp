#include "tools/fl-source/line_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace fl {
namespace {

constexpr std::size_t kRead = 128 << 10;

}  // namespace

Status LineFile::start(SpoolText text, std::uint64_t offset) {
  text_.emplace(std::move(text));
  offset_ = offset;
  begin_ = end_ = searched_ = 0;
  eof_ = peeked_ = in_line_ = drop_ = has_mark_ = false;
  if (capacity_ > 4 * kRead && capacity_ > 4 * std::size_t{rules_.max_line}) {
    buffer_.reset();
    capacity_ = 0;
  }
  return text_->seek(offset);
}

Status LineFile::skip_to(std::uint64_t offset) {
  if (offset <= offset_) {
    return {};
  }
  in_line_ = drop_ = false;
  if (offset - offset_ <= end_ - begin_) {
    consume(static_cast<std::size_t>(offset - offset_));
    return {};
  }
  offset_ = offset;
  begin_ = end_ = searched_ = 0;
  eof_ = false;
  return text_->seek(offset);
}

/// Reads more after what is there. False: an error.
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
  const std::size_t size = std::min(capacity_ - end_, kRead);
  const auto got = text_->read(buffer_.get() + end_, size);
  if (!got) {
    error_ = got.error();
    return false;
  }
  eof_ = *got < size;
  end_ += *got;
  if (offset_ == 0 && unread().starts_with(kUtf8Mark)) {
    consume(kUtf8Mark.size());
    has_mark_ = true;
  }
  return true;
}

void LineFile::consume(std::size_t bytes) {
  begin_ += bytes;
  offset_ += bytes;
  searched_ = 0;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  }
}

/// True: the line is skipped. False: an error.
bool LineFile::drop_rest_of_line() {
  const bool rejects = rules_.long_line == LongLine::reject;
  const auto end = [&](bool has_delimiter) {
    const Status kept = rejects ? rejected_.end(rules_.strip_cr && has_delimiter) : Status();
    if (!kept) {
      error_ = kept.error();
      reject_failed_ = true;
    }
    return kept.ok();
  };
  for (;;) {
    const std::string_view text = unread();
    const auto* found =
        text.empty()
            ? nullptr
            : static_cast<const char*>(std::memchr(text.data(), rules_.delimiter, text.size()));
    const std::size_t length =
        found != nullptr ? static_cast<std::size_t>(found - text.data()) : text.size();
    if (rejects) {
      rejected_.add(text.substr(0, length));
    }
    consume(length + (found != nullptr ? 1 : 0));
    if (found != nullptr || eof_) {
      return end(found != nullptr);
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
        rejected_.begin();
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
