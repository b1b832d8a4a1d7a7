// The options that every component for Kafka has.
#pragma once

#include <string>

#include "common/kafka/settings.h"
#include "common/option/option_table.h"

namespace fl {

/// How to log in, for the page of a component.
inline std::string kafka_login_text(KafkaRole role) {
  const std::string option = role == KafkaRole::producer ? "--producer" : "--consumer";
  return "Login and encryption are properties of the " + option.substr(2) + ": " + option +
         " security.protocol=SASL_SSL " + option + " sasl.mechanism=PLAIN " + option +
         "-file sasl.jaas.config=FILE, or with librdkafka's names -X sasl.username=NAME "
         "--librdkafka-file sasl.password=FILE. Trust and key stores are PEM files (keys also "
         "PKCS12). SCRAM with Kafka 4 needs librdkafka 2.6.1; Debian 12 has 2.0.2.";
}

/// Adds them to the table of an Options that is derived from KafkaProperties.
template <typename Options>
void add_kafka_options(OptionTable<Options>& table, KafkaRole role) {
  const bool is_producer = role == KafkaRole::producer;
  table
      .add("kafka.bootstrap.servers", static_cast<std::string Options::*>(&Options::servers),
           "HOST:PORT,...", "Brokers to ask first; they name the others.")
      .alias("bootstrap-server")
      .not_empty();
  table.add_prefix(
      is_producer ? "kafka.producer" : "kafka.consumer",
      static_cast<PropertyMap Options::*>(&Options::java),
      std::string("A property of Java's ") + (is_producer ? "producer" : "consumer") +
          ", for example security.protocol=SASL_SSL, or of librdkafka. What has no effect here is "
          "named at the start.");
  table.add_prefix("librdkafka", static_cast<PropertyMap Options::*>(&Options::library),
                   "A property of librdkafka, passed on as it is.", "X");
}

}  // namespace fl
