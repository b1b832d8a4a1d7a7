// The kafka sink against the library's own mock of a cluster, in this process.
#include <gtest/gtest.h>
// clang-format off: in this order
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
// clang-format on

#include <array>
#include <memory>
#include <optional>
#include <tuple>

#include "common/base/clock.h"
#include "common/event/varint.h"
#include "common/io/poll_set.h"
#include "common/kafka/sink.h"

namespace fl {
namespace {

constexpr std::int64_t kHangMs = 30'000;

class MockCluster {
 public:
  explicit MockCluster(int brokers) {
    std::array<char, 256> reason{};
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, nullptr);
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size());
    cluster_ = rd_kafka_mock_cluster_new(handle_, brokers);
  }
  ~MockCluster() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;
  std::string bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  rd_kafka_mock_cluster_t* operator*() const { return cluster_; }

 private:
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

// Keeps what it gets.
class KeptRejects final : public Rejects {
 public:
  Status reject(const Event& event, const Error& why) override {
    if (why.kind != ErrorClass::input) {
      return why;
    }
    bodies.emplace_back(event.body());
    return {};
  }
  std::vector<std::string> bodies;
};

class KafkaSinkTest : public ::testing::Test {
 protected:
  void open(KafkaSinkOptions options, int brokers = 2) {
    cluster_.emplace(brokers);
    rd_kafka_mock_topic_create(**cluster_, "t", 2, 1);
    for (int partition = 0; partition < 2; ++partition) {
      rd_kafka_mock_partition_set_leader(**cluster_, "t", partition, partition % brokers + 1);
    }
    if (options.topic.empty()) {
      options.topic = "t";
    }
    options.servers = cluster_->bootstrap();
    sink_ = std::make_unique<KafkaSink>(std::move(options));
    StageContext context;
    context.rejects = has_rejects_ ? &rejects_ : nullptr;
    context.input_over = [this] { return is_over_; };
    context.grace_ms = 200;
    const Status opened = sink_->open(context);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
  }

  Status deliver(const std::vector<std::pair<Headers, std::string>>& events) {
    std::string bytes;
    std::vector<Event> found;
    for (const auto& [headers, body] : events) {
      append_event(bytes, headers, body);
    }
    const auto* at = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto* const end = at + bytes.size();
    Batch batch;
    while (at < end) {
      Event event;
      const char* why = nullptr;
      at = scan_event(at, end, EventLimits{}, event, why);
      batch.add(event);
    }
    Status delivered = sink_->deliver(batch);
    std::fill(bytes.begin(), bytes.end(), '!');  // nobody may read them any more
    return delivered;
  }

  // As the loop of a stage does it.
  Status run_until(const std::function<bool()>& condition) {
    const std::int64_t end = monotonic_ms() + kHangMs;
    while (!condition()) {
      PollSet set;
      sink_->watch(set, sink_->ready());
      set.wake_at(sink_->deadline_ms());
      set.wake_at(end);
      set.wait();
      if (Status handled = sink_->handle(set); !handled) {
        return handled;
      }
      if (monotonic_ms() >= end) {
        return Error{ErrorClass::bug, "it takes too long"};
      }
    }
    return {};
  }

  // What is in partition 0 of t, in its order.
  std::vector<std::string> stored(std::size_t count) const {
    std::array<char, 256> reason{};
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", cluster_->bootstrap().c_str(), reason.data(),
                      reason.size());
    rd_kafka_t* const reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(), reason.size());
    rd_kafka_topic_t* const topic = rd_kafka_topic_new(reader, "t", nullptr);
    rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING);
    std::vector<std::string> values;
    const std::int64_t end = monotonic_ms() + kHangMs;
    while (values.size() < count && monotonic_ms() < end) {
      rd_kafka_message_t* const message = rd_kafka_consume(topic, 0, 100);
      if (message != nullptr && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        values.emplace_back(static_cast<const char*>(message->payload), message->len);
      }
      if (message != nullptr) {
        rd_kafka_message_destroy(message);
      }
    }
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(reader);
    return values;
  }

  // How many messages the partitions of t have.
  std::array<std::int64_t, 2> stored_counts() const {
    std::array<char, 256> reason{};
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", cluster_->bootstrap().c_str(), reason.data(),
                      reason.size());
    rd_kafka_t* const reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(), reason.size());
    std::array<std::int64_t, 2> ends{};
    for (int partition = 0; partition < 2; ++partition) {
      std::int64_t low = 0;
      rd_kafka_query_watermark_offsets(reader, "t", partition, &low,
                                       &ends.at(static_cast<std::size_t>(partition)), kHangMs);
    }
    rd_kafka_destroy(reader);
    return ends;
  }

  std::uint64_t figure(const std::string& name) const {
    FigureList list;
    list.owner("kafka");
    sink_->figures(list);
    for (const Figure& figure : list.owners().front().figures) {
      if (figure.name == name) {
        return figure.value;
      }
    }
    return 0;
  }

  std::optional<MockCluster> cluster_;
  KeptRejects rejects_;
  bool has_rejects_ = true;  // --reject
  bool is_over_ = false;
  std::unique_ptr<KafkaSink> sink_;  // first to go
};

