#include "common/log/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "common/log/crc32c.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr std::size_t kHeaderUsed = 64;  // of a segment's header; zeros follow
constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kSegmentSuffix = ".seg";

template <typename Number>
void put(std::uint8_t* to, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    to[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

template <typename Number>
Number get(const std::uint8_t* from) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    value = static_cast<Number>(value | static_cast<Number>(Number{from[i]} << (8 * i)));
  }
  return value;
}

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

LogId id_at(const std::uint8_t* from) {
  LogId id;
  std::copy_n(from, id.size(), id.begin());
  return id;
}

// Over the used bytes of a segment's header, without the checksum itself.
std::uint32_t header_crc(const std::uint8_t* from) {
  return masked_crc(crc32c(crc32c(0, from, 12), from + 16, kHeaderUsed - 16));
}

std::uint32_t slot_crc(const std::uint8_t* from) {
  return masked_crc(crc32c(0, from + 4, kSlotBytes - 4));
}

Decoded check_slot(const std::uint8_t* from) {
  if (get<std::uint32_t>(from) != slot_crc(from)) {
    return Decoded::damaged;
  }
  return get<std::uint32_t>(from + 4) == kLogVersion ? Decoded::ok : Decoded::other_version;
}

// The part that both kinds of slot begin with.
void put_slot(std::uint8_t* to, std::uint64_t counter, const LogId& log) {
  put(to + 4, kLogVersion);
  put(to + 8, counter);
  std::copy(log.begin(), log.end(), to + 16);
}

std::uint32_t record_crc(const std::uint8_t* header, std::string_view payload) {
  const std::uint32_t crc = crc32c(0, header + 4, kRecordHeaderBytes - 4);
  return masked_crc(crc32c(crc, payload.data(), payload.size()));
}

}  // namespace

std::string segment_name(std::uint64_t first_sequence) {
  return fmt::format("{:0{}}{}", first_sequence, kNameDigits, kSegmentSuffix);
}

std::optional<std::uint64_t> segment_of_name(std::string_view name) {
  if (name.size() != kNameDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : name.substr(0, kNameDigits)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) {
      return std::nullopt;
    }
    value = value * 10 + digit;
  }
  return value;
}

bool is_group_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::string encode(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  auto* to = reinterpret_cast<std::uint8_t*>(bytes.data());
  std::memcpy(to, kSegmentMagic.data(), kSegmentMagic.size());
  put(to + 8, kLogVersion);
  std::copy(header.log.begin(), header.log.end(), to + 16);
  put(to + 32, header.segment_id);
  put(to + 40, header.first_sequence);
  put(to + 48, header.created_ms);
  put(to + 56, header.stale_bytes);
  put(to + 12, header_crc(to));
  return bytes;
}

Decoded decode(std::string_view bytes, SegmentHeader& header) {
  const std::uint8_t* const from = bytes_of(bytes);
  if (bytes.size() < kHeaderUsed || bytes.substr(0, kSegmentMagic.size()) != kSegmentMagic ||
      get<std::uint32_t>(from + 12) != header_crc(from)) {
    return Decoded::damaged;
  }
  if (get<std::uint32_t>(from + 8) != kLogVersion) {
    return Decoded::other_version;
  }
  header.log = id_at(from + 16);
  header.segment_id = get<std::uint64_t>(from + 32);
  header.first_sequence = get<std::uint64_t>(from + 40);
  header.created_ms = get<std::uint64_t>(from + 48);
  header.stale_bytes = get<std::uint64_t>(from + 56);
  return header.segment_id == 0 ? Decoded::damaged : Decoded::ok;
}

void encode(const RecordHeader& header, std::string_view payload, std::uint8_t* to) {
  put(to + 4, header.length);
  put(to + 8, header.segment_id);
  put(to + 16, header.first_sequence);
  put(to + 24, header.count);
  put(to + 28, static_cast<std::uint16_t>(header.kind));
  put(to + 30, header.flags);
  put(to + 32, header.time_ms);
  put(to, record_crc(to, payload));
}

bool decode(const std::uint8_t* from, RecordHeader& header) {
  header.crc = get<std::uint32_t>(from);
  header.length = get<std::uint32_t>(from + 4);
  header.segment_id = get<std::uint64_t>(from + 8);
  header.first_sequence = get<std::uint64_t>(from + 16);
  header.count = get<std::uint32_t>(from + 24);
  const auto kind = get<std::uint16_t>(from + 28);
  header.kind = static_cast<RecordKind>(kind);
  header.flags = get<std::uint16_t>(from + 30);
  header.time_ms = get<std::uint64_t>(from + 32);
  return header.length >= 1 && header.length <= kMaxPayload && header.segment_id != 0 &&
         kind >= 1 && kind <= 3 && (header.kind == RecordKind::positions) == (header.count == 0) &&
         header.first_sequence <= UINT64_MAX - header.count;
}

bool checks(const std::uint8_t* from, const RecordHeader& header) {
  const std::string_view payload(reinterpret_cast<const char*>(from) + kRecordHeaderBytes,
                                 header.length);
  return header.crc == record_crc(from, payload);
}

SlotBytes encode(const HeadSlot& slot) {
  SlotBytes bytes{};
  std::uint8_t* const to = bytes.data();
  put_slot(to, slot.counter, slot.log);
  put(to + 32, slot.durable_sequence);
  put(to + 40, slot.segment_first);
  put(to + 48, slot.durable_offset);
  put(to + 56, slot.positions_offset);
  put(to, slot_crc(to));
  return bytes;
}

SlotBytes encode(const CursorSlot& slot) {
  SlotBytes bytes{};
  std::uint8_t* const to = bytes.data();
  put_slot(to, slot.counter, slot.log);
  put(to + 32, slot.next_sequence);
  put(to + 40, slot.moved_ms);
  put(to + 48, slot.created_ms);
  put(to, slot_crc(to));
  return bytes;
}

Decoded decode(std::string_view bytes, HeadSlot& slot) {
  const std::uint8_t* const from = bytes_of(bytes);
  const Decoded how = check_slot(from);
  if (how == Decoded::ok) {
    slot.counter = get<std::uint64_t>(from + 8);
    slot.log = id_at(from + 16);
    slot.durable_sequence = get<std::uint64_t>(from + 32);
    slot.segment_first = get<std::uint64_t>(from + 40);
    slot.durable_offset = get<std::uint64_t>(from + 48);
    slot.positions_offset = get<std::uint64_t>(from + 56);
  }
  return how;
}

Decoded decode(std::string_view bytes, CursorSlot& slot) {
  const std::uint8_t* const from = bytes_of(bytes);
  Decoded how = check_slot(from);
  if (seeded(Bug::cursor_unchecked) && get<std::uint64_t>(from + 8) != 0) {
    how = Decoded::ok;
  }
  if (how == Decoded::ok) {
    slot.counter = get<std::uint64_t>(from + 8);
    slot.log = id_at(from + 16);
    slot.next_sequence = get<std::uint64_t>(from + 32);
    slot.moved_ms = get<std::uint64_t>(from + 40);
    slot.created_ms = get<std::uint64_t>(from + 48);
  }
  return how;
}

}  // namespace fl
