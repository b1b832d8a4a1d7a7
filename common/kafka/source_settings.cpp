// The options of the kafka source, checked, and what they are for the library.
#include <fmt/format.h>
#include <regex.h>

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/kafka/source.h"

namespace fl {
namespace {

Error wrong(std::string message, std::string hint = {}) {
  return {ErrorClass::usage, std::move(message), std::move(hint)};
}

// librdkafka would say "Invalid argument" when it joins the group. It takes POSIX patterns.
Status check_pattern(const std::string& text) {
  regex_t compiled;
  const int number = ::regcomp(&compiled, text.c_str(), REG_EXTENDED | REG_NOSUB);
  if (number == 0) {
    ::regfree(&compiled);
    return {};
  }
  char reason[200];
  ::regerror(number, &compiled, reason, sizeof reason);
  return wrong(fmt::format("--topics-regex '{}' is not a pattern: {}", printable(text), reason),
               "give an extended regular expression, as for grep -E");
}

}  // namespace

Status KafkaSource::check_topics(const std::vector<std::string>& topics) {
  std::vector<std::string> all;
  for (const std::string& text : topics) {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      const std::size_t begin = std::min(text.find_first_not_of(" \t", at), comma);
      std::string name = text.substr(begin, comma - begin);
      name.erase(name.find_last_not_of(" \t") + 1);
      at = comma + 1;
      if (const std::optional<std::string> fault = topic_name_fault(name)) {
        return wrong(fmt::format("'{}' is not the name of a topic: {}", printable(name), *fault),
                     name.starts_with('^') ? "--topics-regex takes a pattern" : "");
      }
      if (std::count(all.begin(), all.end(), name) == 0) {
        all.push_back(std::move(name));
      }
    }
  }
  options_.topics = std::move(all);
  return {};
}

Status KafkaSource::parse_partitions() {
  for (const std::string& text : options_.partitions) {
    const Result<std::uint64_t> number = parse_count(text, INT32_MAX);
    if (!number) {
      return wrong(
          fmt::format("--partition: '{}' is not the number of a partition", printable(text)));
    }
    numbers_.push_back(static_cast<std::int32_t>(*number));
  }
  if (!options_.offset.empty()) {
    const Result<std::uint64_t> number = parse_count(options_.offset, INT64_MAX);
    if (!number) {
      return wrong(fmt::format("--offset: '{}' is not an offset", printable(options_.offset)),
                   "--from takes earliest, latest, a time, or -N");
    }
    offset_ = static_cast<std::int64_t>(*number);
  }
  return {};
}

// The consumer's own words for --from.
Status KafkaSource::take_reset(PropertyMap& properties) {
  const auto found = properties.find("auto.offset.reset");
  if (found == properties.end()) {
    return {};
  }
  const Result<std::string> value = found->second.reveal();
  if (!value) {
    return value.error();
  }
  options_.from = *value == "smallest" || *value == "beginning" ? "earliest"
                  : *value == "largest" || *value == "end"      ? "latest"
                  : *value == "error"                           ? "none"
                                                                : *value;
  properties.erase(found);
  return {};
}

// The consumer's own word for --group, from wherever it comes.
Status KafkaSource::take_group() {
  constexpr std::string_view kOfFlume = "flume";  // its default, which nobody need have given
  const std::string name = "group.id";
  const bool is_of_library = options_.library.contains(name);
  const PropertyMap& properties = is_of_library ? options_.library : options_.java;
  const auto found = properties.find(name);
  if (found == properties.end()) {
    return {};
  }
  const Result<std::string> value = found->second.reveal();
  if (!value) {
    return value.error();
  }
  const std::string option = (is_of_library ? "-X " : "--consumer ") + name;
  if (value->empty()) {
    return wrong(option + " is empty", "leave it out to read without a group");
  }
  if (!options_.group.empty() && options_.group != kOfFlume && options_.group != *value) {
    return wrong(fmt::format("--group names the group '{}', and {} the group '{}'",
                             printable(options_.group), option, printable(*value)),
                 "both mean the same: leave one of them out");
  }
  options_.group = *value;
  options_.library.erase(name);
  options_.java.erase(name);
  return {};
}

