#include "common/stream/rejected_line.h"

#include <algorithm>

namespace fl {

void RejectedLine::begin() {
  head_.clear();  // a reader may have given up in the middle of a line
  length_ = 0;
  if (!keep_) {
    ++lost_;
  }
}

void RejectedLine::add(std::string_view bytes) {
  if (!keep_ || bytes.empty()) {
    return;
  }
  head_.append(bytes.substr(0, bound_ - head_.size()));
  length_ += bytes.size();
  last_ = bytes.back();
}

Status RejectedLine::end(bool strip_cr) {
  if (!keep_) {
    return {};
  }
  if (strip_cr && length_ > 0 && last_ == '\r') {
    --length_;
  }
  const std::string_view head =
      std::string_view(head_).substr(0, std::min<std::uint64_t>(head_.size(), length_));
  const Status kept = keep_(head, length_);
  head_ = {};
  length_ = 0;
  return kept;
}

}  // namespace fl
