#include "common/kafka/client.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/start.h"
#include "common/kafka/bounded.h"
#include "common/net/repeated_warning.h"
#include "common/option/secret.h"

namespace fl {
namespace {

constexpr std::size_t kMaxFacilities = 64;
constexpr std::uint64_t kOne = 1;

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

Error refused_value(const KafkaSettings& settings, const std::string& name,
                    std::string_view reason) {
  // The library repeats the value.
  return {ErrorClass::config,
          sounds_secret(name) ? fmt::format("{}: the value is refused", settings.origin(name))
                              : fmt::format("{}: {}", settings.origin(name), reason),
          {}};
}

// Warnings need attention; debug lines are for those who look for a cause.
LogLevel level_of(int syslog_level, std::string_view facility) {
  // Errors come as events, too. A coordinator that is still starting is waited for.
  if (facility == "FAIL" || facility == "ERROR" || facility == "GETPID" || facility == "FATAL") {
    return LogLevel::debug;
  }
  return syslog_level <= 4 ? LogLevel::warning : LogLevel::debug;
}

// What the library starts with, one for each server that is named among them, and our own two of a
// source. It aborts, or waits forever, where it gets too few.
unsigned threads_at_start(const KafkaSettings& settings) {
  constexpr unsigned kOwn = 2;
  constexpr unsigned kOfLibrary = 3;  // the main one, an internal broker, the group's coordinator
  const std::string& servers = settings.servers();
  const auto commas = std::count(servers.begin(), servers.end(), ',');
  return kOwn + kOfLibrary + 1 + static_cast<unsigned>(commas);
}

}  // namespace

struct KafkaClient::Facility {
  RepeatedWarning warning;
};

KafkaClient::KafkaClient() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

KafkaClient::~KafkaClient() { (void)close(); }

Result<std::unique_ptr<KafkaClient>> KafkaClient::make(const KafkaSettings& settings, int events) {
  std::unique_ptr<KafkaClient> client(new KafkaClient);
  if (!client->wake_) {
    return system_error("cannot make an eventfd", errno);
  }
  client->servers_ = settings.servers();
  const std::string mechanism = settings.find("sasl.mechanisms").value_or("");
  client->is_scram_ = mechanism.find("SCRAM") != std::string::npos;

  std::array<char, 512> reason{};
  Conf conf(rd_kafka_conf_new());
  const auto set = [&](const std::string& name, const std::string& value) {
    return rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), reason.data(),
                             reason.size()) == RD_KAFKA_CONF_OK;
  };
  // Without these lines the library says something at each start and each idle hour.
  (void)set("log.connection.close", "false");
  (void)set("log.thread.name", "false");
  (void)set("log.queue", "true");
  (void)set("client.id", "fl");
  (void)set("client.software.name", "fl");
  for (const auto& [name, value] : settings.values()) {
    if (!set(name, value)) {
      return refused_value(settings, name, reason.data());
    }
  }
  rd_kafka_conf_set_events(conf.get(), events | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_ERROR);
  const rd_kafka_type_t type =
      settings.role() == KafkaRole::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
  if (Status room = try_threads(threads_at_start(settings)); !room) {
    return room.error();
  }
  client->handle_ = rd_kafka_new(type, conf.get(), reason.data(), reason.size());
  if (client->handle_ == nullptr) {
    const int number = errno;
    std::string what = fmt::format("librdkafka refuses to start: {}", reason.data());
    if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE) {
      return refused_start(ErrorClass::unavailable, std::move(what), number);
    }
    return Error{ErrorClass::config, std::move(what), {}};
  }
  (void)conf.release();  // the handle has it
  if (type == RD_KAFKA_CONSUMER && settings.find("group.id")) {
    rd_kafka_poll_set_consumer(client->handle_);
    client->queue_.reset(rd_kafka_queue_get_consumer(client->handle_));
  }
  if (!client->queue_) {
    client->queue_.reset(rd_kafka_queue_get_main(client->handle_));
  }
  // The main queue of a group's consumer is forwarded: both mean the same one.
  KafkaQueue main(rd_kafka_queue_get_main(client->handle_));
  (void)rd_kafka_set_log_queue(client->handle_, main.get());
  rd_kafka_queue_io_event_enable(client->queue_.get(), client->wake_.get(), &kOne, sizeof kOne);
  // Events that came before that have notified nobody.
  (void)eventfd_write(client->wake_.get(), 1);
  for (const std::string& note : settings.notes()) {
    log(LogLevel::warning, note);
  }
  return client;
}