Status KafkaSource::check_options() {
  if (Status status = take_group(); !status) {
    return status;
  }
  if (!options_.topics_regex.empty()) {
    options_.topics.clear();  // it wins, as in Flume
    if (options_.group.empty()) {
      return wrong("--topics-regex needs --group", "name the topics to read them without a group");
    }
    if (Status status = check_pattern(options_.topics_regex); !status) {
      return status;
    }
  } else if (options_.topics.empty()) {
    return wrong(
        "TOPIC is missing",
        "name topics, or give a pattern (--topics-regex); for example: fl-source kafka trades "
        "--bootstrap-server broker:9092 --group files");
  }
  if (Status status = check_topics(options_.topics); !status) {
    return status;
  }
  if (Status status = parse_partitions(); !status) {
    return status;
  }
  if (!options_.group.empty() && (!numbers_.empty() || offset_ >= 0)) {
    return wrong("--partition and --offset do not go with --group",
                 "the group decides who reads which partition, and from where");
  }
  if (offset_ >= 0 && (numbers_.size() != 1 || options_.topics.size() != 1)) {
    return wrong("--offset needs one TOPIC and one --partition",
                 "an offset means nothing in another partition");
  }
  if (Status status = take_reset(options_.java); !status) {
    return status;
  }
  if (Status status = take_reset(options_.library); !status) {
    return status;
  }
  const Result<FirstPlace> from = FirstPlace::parse(options_.from);
  if (!from) {
    return from.error();
  }
  from_ = *from;
  return {};
}

Result<KafkaSettings> KafkaSource::settings() const {
  Result<KafkaSettings> settings = KafkaSettings::make(KafkaRole::consumer, options_);
  if (!settings) {
    return settings;
  }
  if (!options_.group.empty()) {
    settings->prefer("group.id", options_.group);
  }
  // Values that would break what this source promises.
  const std::pair<const char*, const char*> fixed[] = {
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"enable.partition.eof", "true"},
      {"auto.offset.reset", "error"},
  };
  for (const auto& [name, value] : fixed) {
    if (Status status =
            settings->require(name, value,
                              std::string_view(name) == "auto.offset.reset"
                                  ? "--from says where to begin, and what has expired is reported"
                                  : "offsets are committed when events are acknowledged");
        !status) {
      return status.error();
    }
  }
  settings->prefer("partition.assignment.strategy", "cooperative-sticky");
  settings->prefer("isolation.level", "read_committed");
  if (const auto session = settings->find("session.timeout.ms")) {
    // By default it beats every 3 s: a shorter session would end again and again.
    const Result<std::uint64_t> ms = parse_count(*session, INT32_MAX);
    if (ms && *ms < 9000) {
      settings->prefer("heartbeat.interval.ms",
                       std::to_string(std::max<std::uint64_t>(1, *ms / 3)));
    }
  }
  settings->prefer("queued.max.messages.kbytes", "16384");
  settings->prefer("fetch.max.bytes", "8388608");
  // A broker keeps a request that finds nothing new for so long, and it has one at a time: if that
  // is of partitions that are read to their end, it holds up those whose records have found no room
  // in the queue before. New records are reported at once, however long it is, unless the user
  // wants many bytes at a time.
  if (!settings->find("fetch.min.bytes")) {
    settings->prefer("fetch.wait.max.ms", options_.once ? "20" : "100");
  }
  if (!FetchNudge::is_needed()) {
    settings->prefer("fetch.queue.backoff.ms", "10");
  }
  settings->prefer("reconnect.backoff.max.ms", "2000");
  settings->prefer("topic.blacklist", "^__.*");
  return settings;
}

std::vector<std::string> KafkaSource::subscription() const {
  if (options_.topics_regex.empty()) {
    return options_.topics;
  }
  return {"^(" + options_.topics_regex + ")$"};
}

Result<RecordRules> KafkaSource::rules() const {
  RecordRules rules;
  rules.topic_header = options_.set_topic_header ? options_.topic_header : "";
  rules.takes_headers = options_.record_headers == "all";
  for (const auto& [name, value] : options_.headers) {
    const Result<std::string> of_record = value.reveal();
    if (!of_record) {
      return of_record.error();
    }
    rules.renamed[*of_record] = name;
  }
  const auto policy = [](const std::string& word) {
    return word == "event"  ? KafkaPolicy::event
           : word == "skip" ? KafkaPolicy::skip
                            : KafkaPolicy::reject;
  };
  rules.is_flume_event = options_.use_flume_event_format;
  rules.sets_place = options_.sets_place;
  rules.key_header = options_.key_header;
  rules.raw_option = options_.raw_option;
  rules.tombstones = policy(options_.tombstones);
  rules.undecodable = policy(options_.undecodable);
  rules.registry_prefix = options_.registry_prefix == "strip"    ? RegistryPrefix::strip
                          : options_.registry_prefix == "reject" ? RegistryPrefix::reject
                                                                 : RegistryPrefix::keep;
  if (rules.is_flume_event && rules.registry_prefix != RegistryPrefix::keep) {
    return wrong("--registry-prefix does not go with --use-flume-event-format");
  }
  return rules;
}

