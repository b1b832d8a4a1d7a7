// The contents of the files of a file channel of Flume 1.4 to 1.11 (format version 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl::flume {

inline constexpr std::uint64_t kVersion = 3;

/// The byte before each record.
inline constexpr std::uint8_t kRecord = 0x7F;
inline constexpr std::uint8_t kDisabled = 0x00;  ///< by Flume's integrity tool
inline constexpr std::uint8_t kFiller = 0x80;    ///< nothing is written from here on
/// That byte and the length of what follows.
inline constexpr std::size_t kFrameBytes = 5;
/// An event is found by its pointer, which has 32 bits for the offset.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 32;

/// Where an event is: the file's number and the offset of its record.
using Pointer = std::uint64_t;
constexpr Pointer pointer_to(std::uint64_t file, std::uint64_t offset) {
  return file << 32 | (offset & 0xFFFFFFFF);
}
constexpr std::uint32_t file_of(Pointer pointer) {
  return static_cast<std::uint32_t>(pointer >> 32);
}
constexpr std::uint32_t offset_of(Pointer pointer) { return static_cast<std::uint32_t>(pointer); }

enum class Kind : std::uint8_t { put = 1, take = 2, rollback = 3, commit = 4 };

/// A record, except for the event of a put.
struct Record {
  Kind kind = Kind::put;
  std::uint64_t transaction = 0;
  std::uint64_t order = 0;     ///< in which all records of a channel were made
  Pointer taken = 0;           ///< of a take
  bool commits_takes = false;  ///< of a commit: of takes, or else of puts
};

/// Enough of a payload for decode_record() to see all but the event of a put.
inline constexpr std::size_t kRecordHeadBytes = 128;

/// `payload`: the first bytes of `size`, at least kRecordHeadBytes of them or all. Nothing: it is
/// not a record.
std::optional<Record> decode_record(std::string_view payload, std::uint64_t size);

/// Loads zlib, which computes the checksums of events; before that decode_event() refuses events
/// that have one. Errors: class config.
Status load_checksum();

/// The event of a put, appended to `out` as a stream has it, with `headers` as scratch. The reason
/// if it is damaged; empty: it is not.
std::string decode_event(std::string_view payload, Headers& headers, std::string& out);

/// log-N.meta
struct FileMeta {
  std::uint64_t file = 0;
  std::uint64_t position = 0;  ///< up to which the checkpoint knows the file
  std::uint64_t order = 0;     ///< of that checkpoint
  std::uint64_t backup_position = 0;
  std::uint64_t backup_order = 0;
  std::string encryption;  ///< the key's alias if it is encrypted
  bool is_encrypted = false;
};
/// Errors: class input.
Result<FileMeta> decode_file_meta(std::string_view bytes);

/// checkpoint.meta
struct CheckpointMeta {
  std::uint64_t order = 0;
  std::uint64_t size = 0;
  std::uint64_t head = 0;
};
Result<CheckpointMeta> decode_checkpoint_meta(std::string_view bytes);

/// The number in "log-N"; nothing: it is not a data file.
std::optional<std::uint32_t> file_number(std::string_view name);

}  // namespace fl::flume
