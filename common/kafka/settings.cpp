#include "common/kafka/settings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/unique_fd.h"
#include "common/base/units.h"
#include "common/kafka/java_names.h"

namespace fl {
namespace {

Error wrong(std::string message, std::string hint = {}) {
  return {ErrorClass::config, std::move(message), std::move(hint)};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

enum class StoreKind { pem, pkcs12, jks };

// Java takes some PKCS12 files for JKS, too: the file decides.
Result<StoreKind> store_kind(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return system_error(fmt::format("cannot open '{}'", path), errno);
  }
  std::array<char, 4> head{};
  const ssize_t n = ::read(file.get(), head.data(), head.size());
  if (n < 0) {
    return system_error(fmt::format("cannot read '{}'", path), errno);
  }
  const std::string_view start(head.data(), static_cast<std::size_t>(n));
  if (start == "\xFE\xED\xFE\xED" || start == "\xCE\xCE\xCE\xCE") {
    return StoreKind::jks;
  }
  return start.starts_with('\x30') ? StoreKind::pkcs12 : StoreKind::pem;
}

Error unusable_store(const std::string& property, const std::string& path, StoreKind kind,
                     const std::string& hint) {
  return wrong(fmt::format("{}: '{}' is a {} file", property, path,
                           kind == StoreKind::jks ? "JKS" : "PKCS12"),
               hint);
}

// "org.apache.kafka.clients.consumer.RangeAssignor,..." and the bare words.
Result<std::string> assignors(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view word = trimmed(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const std::size_t dot = word.rfind('.');
    const std::string name = lower(dot == std::string_view::npos ? word : word.substr(dot + 1));
    std::string ours;
    if (name == "rangeassignor" || name == "range") {
      ours = "range";
    } else if (name == "roundrobinassignor" || name == "roundrobin") {
      ours = "roundrobin";
    } else if (name == "cooperativestickyassignor" || name == "cooperative-sticky") {
      ours = "cooperative-sticky";
    } else {
      return wrong(fmt::format("partition.assignment.strategy: '{}' is not known here", word),
                   "range, roundrobin and cooperative-sticky are");
    }
    out += (out.empty() ? "" : ",") + ours;
  }
  return out;
}

// Whether librdkafka has a property of this name. Without a value it only takes back a setting.
bool is_known(const std::string& name) {
  std::array<char, 256> reason{};
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  const rd_kafka_conf_res_t result =
      rd_kafka_conf_set(conf, name.c_str(), nullptr, reason.data(), reason.size());
  rd_kafka_conf_destroy(conf);
  return result != RD_KAFKA_CONF_UNKNOWN;
}

Error no_transactions(const std::string& origin) {
  return wrong(origin + ": transactions are not supported",
               "without them each event is stored at least once, and once unless the stage is "
               "started again");
}

// Several names of librdkafka are aliases: which one counts.
std::string canonical(const std::string& name) {
  static constexpr std::pair<const char*, const char*> kAliases[] = {
      {"acks", "request.required.acks"},
      {"compression.codec", "compression.type"},
      {"delivery.timeout.ms", "message.timeout.ms"},
      {"linger.ms", "queue.buffering.max.ms"},
      {"max.in.flight", "max.in.flight.requests.per.connection"},
      {"metadata.broker.list", "bootstrap.servers"},
      {"retries", "message.send.max.retries"},
      {"sasl.mechanism", "sasl.mechanisms"},
  };
  for (const auto& [alias, real] : kAliases) {
    if (name == alias) {
      return real;
    }
  }
  return name;
}

bool is_same(const std::string& name, const std::string& a, const std::string& b) {
  const auto plain = [&name](const std::string& value) {
    return name == "request.required.acks" && lower(value) == "all" ? std::string("-1")
                                                                    : lower(value);
  };
  return plain(a) == plain(b);
}

}  // namespace

Result<KafkaSettings> KafkaSettings::make(KafkaRole role, const KafkaProperties& properties) {
  KafkaSettings settings;
  settings.role_ = role;
  settings.servers_ = properties.servers;
  if (!properties.servers.empty()) {
    settings.put("bootstrap.servers", properties.servers, "--bootstrap-server");
  }
  for (const auto& [name, secret] : properties.java) {
    const Result<std::string> value = secret.reveal();
    if (!value) {
      return value.error();
    }
    if (Status taken = settings.take_java(name, *value); !taken) {
      return taken.error();
    }
  }
  if (Status taken = settings.take_stores(properties.java); !taken) {
    return taken.error();
  }
  for (const auto& [name, secret] : properties.library) {
    const Result<std::string> value = secret.reveal();
    if (!value) {
      return value.error();
    }
    if (!is_known(name)) {
      return wrong(
          fmt::format("-X {}: librdkafka {} has no such property", name, rd_kafka_version_str()),
          "the documentation of librdkafka names all of them");
    }
    if (name == "transactional.id") {
      return no_transactions("-X " + name);
    }
    settings.put(canonical(name), *value, "-X " + name);
    if (canonical(name) == "bootstrap.servers") {
      settings.servers_ = *value;
    }
  }
  if (settings.servers_.empty()) {
    const std::string usual =
        role == KafkaRole::producer
            ? "fl-sink kafka trades --bootstrap-server broker:9092"
            : "fl-source kafka trades --bootstrap-server broker:9092 --group files";
    return Error{ErrorClass::usage, "--bootstrap-server is missing",
                 "for example: " + (properties.call.empty() ? usual : properties.call)};
  }
  return settings;
}

void KafkaSettings::put(const std::string& name, const std::string& value,
                        const std::string& origin) {
  values_[name] = value;
  origins_[name] = origin;
}

std::string KafkaSettings::origin(const std::string& name) const {
  const auto found = origins_.find(name);
  return found == origins_.end() ? name : found->second;
}

Status KafkaSettings::take_java(const std::string& name, const std::string& value) {
  const std::string origin =
      std::string(role_ == KafkaRole::producer ? "kafka.producer." : "kafka.consumer.") + name;
  const JavaName* const java = find_java_name(name);
  if (java == nullptr) {
    if (name == "transactional.id") {
      return no_transactions(origin);
    }
    if (!is_known(name)) {
      notes_.push_back(
          fmt::format("{} has no effect: no Kafka client here knows the property", origin));
      return {};
    }
    put(canonical(name), value, origin);
    return {};
  }
  switch (java->meaning) {
    case JavaName::Meaning::renamed:
      put(std::string(java->text), value, origin);
      return {};
    case JavaName::Meaning::no_effect:
      notes_.push_back(fmt::format("{} has no effect: {}", origin, java->text));
      return {};
    case JavaName::Meaning::special:
      break;
  }
  if (name == "security.protocol") {
    put(name, lower(value), origin);
  } else if (name == "ssl.endpoint.identification.algorithm") {
    put(name, value.empty() ? "none" : lower(value), origin);
  } else if (name == "auto.offset.reset") {
    put(name, value == "none" ? "error" : value, origin);
  } else if (name == "sasl.jaas.config") {
    return take_jaas(value);
  } else if (name == "buffer.memory") {
    const Result<std::uint64_t> bytes = parse_count(value);
    if (!bytes || *bytes == 0) {
      return wrong(fmt::format("{}: '{}' is not a number above 0", origin, value));
    }
    buffer_bytes_ = *bytes;
  } else if (name == "partition.assignment.strategy") {
    const Result<std::string> names = assignors(value);
    if (!names) {
      return names.error();
    }
    put(name, *names, origin);
  }
  return {};  // the rest belongs to take_stores()
}

Status KafkaSettings::take_jaas(const std::string& text) {
  const auto login = kafka_login(text);
  if (!login) {
    return login.error();
  }
  for (const auto& [name, value] : *login) {
    put(name, value, "sasl.jaas.config");
  }
  return {};
}

// Certificates and keys: Java has stores of several kinds where librdkafka has a property for each.
Status KafkaSettings::take_stores(const PropertyMap& java) {
  const auto given = [&java](const std::string& name) {
    const auto found = java.find(name);
    if (found == java.end()) {
      return std::string();
    }
    const Result<std::string> value = found->second.reveal();
    return value ? *value : std::string();  // it was read before
  };
  if (const std::string trust = given("ssl.truststore.location"); !trust.empty()) {
    const Result<StoreKind> kind = store_kind(trust);
    if (!kind) {
      return kind.error();
    }
    if (*kind != StoreKind::pem) {
      return unusable_store(
          "ssl.truststore.location", trust, *kind,
          *kind == StoreKind::pkcs12
              ? fmt::format("convert it: openssl pkcs12 -in {} -nokeys -out ca.pem", trust)
              : fmt::format("convert it: keytool -list -rfc -keystore {} > ca.pem", trust));
    }
    put("ssl.ca.location", trust, "ssl.truststore.location");
  }
  if (const std::string key = given("ssl.keystore.location"); !key.empty()) {
    const Result<StoreKind> kind = store_kind(key);
    if (!kind) {
      return kind.error();
    }
    if (*kind == StoreKind::jks) {
      return unusable_store("ssl.keystore.location", key, *kind,
                            fmt::format("convert it: keytool -importkeystore -srckeystore {} "
                                        "-destkeystore keystore.p12 -deststoretype PKCS12",
                                        key));
    }
    if (*kind == StoreKind::pkcs12) {
      put("ssl.keystore.location", key, "ssl.keystore.location");
      put("ssl.keystore.password", given("ssl.keystore.password"), "ssl.keystore.password");
    } else {
      put("ssl.certificate.location", key, "ssl.keystore.location");
      put("ssl.key.location", key, "ssl.keystore.location");
    }
  }
  if (const std::string password = given("ssl.key.password"); !password.empty()) {
    put("ssl.key.password", password, "ssl.key.password");
  }
  return {};
}

Status KafkaSettings::require(const std::string& name, const std::string& value,
                              std::string_view why) {
  const auto found = values_.find(name);
  if (found != values_.end() && !is_same(name, found->second, value)) {
    return Error{ErrorClass::usage, fmt::format("{} can only be {}: {}", origin(name), value, why),
                 "leave it out"};
  }
  values_[name] = value;
  return {};
}

void KafkaSettings::prefer(const std::string& name, const std::string& value) {
  values_.emplace(name, value);
}

KafkaSettings KafkaSettings::to_ask() const {
  KafkaSettings settings = *this;
  settings.role_ = KafkaRole::consumer;
  settings.notes_.clear();
  settings.values_["log_level"] = "3";  // it would warn of each property of a producer
  settings.values_["allow.auto.create.topics"] = "false";
  return settings;
}

std::optional<std::string> KafkaSettings::find(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> topic_name_fault(std::string_view name) {
  if (name.empty()) {
    return "it is empty";
  }
  if (name == "." || name == "..") {
    return "Kafka takes neither . nor ..";
  }
  if (name.size() > 249) {
    return "it is longer than 249 characters";
  }
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return is_plain ? std::nullopt
                  : std::optional<std::string>("only letters, digits and . _ - are allowed");
}

}  // namespace fl
