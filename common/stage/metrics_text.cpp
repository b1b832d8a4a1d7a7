#include "common/stage/metrics_text.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "common/base/log.h"
#include "common/base/text.h"

namespace fl {
namespace {

std::string seconds(std::int64_t ms) { return fmt::format("{}.{:03}", ms / 1000, ms % 1000); }

std::string escaped_help(std::string_view help) {
  std::string out;
  for (const char c : help) {
    out += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : std::string(1, c);
  }
  return out;
}

/// "hdfs" and "regex-x" as part of a metric's name.
std::string name_part(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
      },
      '_');
  return out;
}

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class Page {
 public:
  explicit Page(const MetricsIdentity& identity)
      : stage_(identity.stage), component_(identity.component), name_(identity.name) {}

  /// Begins a metric; its samples follow.
  void metric(std::string_view name, std::string_view type, std::string_view help) {
    metric_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped_help(help), name, type);
  }
  void sample(std::string_view value, const Labels& more = {}) {
    labelled(component_, value, more);
  }
  void labelled(std::string_view component, std::string_view value, const Labels& more = {}) {
    text_ += metric_ + "{stage=\"" + escaped_label(stage_) + "\"";
    add_label("component", component);
    add_label("name", name_);
    for (const auto& [key, content] : more) {
      add_label(key, content);
    }
    text_ += "} ";
    text_ += value;
    text_ += '\n';
  }

  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    metric(name, "counter", help);
    sample(std::to_string(value));
  }
  void gauge(std::string_view name, std::string_view help, std::string_view value) {
    metric(name, "gauge", help);
    sample(value);
  }

  std::string take() { return std::move(text_); }

 private:
  void add_label(std::string_view key, std::string_view value) {
    if (!value.empty()) {
      text_ += fmt::format(",{}=\"{}\"", key, escaped_label(value));
    }
  }

  std::string_view stage_;
  std::string_view component_;
  std::string_view name_;
  std::string metric_;
  std::string text_;
};

void add_flow(Page& page, const Figures& figures) {
  page.counter("fl_events_received_total", "Events received or produced.", figures.events);
  page.counter("fl_received_bytes_total", "Bytes received or produced.", figures.bytes);
  page.counter("fl_blocks_received_total", "Blocks received or produced.", figures.blocks);
  if (figures.has_output) {
    page.counter("fl_events_sent_total", "Events written to the output.", figures.events_out);
    page.counter("fl_sent_bytes_total", "Bytes written to the output.", figures.bytes_out);
    page.counter("fl_blocks_sent_total", "Blocks written to the output.", figures.blocks_out);
  }
  page.counter("fl_events_acknowledged_total",
               "Events that are safe at the stage or place that acknowledges them.",
               figures.events - std::min(figures.events, figures.unacknowledged));
  page.counter("fl_events_dropped_total", "Events that an interceptor dropped.", figures.dropped);
  page.counter("fl_events_rejected_total",
               "Events and lines that were refused or became dead letters.", figures.rejected);
  page.gauge("fl_events_unacknowledged", "Events received that are not acknowledged yet.",
             std::to_string(figures.unacknowledged));
}

void add_state(Page& page, const Figures& figures, bool running) {
  page.metric("fl_waiting", "gauge", "1 for what the stage is waiting for.");
  for (const std::string_view reason : kWaitReasons) {
    page.sample(running && figures.waiting == reason ? "1" : "0", {{"reason", reason}});
  }
  std::size_t alarms = 0;
  for (const FigureList::Owned& owned : figures.own.owners()) {
    alarms += owned.alarms.size();
  }
  page.gauge("fl_alarms", "Conditions that an operator has to fix.", std::to_string(alarms));
  if (alarms > 0) {
    page.metric("fl_alarm", "gauge", "1 for each condition that an operator has to fix.");
    for (const FigureList::Owned& owned : figures.own.owners()) {
      for (const std::string& alarm : owned.alarms) {
        page.labelled(owned.component, "1", {{"reason", alarm}});
      }
    }
  }
  const LogCounts counts = log_counts();
  page.metric("fl_log_messages_total", "counter", "Log lines by level.");
  page.sample(std::to_string(counts.errors), {{"level", "error"}});
  page.sample(std::to_string(counts.warnings), {{"level", "warning"}});
  page.gauge("fl_last_error_timestamp_seconds", "When the last error was logged; 0: never.",
             seconds(counts.last_error_ms));
  page.gauge("fl_last_warning_timestamp_seconds", "When the last warning was logged; 0: never.",
             seconds(counts.last_warning_ms));
}