TEST_F(KafkaSinkTest, APartitionThatIsLateHoldsBackTheOthers) {
  KafkaSinkOptions options;
  options.partition_id_header = "p";
  open(options);
  ASSERT_TRUE(deliver({{{{"p", "0"}}, "a"}, {{{"p", "1"}}, "b"}}).ok());
  ASSERT_TRUE(run_until([this] { return sink_->safe() == 2; }).ok());
  rd_kafka_mock_broker_set_down(**cluster_, 1);
  ASSERT_TRUE(deliver({{{{"p", "1"}}, "c"}, {{{"p", "0"}}, "late"}, {{{"p", "1"}}, "d"}}).ok());
  ASSERT_TRUE(run_until([this] { return figure("messages_total") == 4; }).ok());
  EXPECT_EQ(sink_->safe(), 3U);
  rd_kafka_mock_broker_set_up(**cluster_, 1);
  const Status arrived = run_until([this] { return sink_->safe() == 5; });
  EXPECT_TRUE(arrived.ok()) << arrived.error().message;
  EXPECT_EQ(figure("messages_total"), 5U);
  EXPECT_EQ(figure("held_bytes"), 0U);
}

TEST_F(KafkaSinkTest, ADryRunAsksTheBrokers) {
  KafkaSinkOptions options;
  open(options);
  StageContext context;
  context.dry_run = true;
  options.servers = cluster_->bootstrap();
  for (const auto& [topic, partition, is_right] :
       {std::tuple("t", -1, true), std::tuple("t", 1, true), std::tuple("t", 2, false),
        std::tuple("of-%{host}", -1, true)}) {
    options.topic = topic;
    options.default_partition_id = partition;
    const Status opened = KafkaSink(options).open(context);
    EXPECT_EQ(opened.ok(), is_right) << topic << ' ' << partition;
    if (!opened) {
      EXPECT_EQ(opened.error().kind, ErrorClass::config);
    }
  }
  options.servers = "127.0.0.1:1";
  const Status away = KafkaSink(options).open(context);
  ASSERT_FALSE(away.ok());
  EXPECT_EQ(away.error().kind, ErrorClass::unavailable);
}

TEST_F(KafkaSinkTest, ReadingStopsWhenEnoughIsHeld) {
  KafkaSinkOptions options;
  options.java["buffer.memory"] = {Secret::Origin::literal, "1000"};
  open(options);
  rd_kafka_mock_broker_set_down(**cluster_, 1);
  rd_kafka_mock_broker_set_down(**cluster_, 2);
  EXPECT_TRUE(sink_->ready());
  ASSERT_TRUE(deliver({{{}, std::string(900, 'x')}}).ok());
  EXPECT_FALSE(sink_->ready());
  rd_kafka_mock_broker_set_up(**cluster_, 1);
  rd_kafka_mock_broker_set_up(**cluster_, 2);
  ASSERT_TRUE(run_until([this] { return sink_->ready(); }).ok());
  EXPECT_EQ(sink_->safe(), 1U);
}

// A broker looks at batches: the library gets one answer for all of their messages.
TEST_F(KafkaSinkTest, OfARefusedBatchOnlyWhatIsRefusedAloneIsADeadLetter) {
  KafkaSinkOptions options;
  options.default_partition_id = 0;
  open(options);
  const rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
  // The batch of three, then the first alone; the other two go through.
  rd_kafka_mock_push_request_errors(**cluster_, 0, 2, refused, refused);
  ASSERT_TRUE(deliver({{{}, "large"}, {{}, "b"}, {{}, "c"}}).ok());
  const Status arrived = run_until([this] { return sink_->safe() == 3; });
  ASSERT_TRUE(arrived.ok()) << arrived.error().message;
  EXPECT_EQ(rejects_.bodies, std::vector<std::string>{"large"});
  EXPECT_EQ(figure("messages_total"), 2U);
  EXPECT_EQ(figure("sent_again_total"), 3U);
  EXPECT_TRUE(sink_->ready());
}

