#include "common/kafka/java_names.h"

#include <algorithm>
#include <iterator>

namespace fl {
namespace {

using enum JavaName::Meaning;

constexpr std::string_view kOnlyJava = "it is about classes of Java";
constexpr std::string_view kOpenSsl =
    "OpenSSL chooses; ssl.cipher.suites of -X has OpenSSL's names";
constexpr std::string_view kAlwaysWaits = "events wait without a limit; see --give-up-after";
constexpr std::string_view kOwnOffsets =
    "offsets are committed when the stages after this one have acknowledged the events";

constexpr JavaName kNames[] = {
    // Both.
    {"client.dns.lookup", no_effect, "all addresses of a name are tried"},
    {"connections.max.idle.ms", no_effect, "a lost connection is opened again when it is needed"},
    {"default.api.timeout.ms", no_effect, "events wait without a limit; see --give-up-after"},
    {"interceptor.classes", no_effect, kOnlyJava},
    {"metric.reporters", no_effect, "--metrics has the figures"},
    {"metrics.num.samples", no_effect, "--metrics has the figures"},
    {"metrics.recording.level", no_effect, "--metrics has the figures"},
    {"metrics.sample.window.ms", no_effect, "--metrics has the figures"},
    {"auto.include.jmx.reporter", no_effect, "--metrics has the figures"},
    {"enable.metrics.push", no_effect, "--metrics has the figures"},
    {"receive.buffer.bytes", renamed, "socket.receive.buffer.bytes"},
    {"send.buffer.bytes", renamed, "socket.send.buffer.bytes"},
    {"socket.connection.setup.timeout.max.ms", no_effect,
     "socket.connection.setup.timeout.ms is the limit of each try"},
    {"security.providers", no_effect, kOnlyJava},
    {"security.protocol", special, ""},
    {"sasl.client.callback.handler.class", no_effect, kOnlyJava},
    {"sasl.jaas.config", special, ""},
    {"sasl.kerberos.ticket.renew.jitter", no_effect, "kinit renews the ticket"},
    {"sasl.kerberos.ticket.renew.window.factor", no_effect, "kinit renews the ticket"},
    {"sasl.login.callback.handler.class", no_effect, kOnlyJava},
    {"sasl.login.class", no_effect, kOnlyJava},
    {"ssl.cipher.suites", no_effect, kOpenSsl},
    {"ssl.enabled.protocols", no_effect, kOpenSsl},
    {"ssl.endpoint.identification.algorithm", special, ""},
    {"ssl.engine.factory.class", no_effect, kOnlyJava},
    {"ssl.key.password", special, ""},
    {"ssl.keymanager.algorithm", no_effect, kOnlyJava},
    {"ssl.keystore.certificate.chain", renamed, "ssl.certificate.pem"},
    {"ssl.keystore.key", renamed, "ssl.key.pem"},
    {"ssl.keystore.location", special, ""},
    {"ssl.keystore.password", special, ""},
    {"ssl.keystore.type", special, ""},
    {"ssl.protocol", no_effect, kOpenSsl},
    {"ssl.provider", no_effect, kOnlyJava},
    {"ssl.secure.random.implementation", no_effect, kOnlyJava},
    {"ssl.trustmanager.algorithm", no_effect, kOnlyJava},
    {"ssl.truststore.certificates", renamed, "ssl.ca.pem"},
    {"ssl.truststore.location", special, ""},
    {"ssl.truststore.password", special, ""},
    {"ssl.truststore.type", special, ""},
    // Producers.
    {"acks", no_effect, "an event is acknowledged when all in-sync replicas have it (acks=all)"},
    {"buffer.memory", special, ""},
    {"delivery.timeout.ms", no_effect, kAlwaysWaits},
    {"enable.idempotence", no_effect, "it is always on: nothing is stored twice"},
    {"key.serializer", no_effect, kOnlyJava},
    {"max.block.ms", no_effect, kAlwaysWaits},
    {"max.request.size", renamed, "message.max.bytes"},
    {"metadata.max.idle.ms", no_effect, "topics are remembered"},
    {"partitioner.adaptive.partitioning.enable", no_effect, kOnlyJava},
    {"partitioner.availability.timeout.ms", no_effect, kOnlyJava},
    {"partitioner.class", no_effect,
     "keys go to the partitions that Java's default partitioner chooses"},
    {"partitioner.ignore.keys", no_effect, kOnlyJava},
    {"retry.backoff.max.ms", no_effect, "retry.backoff.ms is the pause"},
    {"value.serializer", no_effect, kOnlyJava},
    {"serializer.class", no_effect, kOnlyJava},
    {"key.serializer.class", no_effect, kOnlyJava},
    {"transaction.timeout.ms", no_effect, "there are no transactions"},
    // Consumers.
    {"auto.commit.interval.ms", no_effect, kOwnOffsets},
    {"auto.offset.reset", special, ""},
    {"enable.auto.commit", no_effect, kOwnOffsets},
    {"exclude.internal.topics", no_effect, "a pattern that names them finds them"},
    {"fetch.max.wait.ms", renamed, "fetch.wait.max.ms"},
    {"key.deserializer", no_effect, kOnlyJava},
    {"max.poll.records", no_effect, "records are taken as they come"},
    {"partition.assignment.strategy", special, ""},
    {"value.deserializer", no_effect, kOnlyJava},
};

}  // namespace

const JavaName* find_java_name(std::string_view name) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [name](const JavaName& other) { return other.name == name; });
  return found == std::end(kNames) ? nullptr : found;
}

}  // namespace fl
