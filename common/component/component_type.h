// The declaration of a component: what the registry, the help, the pages and the runner know of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/component/component.h"
#include "common/option/option_table.h"
#include "common/stream/line_form.h"

namespace fl {

enum class ComponentKind { source, interceptor, channel, sink };

struct Example {
  std::string command;  ///< runs as it is in a shell with the tools in PATH (a test runs it)
  std::string text;     ///< what it does, one line
};

/// What a source that only reads text reads, and how.
struct TextInput {
  std::vector<std::string> files = {};  ///< one after the other; empty: stdin
  std::string decompress = "none";      ///< a word of Decompress (stream/unpacker.h)
  std::shared_ptr<LineForm> form = {};  ///< what a line is; null: a body
};

struct ComponentType {
  ComponentKind kind = ComponentKind::sink;
  std::string name;                      ///< "hdfs"
  std::vector<std::string> aliases;      ///< "ts"
  std::vector<std::string> class_names;  ///< Flume's Java classes (full names)
  std::vector<std::string> sought_as;    ///< words under which users look for it: "tail"
  std::string summary;                   ///< one line, lower case, no full stop
  std::string description;               ///< DESCRIPTION of the page; paragraphs separated by \n\n
  std::string delivery;                  ///< DELIVERY: what an ack means here
  std::vector<Example> examples;
  OptionSet options;
  /// An interceptor, or a channel with one output: every event that comes in goes out once and in
  /// its order (unless it becomes a dead letter). The numbers that a log above has given to the
  /// events then pass through.
  bool keeps_numbers = false;
  /// A channel with a take half that replays: it may have several outputs, and each block goes to
  /// one of them.
  bool shares_out = false;

  /// fl-source stdin: the runner itself reads text, and there is no Source object.
  std::function<TextInput(const std::shared_ptr<void>& options)> text;

  /// Exactly the one that fits `kind` is set; a channel with several outputs is run like a sink
  /// (fan_out_sink.h, group_sink.h). `options` was made by options.make() and filled.
  std::function<std::unique_ptr<Source>(const std::shared_ptr<void>& options)> source;
  std::function<std::unique_ptr<Interceptor>(const std::shared_ptr<void>& options)> interceptor;
  std::function<Channel(const std::shared_ptr<void>& options)> channel;
  std::function<std::unique_ptr<Sink>(const std::shared_ptr<void>& options)> sink;
};

/// A factory for a class with a constructor that takes its Options struct.
template <typename Base, typename Class, typename Options>
std::function<std::unique_ptr<Base>(const std::shared_ptr<void>&)> factory() {
  return [](const std::shared_ptr<void>& options) -> std::unique_ptr<Base> {
    return std::make_unique<Class>(*std::static_pointer_cast<Options>(options));
  };
}

/// Each component's .cpp defines `ComponentType <name>_<kind>()`, e.g. null_sink(); the tool's
/// CMakeLists.txt registers it with `fl_component(sink null)`, which generates registry().
const std::vector<ComponentType>& registry();

/// A component that the tool was built without, since an optional library was missing.
struct AbsentType {
  std::string name;     ///< "kafka"
  std::string library;  ///< "librdkafka"
};

/// What the tool would have with all libraries (NEEDS in its CMakeLists.txt).
const std::vector<AbsentType>& absent_types();

}  // namespace fl
