// The kafka sink: events become messages, delivery reports become acknowledgements.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/component/component.h"
#include "common/kafka/client.h"
#include "common/kafka/flume_event.h"
#include "common/kafka/held_events.h"
#include "common/kafka/outbox.h"
#include "common/kafka/sink_options.h"
#include "common/kafka/topics.h"
#include "common/net/repeated_warning.h"
#include "common/net/retry.h"

namespace fl {

/// The library has the queue, sends, tries again and keeps the order of each partition; the sink
/// has the bytes until they have arrived. An event is safe when it and all before it are: one
/// partition that is late holds back the rest.
///
/// Brokers refuse messages by the batch, which the library has put together. So what is refused for
/// its size or contents is sent again in ever smaller groups, when everything else has arrived;
/// what is refused alone is a dead letter.
class KafkaSink final : public Sink {
 public:
  explicit KafkaSink(KafkaSinkOptions options) : options_(std::move(options)) {}
  ~KafkaSink() override;

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  Status deliver(const Batch& batch) override;
  bool ready() const override {
    return held_.bytes() < max_held_ && unsent_.empty() && refused_events_.empty() && group_ == 0;
  }
  std::uint64_t safe() const override { return held_.prefix(); }
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Status close() override;
  std::optional<Error> missing() const override;
  std::string status() const override;
  void figures(FigureList& out) const override;

 private:
  struct TopicDeleter {
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  };
  using Topic = std::unique_ptr<rd_kafka_topic_t, TopicDeleter>;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct HeadersDeleter {
    void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
  };
  using KafkaHeaders = std::unique_ptr<rd_kafka_headers_t, HeadersDeleter>;

  // What a message has besides its value.
  struct Address {
    rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = RD_KAFKA_PARTITION_UA;
    std::optional<std::string_view> key;
    std::int64_t timestamp = 0;  // 0: now
  };

  Status dry_run(const KafkaSettings& settings) const;
  Status send(std::uint64_t number);
  Status hand_over();
  Status send_unsent();
  Status find_address(const Event& event, Address& address);
  Status look_at_headers(const Event& event, Address& address);
  Status find_topic(std::string_view name);
  std::string_view value_of(const Event& event);
  KafkaHeaders headers_of(const Event& event) const;
  rd_kafka_resp_err_t produce(std::string_view value, const Address& address, KafkaHeaders headers,
                              void* tag);
  Status taken(std::uint64_t number, rd_kafka_resp_err_t code, const Address& address);

  Status take_reports(rd_kafka_event_t* event);
  Status failed(std::uint64_t number, rd_kafka_resp_err_t code, const std::string& topic,
                std::int32_t partition, bool is_alone);
  Status reject(std::uint64_t number, const Error& why);
  Status look_at_problem(std::int64_t now);
  void warn_of_batches();

  bool is_ended() const { return input_over_ && input_over_(); }
  bool is_stalled(std::int64_t now) const;
  Error stall_error(std::int64_t now) const;

  const KafkaSinkOptions options_;
  std::string rule_ = "acknowledged by all in-sync replicas";
  std::optional<TopicNames> names_;
  std::vector<std::pair<std::string, std::string>> mapped_;  // header, its name in Kafka
  bool all_headers_ = false;
  RetryLimits limits_;
  std::function<bool()> input_over_;
  Rejects* rejects_ = nullptr;
  std::size_t max_held_ = 32 << 20;

  std::unique_ptr<KafkaClient> client_;
  std::unordered_map<std::string, Topic, TextHash, std::equal_to<>> topics_;
  std::string last_name_;  // of the topic that was looked up last
  rd_kafka_topic_t* last_topic_ = nullptr;
  FlumeEventWriter writer_;
  std::string encoded_;

  HeldEvents held_;
  Outbox outbox_;          // of the batch that is being delivered
  bool has_room_ = false;  // the library, for everything that is held
  bool chooses_partitions_ = false;
  std::int64_t turn_ms_ = 10;                  // of a partition, for messages without a key
  std::size_t max_message_ = 0;                // bytes
  std::uint64_t on_their_way_ = 0;             // the library has them
  std::vector<std::uint64_t> refused_events_;  // with their batch
  std::deque<std::uint64_t> unsent_;           // to be sent in groups
  std::size_t group_ = 0;                      // of how many; 0: nothing is sent again

  std::int64_t since_ms_ = 0;  // nothing has arrived in order since then, and something is held
  std::uint64_t seen_errors_ = 0;
  std::int64_t next_look_ms_ = -1;
  DeliveryAlarm alarm_;
  RepeatedWarning bad_times_;
  RepeatedWarning bad_batches_;

  std::uint64_t delivered_ = 0;
  std::uint64_t sent_again_ = 0;
  std::map<std::string, std::uint64_t> failures_;  // by topic
};

}  // namespace fl
