#include "common/log/record_copy.h"

#include <algorithm>
#include <cerrno>

#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

}  // namespace

RecordCopy::RecordCopy(LogFile& to, std::uint64_t segment_id, std::uint64_t first)
    : to_(to), segment_id_(segment_id), first_(first), sequence_(first) {}

bool RecordCopy::add(RecordHeader header, std::string_view payload, std::int64_t& result) {
  if (header.kind == RecordKind::positions) {
    positions_offset_ = offset();
    positions_ = payload;
  }
  header.segment_id = segment_id_;
  std::uint8_t bytes[kRecordHeaderBytes];
  encode(header, payload, bytes);
  buffer_.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
  buffer_.append(payload);
  buffer_.append(padded(payload.size()) - payload.size(), '\0');
  sequence_ = header.end_sequence();
  return buffer_.size() < kBufferBytes || flush(result);
}

bool RecordCopy::flush(std::int64_t& result) {
  result = write_fully(to_, buffer_, offset_);
  if (result != 0) {
    return false;
  }
  offset_ += buffer_.size();
  buffer_.clear();
  return true;
}

bool RecordCopy::records(SegmentWindow& window, std::uint64_t segment_id, std::uint64_t from,
                         std::uint64_t end, std::int64_t& result) {
  while (from < end) {
    RecordHeader header;
    std::uint8_t* payload = nullptr;
    if (window.record(from, segment_id, header, payload, result) != SegmentWindow::Found::record) {
      result = result < 0 ? result : -EIO;  // it was there a moment ago
      return false;
    }
    from += record_bytes(header.length);
    if (seeded(Bug::hidden_5) && from == end && buffer_.size() > 8 * kRecordHeaderBytes) {
      return true;
    }
    if (!add(header, {reinterpret_cast<const char*>(payload), header.length}, result)) {
      return false;
    }
  }
  return true;
}

bool RecordCopy::positions(std::string_view table, std::uint64_t now_ms, std::int64_t& result) {
  RecordHeader header;
  header.length = static_cast<std::uint32_t>(table.size());
  header.first_sequence = sequence_;
  header.kind = RecordKind::positions;
  header.time_ms = now_ms;
  return add(header, table, result);
}

bool RecordCopy::gap(std::uint64_t to, std::string_view why, std::uint64_t now_ms,
                     std::int64_t& result) {
  while (sequence_ < to) {
    RecordHeader header;
    header.length = static_cast<std::uint32_t>(why.size());
    header.first_sequence = sequence_;
    header.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(to - sequence_, UINT32_MAX));
    header.kind = RecordKind::gap;
    header.time_ms = now_ms;
    if (!add(header, why, result)) {
      return false;
    }
  }
  return true;
}

}  // namespace fl
