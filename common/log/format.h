// What is on disk: the numbers of fl-log(5), and how they are read and written. None of them may
// ever change; another layout is another version. Numbers are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fl {

using LogId = std::array<std::uint8_t, 16>;

inline constexpr std::uint32_t kLogVersion = 1;

// ---------------------------------------------------------------- names

inline constexpr const char* kLockName = "lock";
inline constexpr const char* kHeadName = "head";
inline constexpr const char* kGroupsName = "groups";
inline constexpr const char* kGroupsLockName = "groups/.lock";
inline constexpr const char* kQuarantineName = "quarantine";
/// A segment that nobody needs any more, to be overwritten.
inline constexpr const char* kSpareName = "spare";

/// "00000000000000000042.seg"
std::string segment_name(std::uint64_t first_sequence);
/// The first sequence in a segment's name; nothing: it is not a segment.
std::optional<std::uint64_t> segment_of_name(std::string_view name);
/// 1 to 64 letters, digits, '_', '-', '.', not beginning with '.'.
bool is_group_name(std::string_view name);

// ---------------------------------------------------------------- segments

inline constexpr std::string_view kSegmentMagic{"fl-log\r\n", 8};
/// The first record's offset: the header precedes it, and zeros.
inline constexpr std::size_t kSegmentHeaderBytes = 4096;

struct SegmentHeader {
  LogId log{};
  std::uint64_t segment_id = 0;  ///< random in each life of a file, never 0
  std::uint64_t first_sequence = 0;
  std::uint64_t created_ms = 0;  ///< since 1970
  /// The file's length when this life of it began: what no record of this life has overwritten is
  /// of an earlier one.
  std::uint64_t stale_bytes = 0;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

/// What a slot or a header turned out to be.
enum class Decoded { ok, damaged, other_version };

/// All kSegmentHeaderBytes.
std::string encode(const SegmentHeader& header);
/// `bytes`: at least the first 64.
Decoded decode(std::string_view bytes, SegmentHeader& header);

// ---------------------------------------------------------------- records

inline constexpr std::size_t kRecordHeaderBytes = 40;
inline constexpr std::size_t kRecordAlign = 8;
/// The longest payload: the largest block that a stage takes (64 MiB and headers), and some room.
inline constexpr std::uint32_t kMaxPayload = 96u << 20;

enum class RecordKind : std::uint16_t {
  block = 1,      ///< the events of one block of a stream, as fl-stream(5) has them
  positions = 2,  ///< where the sources are; the newest one counts
  gap = 3,        ///< events that are missing, and why, in words
};

/// A flag: the record counts only together with the one that follows it. The two are written,
/// synced and published in one step.
inline constexpr std::uint16_t kFlagHasSecond = 0x10;

struct RecordHeader {
  std::uint32_t crc = 0;  ///< masked
  std::uint32_t length = 0;
  std::uint64_t segment_id = 0;
  std::uint64_t first_sequence = 0;
  std::uint32_t count = 0;  ///< sequence numbers that it takes; 0 for positions
  RecordKind kind = RecordKind::block;
  std::uint16_t flags = 0;  ///< low 4 bits: the payload's codec; kFlagHasSecond
  std::uint64_t time_ms = 0;

