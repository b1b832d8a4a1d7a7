#include "common/kafka/record_event.h"

#include <fmt/format.h>

#include <charconv>

#include "common/base/log.h"
#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::string_view kTimestamp = "timestamp";
constexpr std::string_view kPartition = "partition";
constexpr std::string_view kOffset = "offset";
constexpr std::string_view kKey = "key";
constexpr std::string_view kTombstone = "tombstone";
constexpr std::string_view kSchema = "schema.id";
constexpr std::size_t kPrefixBytes = 5;  // 0, and a number of four bytes

std::string where(const KafkaRecord& record) {
  return fmt::format("record {} of {} [{}]", record.offset, record.topic, record.partition);
}

std::optional<std::uint32_t> schema_of(std::string_view value) {
  if (value.size() < kPrefixBytes || value.front() != '\0') {
    return std::nullopt;
  }
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < kPrefixBytes; ++i) {
    id = id << 8 | static_cast<std::uint8_t>(value[i]);
  }
  return id;
}

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace

RecordEvent::RecordEvent(RecordRules rules, const EventLimits& limits)
    : rules_(std::move(rules)), limits_(limits) {}

// ---------------------------------------------------------------- headers

void RecordEvent::begin() {
  entries_.clear();
  map_.clear();
  fault_.clear();
  count_ = 0;
  has_timestamp_ = false;
  is_encoded_ = false;
}

void RecordEvent::put(std::string_view name, std::string_view value) {
  std::string plain_name;
  std::string plain_value;
  if (!is_valid_utf8(name)) {
    plain_name = utf8_escaped(name);
    name = plain_name;
  }
  if (!is_valid_utf8(value)) {
    plain_value = utf8_escaped(value);
    value = plain_value;
  }
  if (name.size() > limits_.name_bytes || value.size() > limits_.value_bytes) {
    fault_ = fmt::format("header '{}' is too long", printable(name.substr(0, 40)));
    return;
  }
  append_sized(entries_, name);
  append_sized(entries_, value);
  ++count_;
}

void RecordEvent::put_number(std::string_view name, std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  append_sized(entries_, name);
  append_sized(entries_, {digits, static_cast<std::size_t>(end - digits)});
  ++count_;
}

void RecordEvent::put_place(const KafkaRecord& record) {
  if (place_partition_ != record.partition || place_topic_ != record.topic) {
    place_partition_ = record.partition;
    place_topic_ = record.topic;
    entries_.swap(place_);
    const std::uint32_t before = count_;
    entries_.clear();
    if (!rules_.topic_header.empty()) {
      put(rules_.topic_header, record.topic);
    }
    if (rules_.sets_place) {
      put_number(kPartition, record.partition);
    }
    entries_.swap(place_);
    place_count_ = count_ - before;
    count_ = before;
    if (!fault_.empty()) {
      place_partition_ = -1;  // the next record has it, too
    }
  }
  entries_ += place_;
  count_ += place_count_;
}

void RecordEvent::close_block() {
  if (count_ == 0) {
    return;
  }
  append_varint(map_, -static_cast<std::int64_t>(count_));
  append_varint(map_, static_cast<std::int64_t>(entries_.size()));
  map_ += entries_;
}

// Set from the record itself, whatever a header of this name says.
bool RecordEvent::is_ours(std::string_view name, bool has_key) const {
  return (rules_.sets_place && (name == kPartition || name == kOffset)) ||
         (has_key && name == rules_.key_header) ||
         (!rules_.topic_header.empty() && name == rules_.topic_header);
}

void RecordEvent::take_headers(const KafkaRecord& record, bool has_key) {
  for (const auto& [name, value] : record.headers) {
    const auto renamed = rules_.renamed.find(name);
    if (renamed == rules_.renamed.end() && !rules_.takes_headers) {
      continue;
    }
    const std::string_view ours =
        renamed == rules_.renamed.end() ? name : std::string_view(renamed->second);
    if (renamed == rules_.renamed.end() && is_ours(ours, has_key)) {
      continue;
    }
    has_timestamp_ = has_timestamp_ || ours == kTimestamp;
    put(ours, value);
  }
}

// ---------------------------------------------------------------- events

RecordEvent::Outcome RecordEvent::make(const KafkaRecord& record) {
  if (!record.value) {
    ++counts_.tombstones;
    if (rules_.tombstones != KafkaPolicy::event) {
      return refuse(record, rules_.tombstones, "has no value (a tombstone)",
                    "--tombstones event makes it an event with an empty body, skip leaves it out");
    }
    return make_plain(record, {});
  }
  if (rules_.is_flume_event) {
    return make_flume(record);
  }
  std::string_view body = *record.value;
  if (schema_of(body)) {
    ++counts_.prefixes;
    if (rules_.registry_prefix == RegistryPrefix::reject) {
      return refuse(record, rules_.undecodable, "begins with the id of a schema",
                    "--registry-prefix keep or strip takes it");
    }
  } else if (rules_.registry_prefix == RegistryPrefix::strip) {
    ++counts_.undecodable;
    return refuse(record, rules_.undecodable, "does not begin with the id of a schema",
                  "--registry-prefix keep takes it as it is");
  }
  return make_plain(record, body);
}

