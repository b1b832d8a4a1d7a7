#include "common/kafka/client.h"

#include <gtest/gtest.h>
// clang-format off: in this order
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
// clang-format on

namespace fl {
namespace {

Result<KafkaSettings> settings(PropertyMap library = {},
                               const std::string& servers = "127.0.0.1:1") {
  return KafkaSettings::make(KafkaRole::producer, {servers, {}, std::move(library)});
}

// Nobody listens on port 1 of loopback.
TEST(KafkaClient, ABrokerThatIsAwayIsAProblemThatPasses) {
  const auto made = settings();
  ASSERT_TRUE(made.ok());
  const auto client = KafkaClient::make(*made, 0);
  ASSERT_TRUE(client.ok()) << client.error().message;
  rd_kafka_topic_t* const topic = rd_kafka_topic_new((*client)->handle(), "t", nullptr);
  while (!(*client)->problem()) {
    PollSet set;
    (*client)->watch(set);
    set.wake_at(monotonic_ms() + 30'000);
    set.wait();
    ASSERT_NE(set.revents(0), 0) << "the descriptor tells of nothing";
    (*client)->clear();
    EXPECT_EQ((*client)->next(), nullptr);
  }
  EXPECT_EQ((*client)->problem()->kind, KafkaProblem::Kind::away);
  EXPECT_EQ((*client)->problem()->error.kind, ErrorClass::unavailable);
  EXPECT_NE((*client)->problem()->error.message.find("127.0.0.1:1"), std::string::npos);
  (*client)->works();
  EXPECT_FALSE((*client)->problem());
  rd_kafka_topic_destroy(topic);
}

TEST(KafkaClient, AValueThatIsRefusedIsNamedButForSecrets) {
  const auto wrong = settings({{"linger.ms", {Secret::Origin::literal, "soon"}}});
  ASSERT_TRUE(wrong.ok());
  const auto client = KafkaClient::make(*wrong, 0);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().kind, ErrorClass::config);
  EXPECT_NE(client.error().message.find("-X linger.ms"), std::string::npos);
}

// A message that is kept holds a broker's thread of the library, which joins it: as it happens by
// itself when a broker was away (librdkafka 2.0 to 2.3).
TEST(KafkaClient, AHandleThatDoesNotEndIsAbandoned) {
  const auto made = KafkaSettings::make(
      KafkaRole::consumer, {"127.0.0.1:1",
                            {},
                            {{"test.mock.num.brokers", {Secret::Origin::literal, "1"}},
                             {"enable.partition.eof", {Secret::Origin::literal, "true"}}}});
  ASSERT_TRUE(made.ok());
  auto client = KafkaClient::make(*made, 0);
  ASSERT_TRUE(client.ok()) << client.error().message;
  rd_kafka_topic_t* const topic = rd_kafka_topic_new((*client)->handle(), "t", nullptr);
  rd_kafka_mock_topic_create(rd_kafka_handle_mock_cluster((*client)->handle()), "t", 1, 1);
  rd_kafka_queue_t* const records = rd_kafka_queue_new((*client)->handle());
  ASSERT_EQ(rd_kafka_consume_start_queue(topic, 0, RD_KAFKA_OFFSET_BEGINNING, records), 0);
  rd_kafka_message_t* kept = nullptr;
  const std::int64_t until = monotonic_ms() + 30'000;
  while (kept == nullptr && monotonic_ms() < until) {
    kept = rd_kafka_consume_queue(records, 100);
  }
  ASSERT_NE(kept, nullptr);
  ASSERT_EQ(kept->err, RD_KAFKA_RESP_ERR__PARTITION_EOF);
  EXPECT_FALSE((*client)->close(100));
  EXPECT_FALSE((*client)->close()) << "it stays abandoned";
}

TEST(KafkaProblem, ClassesFollowTheCodes) {
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__AUTHENTICATION, "").error.kind,
            ErrorClass::permission);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "").kind,
            KafkaProblem::Kind::refused);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "").error.kind, ErrorClass::input);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "").kind, KafkaProblem::Kind::topic);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, "").error.kind,
            ErrorClass::unavailable);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__TRANSPORT, "sslv3 alert: SSL alert number 46").kind,
            KafkaProblem::Kind::refused);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__TRANSPORT, "close notify: SSL alert number 0").kind,
            KafkaProblem::Kind::away);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "no thread").kind,
            KafkaProblem::Kind::fatal);
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__TRANSPORT, "b1: refused").error.message,
            "b1: refused");
  EXPECT_EQ(kafka_problem(RD_KAFKA_RESP_ERR__TRANSPORT,
                          "b1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection "
                          "refused (after 0ms in state CONNECT)")
                .error.message,
            "b1:9092: Connect to 10.0.0.1:9092 failed: Connection refused");
}

}  // namespace
}  // namespace fl
