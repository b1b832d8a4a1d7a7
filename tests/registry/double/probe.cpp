// A component that is declared and never run: options of the kinds that no other component has yet.
#include "common/component/component_type.h"

namespace fl {
namespace {

struct Options {
  std::string servers;
  Secret password;
  PropertyMap producer;
  bool eager = false;
};

}  // namespace

ComponentType probe_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "probe";
  type.summary = "has options of every kind";
  type.description = "It cannot run.";
  type.examples = {{"fl-double probe --servers a --print-command", "Only prints."}};
  OptionTable<Options> table;
  table.add("probe.servers", &Options::servers, "HOST", "Where to connect.").required();
  table.add("probe.eager", &Options::eager, "BOOL", "At once.");
  table.add_secret("probe.password", &Options::password, "Opens the door.");
  table.add_prefix("probe.producer", &Options::producer, "A setting of the producer.");
  type.options = std::move(table).erased();
  type.channel = [](const std::shared_ptr<void>&) { return Channel(); };
  return type;
}

}  // namespace fl
