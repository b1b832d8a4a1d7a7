// The one runner: moves blocks, acks, signals and counters for every tool.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/stage/component.h"
#include "common/stage/stage_options.h"

namespace fl {

/// What a process is to run. Exactly one of: a source; text_source; interceptors; a channel; a
/// sink.
struct Plan {
  std::string name;  ///< "fl-sink hdfs", for messages
  /// Names of the components, in the order of the chain: {"timestamp", "static"}.
  std::vector<std::string> components;
  StageOptions options;
  std::unique_ptr<Source> source;
  bool text_source = false;        ///< fl-source stdin
  std::vector<std::string> files;  ///< its files; empty: stdin
  std::vector<std::unique_ptr<Interceptor>> interceptors;
  std::unique_ptr<Channel> channel;
  std::unique_ptr<Sink> sink;
};

/// Runs the stage to its end and returns the exit status (DESIGN 9). Logs every reason for a
/// status other than 0.
int run_stage(Plan plan);

}  // namespace fl
