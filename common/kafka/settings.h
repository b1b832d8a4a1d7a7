// What a client of Kafka is set to: from the names of Flume and of Java's clients to librdkafka's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/option/secret.h"

namespace fl {

enum class KafkaRole { producer, consumer };

/// As the user gave them.
struct KafkaProperties {
  std::string servers;       ///< HOST:PORT,... of kafka.bootstrap.servers
  PropertyMap java = {};     ///< kafka.producer.* or kafka.consumer.*
  PropertyMap library = {};  ///< -X: librdkafka's names; they take precedence
  std::string call = {};  ///< what the component is called, for messages; empty: as sink or source
};

/// The properties of librdkafka, with their secrets. A component adds what it needs before a client
/// is made of them.
class KafkaSettings {
 public:
  /// Reads the secrets. What has no effect is not an error but a note. Errors: class config, or the
  /// system's where a file cannot be read; none of them holds a secret.
  static Result<KafkaSettings> make(KafkaRole role, const KafkaProperties& properties);

  KafkaRole role() const { return role_; }
  const std::string& servers() const { return servers_; }
  /// The component cannot work otherwise: a user who wants another value is told why not.
  Status require(const std::string& name, const std::string& value, std::string_view why);
  /// A default of the component.
  void prefer(const std::string& name, const std::string& value);
  std::optional<std::string> find(const std::string& name) const;
  /// The same brokers and login for a client that only asks. It is a consumer: when a producer asks
  /// for a topic that is not there, brokers may make it.
  KafkaSettings to_ask() const;
  /// Java's buffer.memory, which is up to the component; 0: not given.
  std::uint64_t buffer_bytes() const { return buffer_bytes_; }

  const std::map<std::string, std::string>& values() const { return values_; }
  /// What the user calls the property, for messages.
  std::string origin(const std::string& name) const;
  /// One sentence for each property that has no effect, to be logged as warnings.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  Status take_java(const std::string& name, const std::string& value);
  Status take_jaas(const std::string& text);
  Status take_stores(const PropertyMap& java);
  void put(const std::string& name, const std::string& value, const std::string& origin);

  KafkaRole role_ = KafkaRole::producer;
  std::string servers_;
  std::map<std::string, std::string> values_;
  std::map<std::string, std::string> origins_;
  std::vector<std::string> notes_;
  std::uint64_t buffer_bytes_ = 0;
};

/// The login modules of sasl.jaas.config that a client can use, as properties of librdkafka: user
/// name and password, or principal and keytab. Error: class config, without the text.
Result<std::map<std::string, std::string>> kafka_login(std::string_view jaas);

/// Whether Kafka takes it as the name of a topic; else why not.
std::optional<std::string> topic_name_fault(std::string_view name);

}  // namespace fl
