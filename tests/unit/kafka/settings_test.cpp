#include "common/kafka/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace fl {
namespace {

Secret plain(const std::string& text) { return {Secret::Origin::literal, text}; }

Result<KafkaSettings> made(PropertyMap java, PropertyMap library = {},
                           KafkaRole role = KafkaRole::producer) {
  return KafkaSettings::make(role, {"b:9092", std::move(java), std::move(library)});
}

std::string value(const Result<KafkaSettings>& settings, const std::string& name) {
  return settings.ok() ? settings->find(name).value_or("none") : settings.error().message;
}

TEST(KafkaSettings, NamesOfJavaBecomeThoseOfTheLibrary) {
  const auto settings = made({{"max.request.size", plain("2000000")},
                              {"linger.ms", plain("20")},
                              {"security.protocol", plain("SASL_SSL")},
                              {"send.buffer.bytes", plain("4096")},
                              {"ssl.endpoint.identification.algorithm", plain("")},
                              {"buffer.memory", plain("1000000")}});
  EXPECT_EQ(value(settings, "message.max.bytes"), "2000000");
  EXPECT_EQ(value(settings, "queue.buffering.max.ms"), "20");
  EXPECT_EQ(value(settings, "security.protocol"), "sasl_ssl");
  EXPECT_EQ(value(settings, "socket.send.buffer.bytes"), "4096");
  EXPECT_EQ(value(settings, "ssl.endpoint.identification.algorithm"), "none");
  EXPECT_EQ(settings->buffer_bytes(), 1'000'000U);
  EXPECT_TRUE(settings->notes().empty());
}

TEST(KafkaSettings, ConsumersHaveNamesOfTheirOwn) {
  const auto settings = made({{"fetch.max.wait.ms", plain("7")},
                              {"auto.offset.reset", plain("none")},
                              {"partition.assignment.strategy",
                               plain("org.apache.kafka.clients.consumer.CooperativeStickyAssignor, "
                                     "org.apache.kafka.clients.consumer.RangeAssignor")}},
                             {}, KafkaRole::consumer);
  EXPECT_EQ(value(settings, "fetch.wait.max.ms"), "7");
  EXPECT_EQ(value(settings, "auto.offset.reset"), "error");
  EXPECT_EQ(value(settings, "partition.assignment.strategy"), "cooperative-sticky,range");
}

TEST(KafkaSettings, WhatHasNoEffectIsNamed) {
  const auto settings = made({{"acks", plain("1")}, {"no.such.thing", plain("1")}});
  ASSERT_TRUE(settings.ok());
  ASSERT_EQ(settings->notes().size(), 2U);
  EXPECT_EQ(settings->notes()[0],
            "kafka.producer.acks has no effect: an event is acknowledged when all in-sync replicas "
            "have it (acks=all)");
  EXPECT_NE(settings->notes()[1].find("no.such.thing"), std::string::npos);
  EXPECT_EQ(settings->values().size(), 1U);  // the servers
}

TEST(KafkaSettings, TheLibrarysNamesWinAndAreKnown) {
  EXPECT_EQ(value(made({{"linger.ms", plain("20")}}, {{"linger.ms", plain("30")}}),
                  "queue.buffering.max.ms"),
            "30");
  EXPECT_EQ(value(made({}, {{"ssl.ca.location", plain("/ca")}}), "ssl.ca.location"), "/ca");
  EXPECT_EQ(made({}, {{"linger.mz", plain("3")}}).error().kind, ErrorClass::config);
}

TEST(KafkaSettings, WhatAComponentNeedsCannotBeChanged) {
  auto settings = made({}, {{"acks", plain("1")}});
  ASSERT_TRUE(settings.ok());
  const Status refused = settings->require("request.required.acks", "-1", "nothing may be lost");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "-X acks can only be -1: nothing may be lost");
  auto same = made({}, {{"acks", plain("all")}});
  EXPECT_TRUE(same->require("request.required.acks", "-1", "nothing may be lost").ok());
}

