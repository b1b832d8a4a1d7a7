// What librdkafka and the brokers complain about, as errors of ours.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// What an error code means for the user of the client.
struct KafkaProblem {
  enum class Kind {
    away,     ///< a broker is not there now: the library keeps trying
    refused,  ///< the same, but a person has to act: credentials, certificates, permissions
    message,  ///< this message will never be accepted; others may
    topic,    ///< there is no such topic or partition, or its name is illegal
    fatal,    ///< the client is unusable
  };

  Kind kind = Kind::away;
  Error error = {};
};

/// `text`: what the library says about it, for example which broker; may be empty.
KafkaProblem kafka_problem(rd_kafka_resp_err_t code, std::string_view text);

/// Whether one client can log in with SCRAM to any broker: librdkafka before 2.6.1 cannot log in to
/// Kafka 4.
bool scram_works_everywhere();

}  // namespace fl
