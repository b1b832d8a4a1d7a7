// The declaration of a component: what the registry, the help, the pages and the runner know of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/option/option_table.h"
#include "common/stage/component.h"

namespace fl {

enum class ComponentKind { source, interceptor, channel, sink };

struct Example {
  std::string command;  ///< runs as it stands in a shell with the tools in PATH (a test runs it)
  std::string text;     ///< what it does, one line
};

struct ComponentType {
  ComponentKind kind = ComponentKind::sink;
  std::string name;                      ///< "hdfs"
  std::vector<std::string> aliases;      ///< "ts"
  std::vector<std::string> class_names;  ///< Flume's Java classes (full names)
  std::string summary;                   ///< one line, lower case, no full stop
  std::string description;               ///< DESCRIPTION of the page; paragraphs parted by \n\n
  std::string delivery;                  ///< DELIVERY: what an ack means here
  std::vector<Example> examples;
  OptionSet options;

  /// fl-source stdin: the runner itself reads text; there is no Source object.
  bool reads_text = false;

  /// Exactly the one that fits `kind` is set; a channel with several outputs is run like a sink
  /// (copy_sink.h, keep_sink.h). `options` was made by options.make() and filled.
  std::function<std::unique_ptr<Source>(const std::shared_ptr<void>& options)> source;
  std::function<std::unique_ptr<Interceptor>(const std::shared_ptr<void>& options)> interceptor;
  std::function<std::unique_ptr<Channel>(const std::shared_ptr<void>& options)> channel;
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

}  // namespace fl