RecordEvent::Outcome RecordEvent::make_plain(const KafkaRecord& record, std::string_view body) {
  begin();
  const bool strips = rules_.registry_prefix == RegistryPrefix::strip && record.value;
  if (!record.headers.empty()) {
    take_headers(record, record.key.has_value());
  }
  if (rules_.sets_place && !has_timestamp_ && record.timestamp >= 0) {
    put_number(kTimestamp, record.timestamp);
  }
  put_place(record);
  if (rules_.sets_place) {
    put_number(kOffset, record.offset);
  }
  if (record.key && !rules_.key_header.empty()) {
    put(rules_.key_header, *record.key);
  }
  if (!record.value) {
    put(kTombstone, "true");
  }
  if (strips) {
    put_number(kSchema, *schema_of(body));
    body.remove_prefix(kPrefixBytes);
  }
  if (fault_.empty() && body.size() > limits_.body_bytes) {
    fault_ = fmt::format("{} bytes exceed --max-event", body.size());
  }
  if (fault_.empty() && (count_ > limits_.headers || entries_.size() > limits_.header_bytes)) {
    fault_ = "too many headers";
  }
  if (!fault_.empty()) {
    ++counts_.undecodable;
    return refuse(record, rules_.undecodable, "cannot become an event: " + fault_, {});
  }
  close_block();
  map_.push_back('\0');
  body_ = body;
  return Outcome::made;
}

// Our headers go into a block of the map before the event, which is used as it is: a header that is
// there already stays.
RecordEvent::Outcome RecordEvent::make_flume(const KafkaRecord& record) {
  const std::string_view value = *record.value;
  const std::uint8_t* const begin_of = bytes_of(value);
  const std::uint8_t* const end_of = begin_of + value.size();
  Event event;
  const char* why = "";
  const std::uint8_t* const end = scan_whole_event(begin_of, end_of, limits_, event, why);
  if (end != end_of) {
    ++counts_.undecodable;
    return refuse(record, rules_.undecodable,
                  fmt::format("is not an AvroFlumeEvent: {}",
                              end == nullptr ? why : "something follows the event"),
                  rules_.raw_option + " takes values as they are");
  }
  begin();
  bool has_topic = rules_.topic_header.empty();
  bool has_partition = !rules_.sets_place;
  bool has_offset = !rules_.sets_place;
  std::uint32_t count = 0;
  std::string_view name;
  std::string_view text;
  for (HeaderCursor cursor(event); cursor.next(name, text); ++count) {
    has_timestamp_ = has_timestamp_ || name == kTimestamp;
    has_topic = has_topic || name == rules_.topic_header;
    has_partition = has_partition || name == kPartition;
    has_offset = has_offset || name == kOffset;
  }
  if (rules_.sets_place && !has_timestamp_ && record.timestamp >= 0) {
    put_number(kTimestamp, record.timestamp);
  }
  if (!has_topic) {
    put(rules_.topic_header, record.topic);
  }
  if (!has_partition) {
    put_number(kPartition, record.partition);
  }
  if (!has_offset) {
    put_number(kOffset, record.offset);
  }
  if (record.key && !rules_.key_header.empty() && !find_header(event, rules_.key_header)) {
    put(rules_.key_header, *record.key);
  }
  for (const auto& [of_record, header] : record.headers) {
    const auto renamed = rules_.renamed.find(of_record);
    const std::string_view ours =
        renamed == rules_.renamed.end() ? of_record : std::string_view(renamed->second);
    const bool is_wanted = renamed != rules_.renamed.end() || rules_.takes_headers;
    if (is_wanted && !is_ours(ours, record.key.has_value()) && ours != kTimestamp &&
        !find_header(event, ours)) {
      put(ours, header);
    }
  }
  if (fault_.empty() && (count + count_ > limits_.headers ||
                         event.map_size + entries_.size() > limits_.header_bytes)) {
    fault_ = "too many headers";
  }
  if (!fault_.empty()) {
    ++counts_.undecodable;
    return refuse(record, rules_.undecodable, "cannot become an event: " + fault_, {});
  }
  close_block();
  body_ = value;
  is_encoded_ = true;
  return Outcome::made;
}

bool RecordEvent::fits(const BlockBuilder& out) const {
  return out.fits(is_encoded_ ? map_.size() + body_.size() : BlockBuilder::event_size(map_, body_));
}

void RecordEvent::add(BlockBuilder& out) const {
  if (is_encoded_) {
    out.add_encoded(map_, body_);
  } else {
    out.add(map_, body_);
  }
}

// ---------------------------------------------------------------- what is not an event

RecordEvent::Outcome RecordEvent::refuse(const KafkaRecord& record, KafkaPolicy policy,
                                         std::string why, std::string hint) {
  if (policy == KafkaPolicy::skip) {
    ++counts_.skipped;
    return Outcome::skipped;
  }
  make_raw(record);
  if (hint.empty()) {
    hint = "--reject FILE keeps such records, --undecodable skip leaves them out";
  } else {
    hint += "; --reject FILE keeps such records";
  }
  why_ = {ErrorClass::input, where(record) + " " + why, std::move(hint)};
  return Outcome::rejected;
}

void RecordEvent::make_raw(const KafkaRecord& record) {
  Headers headers = {{"topic", std::string(record.topic)},
                     {std::string(kPartition), std::to_string(record.partition)},
                     {std::string(kOffset), std::to_string(record.offset)}};
  if (record.timestamp >= 0) {
    headers.emplace_back(kTimestamp, std::to_string(record.timestamp));
  }
  if (record.key) {
    std::string key = utf8_escaped(*record.key);
    if (key.size() <= limits_.value_bytes) {
      headers.emplace_back(kKey, std::move(key));
    }
  }
  raw_.clear();
  append_event(raw_, headers, record.value.value_or(std::string_view()));
}

}  // namespace fl