  std::uint64_t end_sequence() const { return first_sequence + count; }
};

/// The payload and its padding.
constexpr std::uint64_t padded(std::uint64_t length) {
  return (length + kRecordAlign - 1) & ~std::uint64_t{kRecordAlign - 1};
}
/// From one record to the next.
constexpr std::uint64_t record_bytes(std::uint64_t length) {
  return kRecordHeaderBytes + padded(length);
}

/// Writes the header into `to` (kRecordHeaderBytes), with the checksum over it and `payload`.
void encode(const RecordHeader& header, std::string_view payload, std::uint8_t* to);
/// Reads the numbers at `from` (kRecordHeaderBytes). False: no record can begin like this, whatever
/// follows. True says nothing about the payload.
bool decode(const std::uint8_t* from, RecordHeader& header);
/// The checksum holds; `from` is followed by the payload.
bool checks(const std::uint8_t* from, const RecordHeader& header);

// ---------------------------------------------------------------- slots

inline constexpr std::size_t kSlotBytes = 64;
inline constexpr std::size_t kHeadBytes = 8192;
inline constexpr std::size_t kHeadSlotDistance = 4096;
inline constexpr std::size_t kCursorSlotDistance = 64;
/// After a cursor's slots: the text of the lock's holder.
inline constexpr std::size_t kCursorHolderOffset = 128;
inline constexpr std::size_t kCursorBytes = 512;

/// In `head`: how far the log is durable.
struct HeadSlot {
  std::uint64_t counter = 0;  ///< odd: slot A, even: slot B; the higher one counts
  LogId log{};
  std::uint64_t durable_sequence = 0;  ///< the first number that is not durable
  std::uint64_t segment_first = 0;     ///< the segment in use
  std::uint64_t durable_offset = 0;    ///< in that segment
  std::uint64_t positions_offset = 0;  ///< of the newest positions in that segment; 0: none

  friend bool operator==(const HeadSlot&, const HeadSlot&) = default;
};

/// In groups/NAME: how far a group has got.
struct CursorSlot {
  std::uint64_t counter = 0;
  LogId log{};
  std::uint64_t next_sequence = 0;  ///< all before it are acknowledged
  std::uint64_t moved_ms = 0;       ///< since 1970
  std::uint64_t created_ms = 0;

  friend bool operator==(const CursorSlot&, const CursorSlot&) = default;
};

using SlotBytes = std::array<std::uint8_t, kSlotBytes>;

SlotBytes encode(const HeadSlot& slot);
SlotBytes encode(const CursorSlot& slot);
/// `bytes`: kSlotBytes.
Decoded decode(std::string_view bytes, HeadSlot& slot);
Decoded decode(std::string_view bytes, CursorSlot& slot);

/// The newer of the two valid slots in a file's bytes, which may be too short; they are `distance`
/// apart. Decoded::damaged: neither is valid.
template <typename Slot>
Decoded newest_slot(std::string_view file, std::size_t distance, Slot& slot) {
  Decoded found = Decoded::damaged;
  for (std::size_t i = 0; i < 2; ++i) {
    if (file.size() < i * distance + kSlotBytes) {
      break;
    }
    Slot one;
    const Decoded how = decode(file.substr(i * distance, kSlotBytes), one);
    if (how == Decoded::ok && (found != Decoded::ok || one.counter > slot.counter)) {
      slot = one;
      found = how;
    } else if (how == Decoded::other_version && found == Decoded::damaged) {
      found = how;
    }
  }
  return found;
}

/// The slot beside the newest valid one, which has this counter, was written and does not hold: it
/// may have been the newer one.
inline bool has_lost_slot(std::string_view file, std::size_t distance, std::uint64_t counter) {
  const std::size_t at = counter % 2 == 0 ? 0 : distance;
  if (file.size() < at + kSlotBytes) {
    return true;  // both have their place from the start
  }
  const std::string_view other = file.substr(at, kSlotBytes);
  HeadSlot slot;  // both kinds are checked alike
  return other.find_first_not_of('\0') == std::string_view::npos
             ? counter > 1
             : decode(other, slot) == Decoded::damaged;
}

/// The counter of a slot that is to be written after the one with `counter`. A slot that is not
/// `synced` is overwritten; so one that is on disk stays until another is, and survives a power
/// loss that tears the one being written.
constexpr std::uint64_t next_counter(std::uint64_t counter, bool synced) {
  return counter + (synced ? 1 : 2);
}

/// The offset of the slot with this counter.
constexpr std::uint64_t slot_offset(std::uint64_t counter, std::size_t distance) {
  return counter % 2 == 1 ? 0 : distance;
}

}  // namespace fl
