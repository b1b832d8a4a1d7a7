#include "tools/fl-channel/import_flume/data_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "common/base/log.h"

namespace fl::flume {
namespace {

constexpr std::size_t kStep = 64 << 10;

std::uint64_t length_in(std::string_view frame) {
  std::uint64_t length = 0;
  for (std::size_t i = 1; i < kFrameBytes; ++i) {
    length = length << 8 | static_cast<std::uint8_t>(frame[i]);
  }
  return length;
}

}  // namespace

std::uint64_t DataFile::end() const { return std::min(window_.size(), kMaxFileBytes); }

Result<DataFile::Found> DataFile::look(std::uint64_t offset, Record& record, std::uint64_t& size) {
  if (offset >= end()) {
    return Found::end;
  }
  const Result<std::string_view> bytes = window_.at(offset, kFrameBytes + kRecordHeadBytes);
  if (!bytes) {
    return bytes.error();
  }
  const auto first = bytes->empty() ? kFiller : static_cast<std::uint8_t>(bytes->front());
  if (first == kFiller) {
    return Found::filler;
  }
  if ((first != kRecord && first != kDisabled) || bytes->size() < kFrameBytes) {
    return Found::damage;
  }
  const std::uint64_t length = length_in(*bytes);
  if (length == 0 || length > end() - offset - kFrameBytes) {
    return Found::damage;
  }
  size = kFrameBytes + length;
  if (first == kDisabled) {
    return Found::disabled;
  }
  const std::string_view payload = bytes->substr(
      kFrameBytes, static_cast<std::size_t>(std::min<std::uint64_t>(length, kRecordHeadBytes)));
  const std::optional<Record> found = decode_record(payload, length);
  if (!found) {
    return Found::damage;
  }
  record = *found;
  return Found::record;
}

Result<std::uint64_t> DataFile::search(std::uint64_t offset) {
  while (offset < end()) {
    const Result<std::string_view> bytes = window_.at(offset, kStep);
    if (!bytes) {
      return bytes.error();
    }
    if (bytes->empty()) {
      break;
    }
    const void* const hit = std::memchr(bytes->data(), kRecord, bytes->size());
    if (hit == nullptr) {
      offset += bytes->size();
      continue;
    }
    offset += static_cast<std::uint64_t>(static_cast<const char*>(hit) - bytes->data());
    Record record;
    std::uint64_t size = 0;
    const Result<Found> found = look(offset, record, size);
    if (!found) {
      return found.error();
    }
    if (*found == Found::record) {
      return offset;
    }
    ++offset;
  }
  return end();
}

Result<bool> DataFile::is_unwritten(std::uint64_t offset) {
  while (offset < end()) {
    const Result<std::string_view> bytes = window_.at(offset, kStep);
    if (!bytes) {
      return bytes.error();
    }
    if (bytes->empty()) {
      break;
    }
    if (!std::all_of(bytes->begin(), bytes->end(),
                     [](char c) { return static_cast<std::uint8_t>(c) == kFiller || c == '\0'; })) {
      return false;
    }
    offset += bytes->size();
  }
  return true;
}

Result<bool> DataFile::next() {
  for (;;) {
    std::uint64_t size = 0;
    const Result<Found> found = look(offset_, record_, size);
    if (!found) {
      return found.error();
    }
    if (*found == Found::record) {
      pointer_ = pointer_to(number_, offset_);
      offset_ += size;
      return true;
    }
    if (*found == Found::disabled) {
      complain_(fmt::format("'{}': the record at {} was disabled by Flume's integrity tool",
                            printable(window_.path()), offset_));
      offset_ += size;
      continue;
    }
    if (*found == Found::end) {
      if (window_.size() > kMaxFileBytes) {
        complain_(fmt::format("'{}' is larger than a file of Flume's: the rest is not read",
                              printable(window_.path())));
      }
      return false;
    }
    const Result<bool> unwritten = is_unwritten(offset_);
    if (!unwritten) {
      return unwritten.error();
    }
    if (*unwritten) {
      return false;
    }
    const Result<std::uint64_t> next = search(offset_ + 1);
    if (!next) {
      return next.error();
    }
    complain_(
        fmt::format("'{}': {} bytes at {} are damaged: what was put or taken there is not "
                    "known",
                    printable(window_.path()), *next - offset_, offset_));
    offset_ = *next;
  }
}

Result<std::string_view> payload_at(FileWindow& window, Pointer pointer, std::uint64_t most,
                                    std::string& why) {
  why.clear();
  const std::uint64_t offset = offset_of(pointer);
  const Result<std::string_view> frame = window.at(offset, kFrameBytes);
  if (!frame) {
    return frame;
  }
  if (frame->size() < kFrameBytes || static_cast<std::uint8_t>(frame->front()) != kRecord) {
    const bool is_disabled =
        frame->size() == kFrameBytes && static_cast<std::uint8_t>(frame->front()) == kDisabled;
    why = is_disabled ? "it was disabled by Flume's integrity tool" : "no record is there";
    return std::string_view();
  }
  const std::uint64_t length = length_in(*frame);
  if (length > window.size() - offset - kFrameBytes) {
    why = "it is cut off";
  } else if (length > most) {
    why = fmt::format("it has {} bytes, more than any event", length);
  }
  return why.empty() ? window.at(offset + kFrameBytes, static_cast<std::size_t>(length))
                     : Result<std::string_view>(std::string_view());
}

}  // namespace fl::flume
