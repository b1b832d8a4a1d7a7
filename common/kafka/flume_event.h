// AvroFlumeEvent: what Flume's Kafka source, sink and channel have as values.
#pragma once

#include <string>

#include "common/event/event.h"
#include "common/event/java_map.h"

namespace fl {

/// Writes events as Flume does, byte for byte: the headers as one block with a positive count, in
/// the order of Java's HashMap, then the body.
class FlumeEventWriter {
 public:
  /// Whether the event is already encoded as Flume would write it: then there is nothing to do.
  static bool is_as_in_flume(const Event& event) { return event.map_size == 1; }
  void append(std::string& out, const Event& event);

 private:
  JavaMap map_;
};

}  // namespace fl