void add_own(Page& page, const MetricsIdentity& identity, const FigureList& own) {
  for (const FigureList::Owned& owned : own.owners()) {
    const std::string prefix = name_part(identity.stage + "_" + owned.component) + "_";
    std::string_view last;
    for (const Figure& figure : owned.figures) {
      if (figure.name != last) {
        page.metric(prefix + figure.name,
                    figure.kind == Figure::Kind::counter ? "counter" : "gauge", figure.help);
      }
      last = figure.name;
      page.labelled(owned.component, std::to_string(figure.value),
                    figure.of.name.empty() ? Labels() : Labels{{figure.of.name, figure.of.value}});
    }
  }
}

void add_process(Page& page, const MetricsIdentity& identity,
                 const std::optional<MetricsEnd>& end) {
  rusage usage{};
  (void)getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& time) {
    return std::int64_t{time.tv_sec} * 1000 + time.tv_usec / 1000;
  };
  page.metric("fl_cpu_seconds_total", "counter", "Processor time of the process.");
  page.sample(seconds(ms(usage.ru_utime) + ms(usage.ru_stime)));
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  page.gauge("fl_resident_memory_bytes", "Resident memory of the process.",
             std::to_string(pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))));
  page.metric("fl_build_info", "gauge", "1; the version is a label.");
  page.sample("1", {{"version", FL_VERSION}});
  page.gauge("fl_start_time_seconds", "When the stage started.", seconds(identity.start_ms));
  page.gauge("fl_running", "1 while the stage runs, 0 when it has ended.", end ? "0" : "1");
  if (end) {
    page.gauge("fl_end_time_seconds", "When the stage ended.", seconds(end->ms));
    page.gauge("fl_exit_status", "The exit status of the stage.", std::to_string(end->exit_status));
  }
}

// What the HELP and TYPE lines of a page say.
std::vector<MetricHelp> metrics_of(const std::string& page) {
  std::vector<MetricHelp> metrics;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# ")) {
      continue;
    }
    std::istringstream words(line.substr(2));
    std::string what;
    std::string name;
    std::string rest;
    words >> what >> name >> std::ws;
    std::getline(words, rest);
    if (what == "HELP") {
      metrics.push_back({name, {}, rest});
    } else {
      metrics.back().kind = rest;
    }
  }
  return metrics;
}

}  // namespace

std::string escaped_label(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      value.remove_prefix(1);
      continue;
    }
    if (value.front() == '\n') {
      out += "\\n";
    } else {
      if (value.front() == '\\' || value.front() == '"') {
        out += '\\';
      }
      out += value.substr(0, length);
    }
    value.remove_prefix(length);
  }
  return out;
}

std::string metrics_text(const MetricsIdentity& identity, const Figures& figures,
                         const std::optional<MetricsEnd>& end) {
  Page page(identity);
  add_flow(page, figures);
  add_own(page, identity, figures.own);
  add_state(page, figures, !end);
  add_process(page, identity, end);
  return page.take();
}

std::string age_text(const MetricsIdentity& identity, double seconds) {
  Page page(identity);
  page.gauge("fl_snapshot_age_seconds",
             "Age of these values; more than a second if the stage hangs. Over HTTP only.",
             fmt::format("{:.3f}", seconds));
  return page.take();
}

std::vector<MetricHelp> stage_metrics() {
  Figures figures;
  figures.has_output = true;
  figures.own.alarm("any");
  return metrics_of(metrics_text({}, figures, MetricsEnd{}) + age_text({}, 0));
}

std::vector<MetricHelp> component_metrics(const std::string& stage, const FigureList& own) {
  MetricsIdentity identity;
  identity.stage = stage;
  Page page(identity);
  add_own(page, identity, own);
  return metrics_of(page.take());
}

}  // namespace fl
