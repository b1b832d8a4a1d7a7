// A record of Kafka as an event.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/stream/block_builder.h"

namespace fl {

/// Views into whatever holds the record.
struct KafkaRecord {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp = -1;  ///< milliseconds since 1970; -1: it has none
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  ///< none: a tombstone
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

enum class KafkaPolicy { event, skip, reject };
enum class RegistryPrefix { keep, strip, reject };

struct RecordRules {
  std::string topic_header = "topic";  ///< empty: none
  bool takes_headers = true;           ///< all headers of the record, not only those in `renamed`
  bool sets_place = true;              ///< partition, offset and time of the record become headers
  std::string key_header = "key";      ///< gets the key of the record
  std::map<std::string, std::string, std::less<>> renamed = {};  ///< of the record: of the event
  bool is_flume_event = false;                                   ///< the value is an AvroFlumeEvent
  KafkaPolicy tombstones = KafkaPolicy::event;
  KafkaPolicy undecodable = KafkaPolicy::reject;  ///< skip or reject
  RegistryPrefix registry_prefix = RegistryPrefix::keep;
  std::string raw_option = "--use-flume-event-format=false";  ///< takes values as they are
};

/// One event at a time: make() makes it, then it is added to a block once that has room. Its bytes
/// are partly those of the record.
class RecordEvent {
 public:
  enum class Outcome {
    made,
    skipped,
    rejected,  ///< why() says why, and raw() is the event for --reject
  };
  struct Counts {
    std::uint64_t tombstones = 0;
    std::uint64_t undecodable = 0;
    std::uint64_t prefixes = 0;  ///< values that begin as one of a schema registry
    std::uint64_t skipped = 0;
  };

  RecordEvent(RecordRules rules, const EventLimits& limits);

  Outcome make(const KafkaRecord& record);
  bool fits(const BlockBuilder& out) const;
  void add(BlockBuilder& out) const;

  /// Whether headers of records matter to it.
  bool wants_headers() const { return rules_.takes_headers || !rules_.renamed.empty(); }

  const Error& why() const { return why_; }
  /// The value as it is, with the headers that say where it was.
  const std::string& raw() const { return raw_; }
  const Counts& counts() const { return counts_; }

 private:
  Outcome refuse(const KafkaRecord& record, KafkaPolicy policy, std::string why, std::string hint);
  void make_raw(const KafkaRecord& record);
  Outcome make_plain(const KafkaRecord& record, std::string_view body);
  Outcome make_flume(const KafkaRecord& record);
  void take_headers(const KafkaRecord& record, bool has_key);
  void begin();
  void put(std::string_view name, std::string_view value);
  void put_number(std::string_view name, std::int64_t value);
  void put_place(const KafkaRecord& record);
  void close_block();
  bool is_ours(std::string_view name, bool has_key) const;

  const RecordRules rules_;
  const EventLimits limits_;
  Counts counts_;

  // The headers of the last partition, which are mostly those of the next record, too.
  std::string place_;
  std::string place_topic_;
  std::int32_t place_partition_ = -1;
  std::uint32_t place_count_ = 0;

  // Of the event being made: one block of a map.
  std::string entries_;
  std::uint32_t count_ = 0;
  std::string fault_;  // of its headers
  bool has_timestamp_ = false;

  // The event: `map_` and `body_`, or `map_` and an encoded event.
  std::string map_;
  std::string_view body_;
  bool is_encoded_ = false;

  Error why_;
  std::string raw_;
};

}  // namespace fl
