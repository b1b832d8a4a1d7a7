// The kafka source: records of topics, in a group or from places that the user names.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/component/component.h"
#include "common/kafka/consumer.h"
#include "common/kafka/first_place.h"
#include "common/kafka/offset_ledger.h"
#include "common/kafka/queries.h"
#include "common/kafka/record_event.h"
#include "common/kafka/slot.h"
#include "common/kafka/source_options.h"
#include "common/net/repeated_warning.h"

namespace fl {

/// Joins four things: the consumer has the library, KafkaQueries ask the brokers, RecordEvent makes
/// events, and the ledger says which offsets are safe.
///
/// A partition is a slot from its gain to its loss. Where to begin in it is always asked for first:
/// that also says what has expired unread, and where --once ends. On a loss nothing more is handed
/// on until the events of the partition are acknowledged and committed, or the time for that is
/// over: others in the group wait.
///
/// Back-pressure is records that are not taken; the group is served on every turn all the same.
class KafkaSource final : public Source {
 public:
  explicit KafkaSource(KafkaSourceOptions options);
  ~KafkaSource() override;

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  bool ready() const override;
  bool has_state() const override { return !options_.group.empty(); }
  bool needs_acks() const override { return loss_.has_value(); }
  Status acked(std::uint64_t n) override;
  void stop() override { is_stopping_ = true; }
  /// Ends, as with --once, when everything is handed on that is in its partitions now.
  void finish();
  Status close() override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  std::optional<Error> missing() const override;
  std::string status() const override;
  std::string summary() const override;
  void figures(FigureList& out) const override;

 private:
  using Slot = std::shared_ptr<KafkaSlot>;

  // Partitions that go, and how long others wait for us at most.
  struct Loss {
    std::vector<KafkaPartition> partitions;
    std::int64_t deadline_ms = 0;
    bool is_asked = false;  // the stages below know that somebody waits
  };

  Result<KafkaSettings> settings() const;
  Result<RecordRules> rules() const;
  Status check_options();
  Status check_topics(const std::vector<std::string>& topics);
  Status parse_partitions();
  Status take_group();
  Status take_reset(PropertyMap& properties);
  std::vector<std::string> subscription() const;
  Status dry_run();
  void ask(KafkaQuestion question);
  void ask_places(const std::vector<KafkaPartition>& partitions);

  Status serve();
  Status hear();
  Status take_change(const KafkaConsumer::Change& change);
  Status take_commit(const KafkaConsumer::Commit& commit);
  Status take_answer(const KafkaAnswer& answer);
  Status take_topics(const KafkaAnswer& answer);
  Status take_places(const KafkaAnswer& answer);
  Result<std::int64_t> first_offset(const KafkaAnswer::Offsets& place);
  void tell_expired(const KafkaPartition& partition, std::int64_t from, std::int64_t to);
  Status go_on(const KafkaAnswer& answer);
  bool must_ask_ends() const;
  void ask_ends();
  void take_ends(const KafkaAnswer& answer);
  bool may_ask_lag() const;
  void ask_lag();
  void take_lag(const KafkaAnswer& answer);
  bool must_ask_outrun() const;
  Status serve_loss();
  void tell_repeated(const std::vector<KafkaPartition>& partitions);
  void drop(const std::vector<KafkaPartition>& partitions);
  Status look_at_problem();
  void reached();
  Status commit_safe();
  bool may_commit() const;
  void commit_soon();
  bool is_committed(const KafkaSlot& slot) const;
  Slot find(std::string_view topic, std::int32_t partition) const;
  Slot slot_of(const rd_kafka_message_t& message);

  bool take_record(BlockBuilder& out, Status& status);
  Status take_message(const rd_kafka_message_t& message);
  Status make_event(const rd_kafka_message_t& message, const Slot& slot);
  void end_of_partition(const Slot& slot, std::int64_t offset);
  void finish_if_read(KafkaSlot& slot);
  bool is_finished() const;
  void end_client();

  // Of a partition, if it is known.
  struct Lag {
    KafkaPartition partition;
    std::uint64_t records = 0;
  };
  std::vector<Lag> lags() const;
  std::string lag_words() const;

  KafkaSourceOptions options_;
  StageContext context_;
  FirstPlace from_;
  std::vector<std::int32_t> numbers_;  // --partition
  std::int64_t offset_ = -1;           // --offset
  std::unique_ptr<RecordEvent> event_;
  std::unique_ptr<KafkaConsumer> consumer_;
  std::unique_ptr<KafkaQueries> queries_;
  std::int64_t poll_interval_ms_ = 0;

  std::map<KafkaPartition, Slot> slots_;
  std::vector<Lag> last_lags_;  // when the client has ended
  OffsetLedger ledger_;
  std::vector<KafkaPartition> awaited_;  // places of these were asked for
  std::vector<KafkaPartition> outrun_;   // those whose offset has expired
  bool is_gain_open_ = false;            // the group waits for our answer
  bool has_joined_ = false;
  bool had_partitions_ = false;
  bool has_no_topic_ = false;  // the pattern matched none when the group was joined
  std::optional<Loss> loss_;
  /// Partitions that the group has taken from here before everything was committed, and nothing was
  /// given here since: an end now leaves their records to the next run.
  std::uint64_t repeated_ = 0;
  bool is_stopping_ = false;
  bool is_finishing_ = false;  // by finish()
  bool wants_ends_ = false;    // of the partitions, which are not asked for yet
  bool is_asking_ends_ = false;
  bool is_held_up_ = false;  // its queue is not read, so the library learns of no new end
  bool is_asking_lag_ = false;
  std::int64_t next_lag_ms_ = 0;

  KafkaMessage current_;
  Slot current_slot_;  // of current_, if event_ holds the event that is made of it
  bool has_records_ = false;
  const rd_kafka_topic_t* last_topic_ = nullptr;  // of last_slot_
  Slot last_slot_;
  KafkaRecord record_;

  bool is_commit_open_ = false;
  std::int64_t next_commit_ms_ = 0;
  /// No commit comes before: one has failed, and the next waits for a pause that grows.
  std::int64_t retry_commit_ms_ = 0;
  std::int64_t commit_pause_ms_ = 0;
  std::optional<Error> commit_trouble_;  // why the last commit failed
  std::int64_t next_poll_ms_ = 0;
  int records_index_ = -1;

  std::optional<Error> away_;  // no broker answers
  std::uint64_t produced_ = 0;
  std::uint64_t rebalances_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t expired_ = 0;
  RepeatedWarning failed_commits_;
  RepeatedWarning complaints_;
  RepeatedWarning passed_over_;
  bool is_prefix_told_ = false;
};

}  // namespace fl