// Plain messages are handed over many at a time, others alone.
TEST_F(KafkaSinkTest, MessagesOfAllKindsKeepTheirOrder) {
  for (const bool is_narrow : {false, true}) {
    KafkaSinkOptions options;
    options.default_partition_id = 0;
    options.headers = "all";
    options.timestamp_header = "at";
    if (is_narrow) {
      options.library["queue.buffering.max.messages"] = {Secret::Origin::literal, "3"};
    }
    open(options);
    std::vector<std::pair<Headers, std::string>> events;
    std::vector<std::string> expected;
    const int count = is_narrow ? 100 : 2000;
    for (int i = 0; i < count; ++i) {
      Headers headers;
      if (i % 7 == 3) {
        headers = {{"h", "x"}};
      } else if (i % 7 == 5) {
        headers = {{"at", "1700000000000"}};
      }
      expected.push_back(std::to_string(i));
      events.emplace_back(headers, expected.back());
    }
    ASSERT_TRUE(deliver(events).ok());
    const Status arrived = run_until([&] { return sink_->safe() == expected.size(); });
    ASSERT_TRUE(arrived.ok()) << arrived.error().message;
    EXPECT_EQ(stored(expected.size()), expected) << (is_narrow ? "narrow" : "wide");
    sink_.reset();
  }
}

// Large batches: each goes to one partition, and the next one, a while later, to the next.
TEST_F(KafkaSinkTest, MessagesWithoutAKeyStayTogetherAndUseAllPartitions) {
  KafkaSinkOptions options;
  options.java["linger.ms"] = {Secret::Origin::literal, "1"};
  open(options);
  const std::vector<std::pair<Headers, std::string>> events(100, {{}, "x"});
  std::array<std::int64_t, 2> before{};
  bool was_first = false;
  for (std::uint64_t n = 1; n <= 20; ++n) {
    ASSERT_TRUE(deliver(events).ok());
    ASSERT_TRUE(run_until([&] { return sink_->safe() == n * events.size(); }).ok());
    // Also the time that a turn takes, twice linger.ms, is over by then.
    const std::array<std::int64_t, 2> after = stored_counts();
    const std::int64_t first = after[0] - before[0];
    EXPECT_TRUE(first == 0 || first == 100) << first;
    EXPECT_EQ(first + after[1] - before[1], 100);
    if (n > 2) {
      EXPECT_EQ(first == 0, was_first) << n;
    }
    was_first = first == 100;
    before = after;
  }
}

TEST_F(KafkaSinkTest, WhatComesBeforeAnEventThatEndsTheStageIsSent) {
  has_rejects_ = false;
  KafkaSinkOptions options;
  options.partition_id_header = "p";
  open(options);
  const Status delivered = deliver({{{}, "a"}, {{{"p", "x"}}, "bad"}, {{}, "b"}});
  ASSERT_FALSE(delivered.ok());
  EXPECT_EQ(delivered.error().kind, ErrorClass::input);
  EXPECT_TRUE(run_until([this] { return sink_->safe() == 1; }).ok());
}

