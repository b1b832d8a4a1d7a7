#include "tools/fl-sink/avro/hosts.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/fanout/group_sink.h"
#include "common/option/option_values.h"

namespace fl {
namespace {

// Of the group, not of its sinks.
constexpr std::string_view kGroupKeys[] = {
    "hosts",   "hostname",   "port",         "failover",      "balance",  "client.type",
    "backoff", "maxBackoff", "max-attempts", "host-selector", "attempts", "capacity"};

bool is_of_group(const OptionSpec& spec) {
  return std::find(std::begin(kGroupKeys), std::end(kGroupKeys), spec.key) != std::end(kGroupKeys);
}

// A secret that a Flume file holds as it is reaches the sinks by their environment.
void export_secret(const Secret& secret, const std::string& variable) {
  if (secret.origin() == Secret::Origin::literal) {
    (void)::setenv(variable.c_str(), secret.reveal()->c_str(), 1);
  }
}

std::vector<std::string> shared_words(const OptionSet& set, AvroSinkOptions& options) {
  export_secret(options.tls.keystore_password, "FL_KEYSTORE_PASSWORD");
  export_secret(options.tls.truststore_password, "FL_TRUSTSTORE_PASSWORD");
  const std::shared_ptr<void> defaults = set.make();
  std::vector<std::string> words;
  for (const OptionSpec& spec : set.options) {
    const std::vector<std::string> values = spec.get_all(&options);
    if (!is_on_command_line(spec) || is_of_group(spec) || !spec.ignored_reason.empty() ||
        values == spec.get_all(defaults.get())) {
      continue;
    }
    for (const std::string& value : values) {
      words.push_back("--" + spec.name + "=" + value);
    }
  }
  words.push_back("--attempts=" + std::to_string(std::max<std::uint64_t>(options.attempts, 1)));
  return words;
}

}  // namespace

GroupKind group_kind(const AvroSinkOptions& options) {
  const bool is_failover = options.failover || options.client_type == "default_failover";
  const bool is_balance = options.balance || options.client_type == "default_loadbalance";
  return is_failover && is_balance ? GroupKind::both
         : is_failover             ? GroupKind::failover
         : is_balance              ? GroupKind::balance
                                   : GroupKind::none;
}

std::vector<std::string> hosts_of(const AvroSinkOptions& options) {
  if (!options.hosts.empty()) {
    return options.hosts;
  }
  const bool is_ipv6 = options.hostname.find(':') != std::string::npos;
  return {(is_ipv6 ? "[" + options.hostname + "]" : options.hostname) + ":" +
          std::to_string(options.port)};
}

std::unique_ptr<Sink> make_avro_sink(const OptionSet& set,
                                     const std::shared_ptr<AvroSinkOptions>& options) {
  const GroupKind kind = group_kind(*options);
  const std::vector<std::string> hosts = hosts_of(*options);
  const bool is_right = std::all_of(hosts.begin(), hosts.end(), [](const std::string& host) {
    return parse_host_port(host).ok();
  });
  if (hosts.size() < 2 || !is_right || kind == GroupKind::none || kind == GroupKind::both) {
    return std::make_unique<AvroSink>(*options);  // which says what is wrong
  }
  GroupSink::Settings settings;
  settings.capacity = options->capacity.value;
  settings.turn.policy = kind == GroupKind::failover ? OutputOrder::Policy::failover
                                                     : sharing_policy(options->host_selector);
  settings.turn.most_penalty_ms = options->backoff ? options->max_backoff.ms : 0;
  const std::vector<std::string> shared = shared_words(set, *options);
  for (const std::string& host : hosts) {
    std::vector<std::string>& words = settings.members.emplace_back();
    words = {host};  // this program is fl-sink-avro
    words.insert(words.end(), shared.begin(), shared.end());
  }
  return std::make_unique<GroupSink>(std::move(settings));
}

}  // namespace fl
