#include "common/log/segment_window.h"

#include <algorithm>
#include <cstring>

#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {

void SegmentWindow::reset(LogFile* file, std::uint64_t limit) {
  file_ = file;
  limit_ = limit;
  size_ = 0;
}

std::size_t SegmentWindow::held(std::uint64_t offset) const {
  return offset >= start_ && offset < start_ + size_
             ? static_cast<std::size_t>(start_ + size_ - offset)
             : 0;
}

std::uint8_t* SegmentWindow::at(std::uint64_t offset, std::size_t size, std::int64_t& result) {
  result = 0;
  if (size <= held(offset)) {
    return memory_.get() + kSlack + (offset - start_);
  }
  if (offset > limit_ || size > limit_ - offset) {
    return nullptr;
  }
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(std::max(size, kUsual), limit_ - offset));
  if (wanted > capacity_ || (capacity_ > 4 * kUsual && wanted <= kUsual)) {
    capacity_ = std::max(wanted, kUsual);
    memory_ = std::make_unique_for_overwrite<std::uint8_t[]>(capacity_ + 2 * kSlack);
  }
  start_ = offset;
  size_ = 0;
  result = read_fully(*file_, memory_.get() + kSlack, wanted, offset);
  if (result < 0) {
    return nullptr;
  }
  size_ = static_cast<std::size_t>(result);
  result = 0;
  return size_ >= size ? memory_.get() + kSlack : nullptr;
}

SegmentWindow::Found SegmentWindow::record(std::uint64_t offset, std::uint64_t segment_id,
                                           RecordHeader& header, std::uint8_t*& payload,
                                           std::int64_t& result) {
  std::uint8_t* bytes = at(offset, kRecordHeaderBytes, result);
  if (bytes == nullptr) {
    return Found::none;
  }
  if (!decode(bytes, header) ||
      (header.segment_id != segment_id && !seeded(Bug::stale_record_taken))) {
    return Found::damaged;
  }
  bytes = at(offset, kRecordHeaderBytes + header.length, result);
  if (bytes == nullptr || (!checks(bytes, header) && !seeded(Bug::checksum_ignored))) {
    return Found::damaged;
  }
  payload = bytes + kRecordHeaderBytes;
  return Found::record;
}

bool SegmentWindow::find(std::uint64_t& offset, std::uint64_t segment_id, std::uint64_t sequence,
                         std::uint64_t last, std::int64_t& result) {
  std::uint8_t id[8];
  for (std::size_t i = 0; i < sizeof id; ++i) {
    id[i] = static_cast<std::uint8_t>(segment_id >> (8 * i));
  }
  std::uint64_t from = padded(offset);
  while (at(from, kRecordHeaderBytes, result) != nullptr) {
    const std::size_t size = held(from);
    std::size_t i = 0;
    for (; i + kRecordHeaderBytes <= size; i += kRecordAlign) {
      const std::uint8_t* const bytes = memory_.get() + kSlack + (from - start_) + i;
      if (std::memcmp(bytes + 8, id, sizeof id) != 0) {
        continue;
      }
      RecordHeader header;
      std::uint8_t* payload = nullptr;
      if (decode(bytes, header) && header.first_sequence >= sequence &&
          header.first_sequence <= last &&
          record(from + i, segment_id, header, payload, result) == Found::record) {
        offset = from + i;
        return true;
      }
      if (result < 0) {
        return false;
      }
      if (held(from + i) < kRecordHeaderBytes || start_ > from) {
        // Another piece of the file is in memory now: continue after this place.
        i += kRecordAlign;
        break;
      }
    }
    from += i;
  }
  return false;
}

}  // namespace fl