TEST_F(KafkaSinkTest, AnUnknownPartitionRefusesItsEventOnly) {
  KafkaSinkOptions options;
  options.partition_id_header = "p";
  open(options);
  ASSERT_TRUE(deliver({{{{"p", "0"}}, "a"}, {{{"p", "0"}}, "b"}}).ok());
  ASSERT_TRUE(run_until([this] { return sink_->safe() == 2; }).ok());
  ASSERT_TRUE(deliver({{{{"p", "0"}}, "c"}, {{{"p", "7"}}, "none"}, {{{"p", "0"}}, "d"}}).ok());
  const Status arrived = run_until([this] { return sink_->safe() == 5; });
  ASSERT_TRUE(arrived.ok()) << arrived.error().message;
  EXPECT_EQ(rejects_.bodies, std::vector<std::string>{"none"});
  EXPECT_EQ(stored(4), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST_F(KafkaSinkTest, NotAllowedEndsTheStage) {
  open({});
  rd_kafka_mock_push_request_errors(**cluster_, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  ASSERT_TRUE(deliver({{{}, "a"}}).ok());
  const Status ended = run_until([] { return false; });
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind, ErrorClass::permission);
  EXPECT_NE(ended.error().message.find("topic 't'"), std::string::npos) << ended.error().message;
}

TEST_F(KafkaSinkTest, TheEndOfTheInputBoundsTheWait) {
  open({});
  rd_kafka_mock_broker_set_down(**cluster_, 1);
  rd_kafka_mock_broker_set_down(**cluster_, 2);
  ASSERT_TRUE(deliver({{{}, "a"}}).ok());
  is_over_ = true;
  const Status ended = run_until([] { return false; });
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind, ErrorClass::unavailable);
  EXPECT_EQ(sink_->safe(), 0U);
}

TEST_F(KafkaSinkTest, AnEventWithoutAPlaceIsADeadLetter) {
  KafkaSinkOptions options;
  options.topic = "%{topic}";
  open(options);
  ASSERT_TRUE(deliver({{{{"topic", "a/b"}}, "slash"},
                       {{}, "none"},
                       {{{"topic", "t"}}, "good"},
                       {{{"topic", ".."}}, "dots"}})
                  .ok());
  ASSERT_TRUE(run_until([this] { return sink_->safe() == 4; }).ok());
  EXPECT_EQ(rejects_.bodies, (std::vector<std::string>{"slash", "none", "dots"}));
}

TEST(TopicNames, TakeHeadersAndTimesAsTheyAre) {
  auto names = TopicNames::make("log-%{host}-%Y", "");
  ASSERT_TRUE(names.ok());
  std::string bytes;
  append_event(bytes, {{"host", "_web.1"}, {"timestamp", "1700000000000"}}, "x");
  Event event;
  const char* why = nullptr;
  const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
  ASSERT_NE(scan_event(at, at + bytes.size(), EventLimits{}, event, why), nullptr);
  EXPECT_EQ(*names->of(event), "log-_web.1-2023");
  auto alone = TopicNames::make("%{host}", "");
  EXPECT_EQ(*alone->of(event), "_web.1");
  auto overridden = TopicNames::make("t", "host");
  EXPECT_EQ(*overridden->of(event), "_web.1");
  auto missing = TopicNames::make("%{none}", "");
  EXPECT_EQ(missing->of(event).error().kind, ErrorClass::input);
  EXPECT_EQ(TopicNames::make("a b", "").error().kind, ErrorClass::usage);
  EXPECT_EQ(TopicNames::make("a/b", "").error().kind, ErrorClass::usage);
  EXPECT_FALSE(TopicNames::make("%Q", "").ok());
}

// A header that no event has, and seconds where milliseconds are meant: said once.
TEST(TopicNames, WhatTheFirstEventLacksIsReportedOnce) {
  std::string bytes;
  append_event(bytes, {{"host", "web"}, {"timestamp", "1700000000"}}, "x");
  Event event;
  const char* why = nullptr;
  const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
  ASSERT_NE(scan_event(at, at + bytes.size(), EventLimits{}, event, why), nullptr);
  auto names = TopicNames::make("log-%{hsot}-%Y", "");
  testing::internal::CaptureStderr();
  EXPECT_EQ(*names->of(event), "log--1970");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("no header 'hsot'"), std::string::npos) << said;
  EXPECT_NE(said.find("did you mean 'host'"), std::string::npos) << said;
  EXPECT_NE(said.find("looks like seconds"), std::string::npos) << said;
  testing::internal::CaptureStderr();
  EXPECT_EQ(*names->of(event), "log--1970");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(FlumeEventWriter, WritesOneBlockInJavasOrder) {
  std::string bytes;
  append_map_block(bytes, {{"host", "old"}});
  append_event(bytes, {{"part", "1"}, {"host", "w"}, {"key", "k"}}, "hi");
  Event event;
  const char* why = nullptr;
  const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
  ASSERT_NE(scan_event(at, at + bytes.size(), EventLimits{}, event, why), nullptr) << why;
  FlumeEventWriter writer;
  std::string out;
  writer.append(out, event);
  EXPECT_EQ(out, std::string("\x06\x08part\x02"
                             "1\x08host\x02w\x06key\x02k\x00\x04hi",
                             25));
}

}  // namespace
}  // namespace fl
