#include "common/kafka/record_event.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

constexpr EventLimits kLimits{100, 400, 8, 16, 32};

KafkaRecord record(std::optional<std::string_view> value) {
  KafkaRecord made;
  made.topic = "t";
  made.partition = 3;
  made.offset = 40;
  made.timestamp = 17;
  made.value = value;
  return made;
}

/// The event's headers in their order, "k=v k=v", and " | body"; or what happened to it.
std::string text(const KafkaRecord& record, RecordEvent& event) {
  const RecordEvent::Outcome outcome = event.make(record);
  if (outcome != RecordEvent::Outcome::made) {
    return outcome == RecordEvent::Outcome::skipped ? "skipped" : event.why().message;
  }
  BlockBuilder out;
  EXPECT_TRUE(event.fits(out));
  event.add(out);
  const Block block = out.block();
  Event made;
  const char* why = "";
  if (scan_whole_event(block.data, block.data + block.size, kLimits, made, why) !=
      block.data + block.size) {
    return std::string("damaged: ") + why;
  }
  std::string words;
  for (const auto& [key, value] : headers_of(made)) {
    words += key + "=" + value + " ";
  }
  return words + "| " + std::string(made.body());
}

std::string text(const KafkaRecord& record, RecordRules rules = {}) {
  RecordEvent event(std::move(rules), kLimits);
  return text(record, event);
}

std::string flume(const Headers& headers, std::string_view body) {
  std::string out;
  append_event(out, headers, body);
  return out;
}

TEST(KafkaRecordEvent, SaysWhereTheRecordWas) {
  KafkaRecord made = record("body");
  EXPECT_EQ(text(made), "timestamp=17 topic=t partition=3 offset=40 | body");
  made.key = "k";
  made.timestamp = -1;
  EXPECT_EQ(text(made), "topic=t partition=3 offset=40 key=k | body");
}

// The headers of a partition are kept for its next record.
TEST(KafkaRecordEvent, SaysItForRecordsOfSeveralPartitionsInTurn) {
  RecordEvent event({}, kLimits);
  KafkaRecord made = record("body");
  made.timestamp = -1;
  for (int round = 0; round < 2; ++round) {
    made.topic = "t";
    made.partition = 3;
    EXPECT_EQ(text(made, event), "topic=t partition=3 offset=40 | body");
    EXPECT_EQ(text(made, event), "topic=t partition=3 offset=40 | body");
    made.partition = 4;
    EXPECT_EQ(text(made, event), "topic=t partition=4 offset=40 | body");
    made.topic = "u";
    EXPECT_EQ(text(made, event), "topic=u partition=4 offset=40 | body");
    made.topic = "a-name-that-is-longer-than-a-header-may-be";
    for (int again = 0; again < 2; ++again) {
      EXPECT_NE(text(made, event).find("header 'topic' is too long"), std::string::npos);
    }
  }
}

TEST(KafkaRecordEvent, TakesTheHeadersOfTheRecord) {
  KafkaRecord made = record("");
  made.headers = {
      {"a", "1"}, {"topic", "x"}, {"offset", "x"}, {"timestamp", "5"}, {"\xff", "\xfe"}};
  EXPECT_EQ(text(made), "a=1 timestamp=5 %FF=%FE topic=t partition=3 offset=40 | ");
  RecordRules rules;
  rules.takes_headers = false;
  rules.renamed = {{"a", "b"}};
  EXPECT_EQ(text(made, rules), "b=1 timestamp=17 topic=t partition=3 offset=40 | ");
}

TEST(KafkaRecordEvent, KeepsTheHeadersOfAFlumeEvent) {
  RecordRules rules;
  rules.is_flume_event = true;
  const std::string full = flume({{"timestamp", "5"}, {"topic", "x"}, {"key", "y"}}, "body");
  KafkaRecord made = record(full);
  made.key = "k";
  made.headers = {{"a", "1"}, {"topic", "no"}};
  EXPECT_EQ(text(made, rules), "partition=3 offset=40 a=1 timestamp=5 topic=x key=y | body");
  const std::string bare = flume({}, "");
  made.value = bare;
  EXPECT_EQ(text(made, rules), "timestamp=17 topic=t partition=3 offset=40 key=k a=1 | ");
}

