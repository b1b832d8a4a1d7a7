#include "tools/fl-channel/import_flume/flume_format.h"

#include <zlib.h>

#include <fmt/format.h>

#include "common/base/shared_library.h"
#include "tools/fl-channel/import_flume/protobuf.h"

namespace fl::flume {
namespace {

using Crc = decltype(&::crc32_z);

Result<Crc> load_crc() {
  Crc found = nullptr;
  Result<SharedLibrary> zlib = SharedLibrary::load("libz.so.1", "zlib1g");
  if (!zlib) {
    return zlib.error();
  }
  zlib->find("crc32_z", found);
  const Status status = zlib->status();
  return status ? Result<Crc>(found) : Result<Crc>(status.error());
}

const Result<Crc>& crc() {
  static const Result<Crc> loaded = load_crc();
  return loaded;
}

Error not_readable(const char* why) { return {ErrorClass::input, why}; }

// One message with its length before it, and nothing else.
std::optional<std::string_view> only_message(std::string_view bytes) {
  const std::optional<std::string_view> message = take_sized(bytes);
  return bytes.empty() ? message : std::nullopt;
}

// Gives each field but the version, number 1, to `take`. Returns the version; nothing: unreadable.
template <typename Take>
std::optional<std::uint64_t> read_meta(std::string_view bytes, const Take& take) {
  const std::optional<std::string_view> message = only_message(bytes);
  if (!message) {
    return std::nullopt;
  }
  std::uint64_t version = 0;
  ProtoFields fields(*message);
  while (fields.next()) {
    if (fields.number() == 1) {
      version = fields.value();
    } else {
      take(fields);
    }
  }
  return fields.ok() ? std::optional(version) : std::nullopt;
}

bool decode_head(std::string_view message, Record& record) {
  std::uint64_t kind = 0;
  int found = 0;
  ProtoFields fields(message);
  while (fields.next()) {
    if (fields.number() >= 1 && fields.number() <= 3 && !fields.is_fixed()) {
      return false;
    }
    switch (fields.number()) {
      case 1:
        kind = fields.value();
        found |= 1;
        break;
      case 2:
        record.transaction = fields.value();
        found |= 2;
        break;
      case 3:
        record.order = fields.value();
        found |= 4;
        break;
      default:
        break;
    }
  }
  record.kind = static_cast<Kind>(kind);
  return fields.ok() && found == 7 && kind >= 1 && kind <= 4;
}

bool decode_take(std::string_view message, Record& record) {
  std::uint64_t file = 0;
  std::uint64_t offset = 0;
  int found = 0;
  ProtoFields fields(message);
  while (fields.next()) {
    if (fields.number() == 1 && fields.is_fixed()) {
      file = fields.value();
      found |= 1;
    } else if (fields.number() == 2 && fields.is_fixed()) {
      offset = fields.value();
      found |= 2;
    }
  }
  record.taken = pointer_to(file & 0xFFFFFFFF, offset);
  return fields.ok() && found == 3;
}

bool decode_commit(std::string_view message, Record& record) {
  std::uint64_t type = 0;
  ProtoFields fields(message);
  while (fields.next()) {
    if (fields.number() == 1) {
      type = fields.value();
    }
  }
  record.commits_takes = type == static_cast<std::uint64_t>(Kind::take);
  return fields.ok() && (record.commits_takes || type == static_cast<std::uint64_t>(Kind::put));
}

// What is wrong with a header; nullptr: nothing.
const char* add_header(std::string_view message, Headers& headers) {
  std::string_view key;
  std::string_view value;  // Flume writes none for null
  bool has_key = false;
  ProtoFields fields(message);
  while (fields.next()) {
    if (fields.number() == 1 && fields.is_bytes()) {
      key = fields.bytes();
      has_key = true;
    } else if (fields.number() == 2 && fields.is_bytes()) {
      value = fields.bytes();
    }
  }
  if (!fields.ok() || !has_key) {
    return "a header cannot be read";
  }
  if (!is_valid_utf8(key) || !is_valid_utf8(value)) {
    return "a header is not UTF-8";
  }
  headers.emplace_back(key, value);
  return nullptr;
}

}  // namespace

std::optional<Record> decode_record(std::string_view payload, std::uint64_t size) {
  Record record;
  std::string_view rest = payload;
  const std::optional<std::string_view> head = take_sized(rest);
  if (!head || !decode_head(*head, record)) {
    return std::nullopt;
  }
  std::string_view body = rest;
  const std::optional<std::uint64_t> length = take_varint(body);
  const std::uint64_t before = payload.size() - body.size();
  // After the body comes an empty footer: its length.
  if (!length || *length >= size || before + *length + 1 != size) {
    return std::nullopt;
  }
  if (record.kind == Kind::put || record.kind == Kind::rollback) {
    return record;
  }
  if (*length > body.size()) {
    return std::nullopt;
  }
  body = body.substr(0, static_cast<std::size_t>(*length));
  const bool fine =
      record.kind == Kind::take ? decode_take(body, record) : decode_commit(body, record);
  return fine ? std::optional(record) : std::nullopt;
}

Status load_checksum() { return crc() ? Status() : Status(crc().error()); }

std::string decode_event(std::string_view payload, Headers& headers, std::string& out) {
  const std::optional<std::string_view> head = take_sized(payload);
  const std::optional<std::string_view> put = take_sized(payload);
  const std::optional<std::string_view> footer = take_sized(payload);
  Record record;
  if (!head || !put || !footer || !payload.empty() || !decode_head(*head, record) ||
      record.kind != Kind::put) {
    return "no put is there";
  }
  std::optional<std::string_view> event;
  std::optional<std::uint64_t> checksum;
  ProtoFields fields(*put);
  while (fields.next()) {
    if (fields.number() == 1 && fields.is_bytes()) {
      event = fields.bytes();
    } else if (fields.number() == 2 && fields.is_fixed()) {
      checksum = fields.value();
    }
  }
  if (!fields.ok() || !event) {
    return "it cannot be read";
  }
  headers.clear();
  std::string_view body;
  ProtoFields parts(*event);
  while (parts.next()) {
    if (parts.number() == 1 && parts.is_bytes()) {
      if (const char* const why = add_header(parts.bytes(), headers)) {
        return why;
      }
    } else if (parts.number() == 2 && parts.is_bytes()) {
      body = parts.bytes();
    }
  }
  if (!parts.ok()) {
    return "it cannot be read";
  }
  if (checksum && !crc()) {
    return "its checksum cannot be computed";
  }
  if (checksum && *checksum != (*crc())(0, reinterpret_cast<const Bytef*>(body.data()),
                                        static_cast<z_size_t>(body.size()))) {
    return "its checksum is wrong";
  }
  append_event(out, headers, body);
  return {};
}

Result<FileMeta> decode_file_meta(std::string_view bytes) {
  FileMeta meta;
  const std::optional<std::uint64_t> version = read_meta(bytes, [&meta](ProtoFields& fields) {
    switch (fields.number()) {
      case 2:
        meta.file = fields.value();
        break;
      case 3:
        meta.position = fields.value();
        break;
      case 4:
        meta.order = fields.value();
        break;
      case 5: {
        meta.is_encrypted = true;
        ProtoFields parts(fields.bytes());
        while (parts.next()) {
          if (parts.number() == 2) {
            meta.encryption = parts.bytes();
          }
        }
        break;
      }
      case 6:
        meta.backup_position = fields.value();
        break;
      case 7:
        meta.backup_order = fields.value();
        break;
      default:
        break;
    }
  });
  if (!version) {
    return not_readable("cannot be read");
  }
  if (*version != kVersion) {
    return Error{ErrorClass::input, fmt::format("has the format {}; only {} is known, of Flume "
                                                "1.4 to 1.11",
                                                *version, kVersion)};
  }
  return meta;
}

Result<CheckpointMeta> decode_checkpoint_meta(std::string_view bytes) {
  CheckpointMeta meta;
  const std::optional<std::uint64_t> version = read_meta(bytes, [&meta](ProtoFields& fields) {
    switch (fields.number()) {
      case 2:
        meta.order = fields.value();
        break;
      case 3:
        meta.size = fields.value();
        break;
      case 4:
        meta.head = fields.value();
        break;
      default:
        break;
    }
  });
  if (version != kVersion) {
    return not_readable(version ? "has another format" : "cannot be read");
  }
  return meta;
}

std::optional<std::uint32_t> file_number(std::string_view name) {
  constexpr std::string_view kPrefix = "log-";
  if (!name.starts_with(kPrefix) || name.size() == kPrefix.size() || name.size() > 14) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  for (const char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number <= 0x7FFFFFFF ? std::optional(static_cast<std::uint32_t>(number)) : std::nullopt;
}

}  // namespace fl::flume
