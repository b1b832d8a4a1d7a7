// Prometheus' text exposition format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/), made of a stage's figures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/component/figures.h"

namespace fl {

/// Who a page speaks of: the labels of each of its samples.
struct MetricsIdentity {
  std::string stage;          ///< "fl-sink"
  std::string component;      ///< "hdfs"; of a chain "timestamp+static"
  std::string name;           ///< of the textfile: tells stages of one host apart; empty: no label
  std::int64_t start_ms = 0;  ///< wall clock
};

/// How the stage ended.
struct MetricsEnd {
  int exit_status = 0;
  std::int64_t ms = 0;  ///< wall clock
};

/// The page: each metric with HELP and TYPE, in a fixed order, no timestamps. Reads the process's
/// own resource use and the counts of its log lines besides.
std::string metrics_text(const MetricsIdentity& identity, const Figures& figures,
                         const std::optional<MetricsEnd>& end);

/// The one metric that is known only where a page is served: how old its figures are.
std::string age_text(const MetricsIdentity& identity, double seconds);

/// A metric as it is described to people.
struct MetricHelp {
  std::string name;
  std::string kind;  ///< counter, gauge
  std::string help;
};
/// All metrics of every stage, in the order of a page.
std::vector<MetricHelp> stage_metrics();
/// Those of the components in `own`; `stage` is their tool's name.
std::vector<MetricHelp> component_metrics(const std::string& stage, const FigureList& own);

/// A label's value as the format wants it between quotes: backslash, quote and newline escaped,
/// bytes that are not UTF-8 replaced by U+FFFD.
std::string escaped_label(std::string_view value);

}  // namespace fl
