// The one runner: moves blocks, acks, signals and counters for every tool.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/component/component_type.h"
#include "common/component/stage_options.h"
#include "common/stage/stage_output.h"

namespace fl {

/// What a process is to run. Exactly one of: a source; text_source; interceptors; a channel (both
/// halves, the put half alone, which writes no stream, or the take half alone, which reads
/// nothing); a sink.
struct Plan {
  std::string name;  ///< "fl-sink hdfs", for messages
  ComponentKind kind = ComponentKind::sink;
  /// Names of the components, in the order of the chain: {"timestamp", "static"}.
  std::vector<std::string> components;
  StageOptions options;
  std::unique_ptr<Source> source;
  bool text_source = false;  ///< fl-source stdin
  TextInput text;            ///< of it
  std::vector<std::unique_ptr<Interceptor>> interceptors;
  Channel channel;
  /// Every component of the chain keeps_numbers.
  bool keeps_numbers = false;
  std::unique_ptr<Sink> sink;
  /// Makes the output, instead of the one that --out names.
  std::function<std::unique_ptr<StageOutput>(const StageContext&)> output;
};

/// Runs the stage to its end and returns the exit status. Logs every reason for a status other than
/// 0, and tells the stages below of it.
int run_stage(Plan plan);

}  // namespace fl