void KafkaClient::abandon() {
  is_abandoned_ = true;
  leave_threads_behind();
}

bool KafkaClient::close(std::int64_t ms) {
  if (handle_ == nullptr) {
    return !is_abandoned_;
  }
  rd_kafka_queue_io_event_enable(queue_.get(), -1, nullptr, 0);
  queue_.reset();
  rd_kafka_t* const handle = std::exchange(handle_, nullptr);
  if (is_abandoned_) {
    return false;
  }
  if (!ends_within(
          ms, [handle] { rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); })) {
    abandon();
    log(LogLevel::warning,
        fmt::format("librdkafka did not shut down within {} ms: ending without it", ms));
  }
  return !is_abandoned_;
}

void KafkaClient::clear() {
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
}

KafkaEvent KafkaClient::next() {
  for (;;) {
    KafkaEvent event(rd_kafka_queue_poll(queue_.get(), 0));
    if (!event || !take(event.get())) {
      return event;
    }
  }
}

bool KafkaClient::take(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_LOG:
      take_log(event);
      return true;
    case RD_KAFKA_EVENT_ERROR:
      take_error(event);
      return true;
    default:
      return false;
  }
}

void KafkaClient::take_log(rd_kafka_event_t* event) {
  const char* facility = nullptr;
  const char* text = nullptr;
  int level = 0;
  if (rd_kafka_event_log(event, &facility, &text, &level) != 0) {
    return;
  }
  const LogLevel ours = level_of(level, facility);
  if (ours != LogLevel::warning) {
    log(ours, fmt::format("librdkafka: {}: {}", facility, text));
    return;
  }
  auto found = facilities_.find(std::string_view(facility));
  if (found == facilities_.end()) {
    if (facilities_.size() >= kMaxFacilities) {
      return;
    }
    found = facilities_.emplace(facility, std::make_unique<Facility>()).first;
  }
  RepeatedWarning& warning = found->second->warning;
  const std::int64_t now = monotonic_ms();
  if (warning.happened(now)) {
    const std::uint64_t more = warning.unreported() - 1;
    log(ours, more == 0 ? fmt::format("librdkafka: {}", text)
                        : fmt::format("librdkafka: {} (and {} like it)", text, more));
    warning.reported(now);
  }
}

void KafkaClient::take_error(rd_kafka_event_t* event) {
  ++errors_;
  rd_kafka_resp_err_t code = rd_kafka_event_error(event);
  const char* text = rd_kafka_event_error_string(event);
  std::array<char, 512> fatal{};
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(handle_, fatal.data(), fatal.size());
    text = fatal.data();
    problem_ = kafka_problem(cause, text);
    problem_->kind = KafkaProblem::Kind::fatal;
    return;
  }
  if (problem_ && problem_->kind == KafkaProblem::Kind::fatal) {
    return;
  }
  KafkaProblem now = kafka_problem(code, text == nullptr ? "" : text);
  if (now.error.kind == ErrorClass::permission && is_scram_ && !scram_works_everywhere()) {
    now.error.hint = fmt::format(
        "if they are right: librdkafka {} cannot log in to Kafka 4 with SCRAM, 2.6.1 can; or use "
        "PLAIN over TLS",
        rd_kafka_version_str());
  }
  // "1/1 brokers are down" says less than why the last of them is.
  const bool says_less = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && problem_;
  const bool is_worse = problem_ && problem_->kind == KafkaProblem::Kind::refused &&
                        now.kind == KafkaProblem::Kind::away;
  if (!says_less && !is_worse) {
    problem_ = std::move(now);
  }
}

void KafkaClient::works() {
  has_worked_ = true;
  if (problem_ && problem_->kind != KafkaProblem::Kind::fatal) {
    problem_.reset();
  }
}

}  // namespace fl