// ---------------------------------------------------------------- figures

std::vector<KafkaSource::Lag> KafkaSource::lags() const {
  if (!consumer_) {
    return last_lags_;
  }
  std::vector<Lag> lags;
  for (const auto& [partition, slot] : slots_) {
    if (const std::int64_t end = std::max(consumer_->end_of(partition), slot->end); end >= 0) {
      lags.push_back(
          {partition, end > slot->safe ? static_cast<std::uint64_t>(end - slot->safe) : 0});
    }
  }
  return lags;
}

// The largest first, as many as fit into a line: "trades [2] 1200, trades [0] 7". One partition
// alone has all of it, which is shown anyway.
std::string KafkaSource::lag_words() const {
  constexpr std::size_t kMost = 8;
  std::vector<Lag> lags = this->lags();
  if (lags.size() < 2) {
    return {};
  }
  std::erase_if(lags, [](const Lag& lag) { return lag.records == 0; });
  std::stable_sort(lags.begin(), lags.end(),
                   [](const Lag& a, const Lag& b) { return a.records > b.records; });
  std::string words;
  for (std::size_t i = 0; i < lags.size() && i < kMost; ++i) {
    words += fmt::format("{} {} {}", i == 0 ? "most behind:" : ",", lags[i].partition.name(),
                         lags[i].records);
  }
  return lags.size() > kMost ? fmt::format("{} and {} more", words, lags.size() - kMost) : words;
}

void KafkaSource::figures(FigureList& out) const {
  std::uint64_t behind = 0;
  for (const auto& [partition, records] : lags()) {
    behind += records;
    out.gauge("lag_records", "Records of the partition that are not acknowledged.", records,
              {"partition", fmt::format("{}/{}", partition.topic, partition.number)});
  }
  out.gauge("partitions", "Partitions that are read.", slots_.size()).said("partitions");
  out.gauge("lag", "Records of all partitions that are not acknowledged.", behind)
      .said("records behind");
  out.counter("rebalances_total", "Changes of the partitions that the group has made.",
              rebalances_);
  out.counter("commits_total", "Commits of offsets.", commits_);
  out.counter("expired_total", "Offsets that had expired before they were read.", expired_)
      .said_if_any("expired unread");
  const RecordEvent::Counts counts = event_ ? event_->counts() : RecordEvent::Counts{};
  out.counter("tombstones_total", "Records without a value.", counts.tombstones)
      .said_if_any("tombstones");
  out.counter("undecodable_total", "Records that could not become events.", counts.undecodable)
      .said_if_any("undecodable");
  out.counter("registry_prefixes_total", "Values that begin as with the id of a schema.",
              counts.prefixes);
  out.counter("skipped_total", "Records that were left out.", counts.skipped)
      .said_if_any("left out");
}

std::string KafkaSource::status() const {
  std::string words;
  if (away_) {
    words = away_->message;
  } else if (consumer_ && consumer_->is_in_group() && !has_joined_) {
    words = "waiting for the group";
  } else if (has_joined_ && slots_.empty() && !is_gain_open_) {
    words = "the other members of the group have all partitions";
  }
  const std::string behind = lag_words();
  return words + (words.empty() || behind.empty() ? "" : ", ") + behind;
}

std::string KafkaSource::summary() const {
  const RecordEvent::Counts counts = event_ ? event_->counts() : RecordEvent::Counts{};
  // A job of cron that finds nothing sends no mail.
  if (options_.once && !context_.terminal && produced_ == 0 && counts.tombstones == 0 &&
      counts.skipped == 0 && expired_ == 0) {
    return {};
  }
  std::string text = count_of(produced_, "event");
  if (counts.tombstones > 0) {
    text += ", " + count_of(counts.tombstones, "tombstone");
  }
  if (counts.skipped > 0) {
    text += fmt::format(", {} left out", counts.skipped);
  }
  if (expired_ > 0) {
    text += fmt::format(", {} expired unread", expired_);
  }
  return text;
}

}  // namespace fl
