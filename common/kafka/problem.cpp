#include "common/kafka/problem.h"

#include <fmt/format.h>

#include <charconv>

namespace fl {
namespace {

constexpr int kScramMended = 0x020601ff;

using Kind = KafkaProblem::Kind;

struct Rule {
  rd_kafka_resp_err_t code;
  Kind kind;
  ErrorClass error;
  std::string_view hint;
};

constexpr Rule kRules[] = {
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, Kind::refused, ErrorClass::permission,
     "check user, password and mechanism"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Kind::refused, ErrorClass::permission,
     "check user, password and mechanism"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, Kind::refused, ErrorClass::permission,
     "choose another sasl.mechanism"},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, Kind::refused, ErrorClass::permission,
     "check security.protocol"},
    {RD_KAFKA_RESP_ERR__SSL, Kind::refused, ErrorClass::permission,
     "check the certificates: ssl.ca.location, ssl.certificate.location"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Kind::refused, ErrorClass::permission,
     "the user needs a permission for the topic: kafka-acls.sh --add"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Kind::refused, ErrorClass::permission,
     "the user needs a permission for the group: kafka-acls.sh --add"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Kind::refused, ErrorClass::permission,
     "the user needs a permission of the cluster (before Kafka 2.8 IdempotentWrite): kafka-acls.sh "
     "--add"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Kind::refused, ErrorClass::permission,
     ""},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Kind::message, ErrorClass::input,
     "max.message.bytes of the topic and max.request.size of the producer are the limits"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, Kind::message, ErrorClass::input,
     "a compacted topic needs keys; see the broker's log"},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, Kind::message, ErrorClass::input,
     "see message.timestamp.before.max.ms of the topic"},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, Kind::message, ErrorClass::input, ""},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, Kind::message, ErrorClass::input, ""},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Kind::topic, ErrorClass::config,
     "kafka-topics.sh --describe shows the partitions"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Kind::topic, ErrorClass::config,
     "create it: kafka-topics.sh --create; or let brokers do so: auto.create.topics.enable"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Kind::topic, ErrorClass::config,
     "create it: kafka-topics.sh --create; or let brokers do so: auto.create.topics.enable"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, Kind::topic, ErrorClass::config, ""},
    {RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, Kind::fatal, ErrorClass::unavailable,
     "the system refuses a thread: raise the limit of processes (ulimit -u) or of the service"},
    {RD_KAFKA_RESP_ERR__FATAL, Kind::fatal, ErrorClass::unavailable, ""},
};

// "b1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state
// CONNECT, 1 identical error(s) suppressed)": the end is for those who know the library's states.
std::string tidied(std::string_view text) {
  const std::size_t after = text.rfind(" (after ");
  std::string out(text.ends_with(')') && after != std::string_view::npos ? text.substr(0, after)
                                                                         : text);
  for (const std::string_view noise : {"/bootstrap", "ipv4#", "ipv6#"}) {
    for (std::size_t at = out.find(noise); at != std::string::npos; at = out.find(noise, at)) {
      out.erase(at, noise.size());
    }
  }
  return out;
}

// With TLS 1.3 a client learns only after the handshake that its certificate is refused, from a
// connection that the broker then closes.
bool is_refusal_of_certificate(std::string_view text) {
  constexpr std::string_view kAlert = "SSL alert number ";
  const std::size_t at = text.find(kAlert);
  if (at == std::string_view::npos) {
    return false;
  }
  int number = 0;
  std::from_chars(text.data() + at + kAlert.size(), text.data() + text.size(), number);
  // Bad, unsupported, revoked, expired, unknown; unknown issuer, no access; none at all.
  return (number >= 42 && number <= 46) || number == 48 || number == 49 || number == 116;
}

}  // namespace

KafkaProblem kafka_problem(rd_kafka_resp_err_t code, std::string_view text) {
  const std::string_view name = rd_kafka_err2str(code);
  std::string message = text.empty() ? std::string(name) : tidied(text);
  if (code == RD_KAFKA_RESP_ERR__TRANSPORT && is_refusal_of_certificate(text)) {
    code = RD_KAFKA_RESP_ERR__SSL;
  }
  for (const Rule& rule : kRules) {
    if (rule.code == code) {
      return {rule.kind, {rule.error, std::move(message), std::string(rule.hint)}};
    }
  }
  return {Kind::away, {ErrorClass::unavailable, std::move(message), {}}};
}

bool scram_works_everywhere() { return rd_kafka_version() >= kScramMended; }

}  // namespace fl