TEST(KafkaRecordEvent, OfAChannelIsWhatWasPut) {
  RecordRules rules;
  rules.topic_header = "";
  rules.sets_place = false;
  rules.key_header = "id";
  KafkaRecord made = record("body");
  EXPECT_EQ(text(made, rules), "| body");
  made.key = "k";
  made.headers = {{"offset", "1"}, {"key", "x"}, {"id", "y"}};
  EXPECT_EQ(text(made, rules), "offset=1 key=x id=k | body");
  rules.is_flume_event = true;
  const std::string full = flume({{"a", "1"}, {"id", "y"}}, "body");
  made = record(full);
  made.key = "k";
  EXPECT_EQ(text(made, rules), "a=1 id=y | body");
  const std::string bare = flume({}, "");
  made.value = bare;
  EXPECT_EQ(text(made, rules), "id=k | ");
}

TEST(KafkaRecordEvent, RefusesWhatIsNoFlumeEvent) {
  RecordRules rules;
  rules.is_flume_event = true;
  const std::string good = flume({{"a", "1"}}, "body");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(text(record(std::string_view(good).substr(0, size)), rules)
                  .find("record 40 of t [3] is not an AvroFlumeEvent"),
              std::string::npos);
  }
  EXPECT_NE(text(record(good + "x"), rules).find("something follows"), std::string::npos);
  rules.undecodable = KafkaPolicy::skip;
  EXPECT_EQ(text(record(good + "x"), rules), "skipped");
}

TEST(KafkaRecordEvent, KeepsTheLimits) {
  const std::string big(101, 'x');
  EXPECT_NE(text(record(big)).find("exceed --max-event"), std::string::npos);
  KafkaRecord made = record("");
  made.key = std::string_view(big).substr(0, 33);
  EXPECT_NE(text(made).find("header 'key' is too long"), std::string::npos);
  made.key.reset();
  made.headers.assign(5, {"a", "1"});
  EXPECT_NE(text(made).find("too many headers"), std::string::npos);
  RecordRules rules;
  rules.is_flume_event = true;
  const std::string many = flume({{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}, {"e", "1"}}, "");
  EXPECT_NE(text(record(many), rules).find("too many headers"), std::string::npos);
}

TEST(KafkaRecordEvent, TombstonesGoByTheirRule) {
  RecordRules rules;
  EXPECT_EQ(text(record(std::nullopt)),
            "timestamp=17 topic=t partition=3 offset=40 tombstone=true | ");
  rules.is_flume_event = true;
  EXPECT_EQ(text(record(std::nullopt), rules),
            "timestamp=17 topic=t partition=3 offset=40 tombstone=true | ");
  rules.tombstones = KafkaPolicy::skip;
  EXPECT_EQ(text(record(std::nullopt), rules), "skipped");
  rules.tombstones = KafkaPolicy::reject;
  EXPECT_NE(text(record(std::nullopt), rules).find("has no value"), std::string::npos);
}

TEST(KafkaRecordEvent, APrefixOfARegistryGoesByItsRule) {
  using namespace std::string_view_literals;
  RecordRules rules;
  rules.registry_prefix = RegistryPrefix::strip;
  EXPECT_EQ(text(record("\0\0\0\1\2b"sv), rules),
            "timestamp=17 topic=t partition=3 offset=40 schema.id=258 | b");
  EXPECT_EQ(text(record("\0\xff\xff\xff\xff"sv), rules),
            "timestamp=17 topic=t partition=3 offset=40 schema.id=4294967295 | ");
  EXPECT_NE(text(record("\0\0\0\1"sv), rules).find("does not begin"), std::string::npos);
  rules.registry_prefix = RegistryPrefix::reject;
  EXPECT_NE(text(record("\0\0\0\1\2b"sv), rules).find("begins with"), std::string::npos);
}

TEST(KafkaRecordEvent, WhatIsRejectedSaysWhereItWas) {
  RecordRules rules;
  rules.is_flume_event = true;
  RecordEvent event(rules, kLimits);
  KafkaRecord made = record("nothing of that");
  made.key = "k";
  ASSERT_EQ(event.make(made), RecordEvent::Outcome::rejected);
  EXPECT_EQ(
      event.raw(),
      flume(
          {{"topic", "t"}, {"partition", "3"}, {"offset", "40"}, {"timestamp", "17"}, {"key", "k"}},
          "nothing of that"));
  EXPECT_EQ(event.counts().undecodable, 1U);
}

}  // namespace
}  // namespace fl