TEST(KafkaSettings, TransactionsAreRefusedInBothSpellings) {
  EXPECT_EQ(made({{"transactional.id", plain("x")}}).error().message,
            "kafka.producer.transactional.id: transactions are not supported");
  const auto of_library = made({}, {{"transactional.id", plain("x")}});
  ASSERT_FALSE(of_library.ok());
  EXPECT_EQ(of_library.error().message, "-X transactional.id: transactions are not supported");
  EXPECT_EQ(of_library.error().kind, ErrorClass::config);
}

TEST(KafkaSettings, JaasBecomesUserAndPassword) {
  ::setenv("FL_TEST_JAAS",
           "org.apache.kafka.common.security.plain.PlainLoginModule required "
           "username=\"bob\" password=\"a \\\"b;c\";",
           1);
  const auto settings =
      made({{"sasl.jaas.config", Secret(Secret::Origin::environment, "FL_TEST_JAAS")},
            {"sasl.mechanism", plain("PLAIN")}});
  EXPECT_EQ(value(settings, "sasl.username"), "bob");
  EXPECT_EQ(value(settings, "sasl.password"), "a \"b;c");
  EXPECT_EQ(value(settings, "sasl.mechanisms"), "PLAIN");
}

TEST(KafkaSettings, AWrongJaasIsRefusedWithoutItsText) {
  for (const char* text :
       {"PlainLoginModule required username=\"bob\" password=\"hush", "PlainLoginModule required",
        "PlainLoginModule optional password=hush;", "Other required password=hush;",
        "PlainLoginModule required password=hush;", "PlainLoginModule required password hush;"}) {
    const auto login = kafka_login(text);
    ASSERT_FALSE(login.ok()) << text;
    EXPECT_EQ(login.error().kind, ErrorClass::config);
    EXPECT_EQ(login.error().message.find("hush"), std::string::npos) << login.error().message;
  }
  EXPECT_EQ(kafka_login("a.Krb5LoginModule required principal=\"p@R\" keyTab='/k';")
                ->at("sasl.kerberos.keytab"),
            "/k");
}

TEST(KafkaSettings, StoresAreKnownByTheirContents) {
  const TempDir dir;
  const auto file = [&dir](const std::string& name, const std::string& text) {
    std::ofstream(dir.path() + "/" + name) << text;
    return dir.path() + "/" + name;
  };
  const std::string pem = file("pem", "-----BEGIN CERTIFICATE-----\n");
  const std::string p12 = file("p12", "\x30\x82\x01\x02");
  const std::string jks = file("jks", "\xFE\xED\xFE\xED");
  const auto with_pem = made({{"ssl.truststore.location", plain(pem)},
                              {"ssl.keystore.location", plain(pem)},
                              {"ssl.key.password", plain("k")}});
  EXPECT_EQ(value(with_pem, "ssl.ca.location"), pem);
  EXPECT_EQ(value(with_pem, "ssl.certificate.location"), pem);
  EXPECT_EQ(value(with_pem, "ssl.key.location"), pem);
  EXPECT_EQ(value(with_pem, "ssl.key.password"), "k");
  const auto with_p12 =
      made({{"ssl.keystore.location", plain(p12)}, {"ssl.keystore.password", plain("s")}});
  EXPECT_EQ(value(with_p12, "ssl.keystore.location"), p12);
  EXPECT_EQ(value(with_p12, "ssl.keystore.password"), "s");
  EXPECT_EQ(made({{"ssl.keystore.location", plain(jks)}}).error().kind, ErrorClass::config);
  EXPECT_NE(made({{"ssl.truststore.location", plain(p12)}}).error().hint.find("openssl pkcs12"),
            std::string::npos);
  EXPECT_FALSE(made({{"ssl.truststore.location", plain(dir.path() + "/none")}}).ok());
}

TEST(KafkaTopicName, IsWhatKafkaTakes) {
  EXPECT_FALSE(topic_name_fault("a.B-c_9"));
  EXPECT_TRUE(topic_name_fault(""));
  EXPECT_TRUE(topic_name_fault(".."));
  EXPECT_TRUE(topic_name_fault("a b"));
  EXPECT_TRUE(topic_name_fault("a/b"));
  EXPECT_TRUE(topic_name_fault(std::string(250, 'a')));
}

}  // namespace
}  // namespace fl
