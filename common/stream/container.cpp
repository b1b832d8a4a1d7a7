#include "common/stream/container.h"

#include <algorithm>
#include <cstring>

#include "common/base/log.h"
#include "common/base/random.h"
#include "common/event/varint.h"
#include "common/json/json.h"

namespace fl {
namespace {

Error damaged(std::string text) { return {ErrorClass::input, std::move(text), {}}; }

// A cursor over bytes that may not all be there yet.
struct Cursor {
  const std::uint8_t* p;
  const std::uint8_t* end;
  bool cut = false;  // ended for lack of bytes
  bool bad = false;  // no further bytes can help

  bool number(std::int64_t& value) {
    const std::uint8_t* next = read_varint(p, end, value, &cut);
    if (next == nullptr) {
      bad = !cut;
      return false;
    }
    p = next;
    return true;
  }
  bool text(std::string& out, std::size_t limit) {
    std::int64_t size = 0;
    if (!number(size)) {
      return false;
    }
    if (size < 0 || static_cast<std::uint64_t>(size) > limit) {
      bad = true;
      return false;
    }
    if (end - p < size) {
      cut = true;
      return false;
    }
    out.assign(reinterpret_cast<const char*>(p), static_cast<std::size_t>(size));
    p += size;
    return true;
  }
};

bool is_key(std::string_view key) {
  return is_valid_utf8(key) && std::none_of(key.begin(), key.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20;
         });
}

bool parse_metadata(Cursor& in, Metadata& metadata) {
  for (;;) {
    std::int64_t count = 0;
    if (!in.number(count)) {
      return false;
    }
    if (count == 0) {
      return true;
    }
    if (count < 0) {
      std::int64_t size = 0;
      if (!in.number(size)) {
        return false;
      }
      count = count == INT64_MIN ? INT64_MAX : -count;
    }
    for (; count > 0; --count) {
      std::string key;
      std::string value;
      if (!in.text(key, kMaxHeaderBytes) || !in.text(value, kMaxHeaderBytes)) {
        return false;
      }
      metadata.emplace_back(std::move(key), std::move(value));
      // A flipped length makes keys and values out of blocks; no key has control characters.
      const auto& [name, text] = metadata.back();
      const bool is_text = name.starts_with("avro.") || name.starts_with("fl.");
      if (metadata.size() > 1000 || !is_key(name) || (is_text && !is_valid_utf8(text))) {
        in.bad = true;
        return false;
      }
    }
  }
}

// `type` is `name` or an object of that type (which may carry properties such as avro.java.string).
bool is_type(const Json* type, std::string_view name) {
  if (type == nullptr) {
    return false;
  }
  if (type->is_string(name)) {
    return true;
  }
  const Json* inner = type->find("type");
  return inner != nullptr && inner->is_string(name);
}

bool is_event_schema(const Json& schema) {
  const Json* name = schema.find("name");
  const Json* fields = schema.find("fields");
  if (!is_type(&schema, "record") || name == nullptr || fields == nullptr ||
      fields->items.size() != 2) {
    return false;
  }
  const std::string_view full = name->string;
  const std::string_view last = full.substr(full.rfind('.') + 1);
  const Json& headers = fields->items[0];
  const Json& body = fields->items[1];
  const Json* headers_name = headers.find("name");
  const Json* body_name = body.find("name");
  const Json* map = headers.find("type");
  return (last == "Event" || last == "AvroFlumeEvent") && headers_name != nullptr &&
         headers_name->is_string("headers") && body_name != nullptr &&
         body_name->is_string("body") && is_type(map, "map") &&
         is_type(map->find("values"), "string") && is_type(body.find("type"), "bytes");
}

}  // namespace

Marker random_marker() {
  Marker marker;
  const std::string bytes = random_bytes(marker.size());
  std::memcpy(marker.data(), bytes.data(), marker.size());
  return marker;
}

std::string container_header(const Metadata& metadata, const Marker& marker) {
  std::string out(kMagic);
  append_varint(out, static_cast<std::int64_t>(metadata.size()));
  for (const auto& [key, value] : metadata) {
    append_sized(out, key);
    append_sized(out, value);
  }
  out.push_back('\0');
  out.append(reinterpret_cast<const char*>(marker.data()), marker.size());
  return out;
}

Metadata event_metadata(Metadata more, std::string_view codec) {
  Metadata all{{"avro.schema", std::string(kEventSchema)}, {"avro.codec", std::string(codec)}};
  for (auto& entry : more) {
    all.push_back(std::move(entry));
  }
  return all;
}

std::string_view frame_block(Block& block, const Marker& marker) {
  std::uint8_t head[2 * kMaxVarint];
  std::uint8_t* end = write_varint(head, static_cast<std::int64_t>(block.count));
  end = write_varint(end, static_cast<std::int64_t>(block.size));
  const auto head_size = static_cast<std::size_t>(end - head);
  std::uint8_t* const begin = block.data - head_size;
  std::memcpy(begin, head, head_size);
  std::memcpy(block.data + block.size, marker.data(), marker.size());
  return {reinterpret_cast<const char*>(begin), head_size + block.size + marker.size()};
}

std::string_view ContainerHeader::find(std::string_view key) const {
  std::string_view found;
  for (const auto& [name, value] : metadata) {
    if (name == key) {
      found = value;
    }
  }
  return found;
}

Result<std::size_t> parse_container_header(std::string_view bytes, ContainerHeader& header) {
  const std::string_view start = bytes.substr(0, kMagic.size());
  if (start != kMagic.substr(0, start.size())) {
    Error error = damaged("not a stream: it does not begin with an Avro container's magic");
    error.hint = "lines of text are read without --stream";
    return error;
  }
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (bytes.size() < kMagic.size()) {
    return std::size_t{0};
  }
  Cursor in{begin + kMagic.size(), begin + bytes.size()};
  header.metadata.clear();
  const bool whole = parse_metadata(in, header.metadata);
  if (in.bad) {
    return damaged("the stream's header is damaged");
  }
  if (!whole || in.end - in.p < static_cast<std::ptrdiff_t>(header.marker.size())) {
    if (bytes.size() > kMaxHeaderBytes) {
      return damaged("the stream's header is longer than 512 KiB");
    }
    return std::size_t{0};
  }
  std::memcpy(header.marker.data(), in.p, header.marker.size());
  return static_cast<std::size_t>(in.p - begin) + header.marker.size();
}

Status check_event_schema(std::string_view json) {
  if (json == kEventSchema) {
    return {};
  }
  if (json.empty()) {
    return damaged("the stream's header has no schema");
  }
  const Result<Json> schema = parse_json(json);
  if (!schema) {
    return damaged("the stream's schema is " + schema.error().message);
  }
  if (is_event_schema(*schema)) {
    return {};
  }
  const Json* name = schema->find("name");
  Error error = damaged("the input is an Avro container of another schema" +
                        (name != nullptr ? " ('" + printable(name->string) + "')" : std::string()) +
                        " than an event's");
  error.hint = "to make an event of each of its records, as JSON: avrocat FILE | fl-source stdin";
  return error;
}

}  // namespace fl
