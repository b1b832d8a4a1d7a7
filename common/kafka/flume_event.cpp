#include "common/kafka/flume_event.h"

#include "common/event/varint.h"

namespace fl {

void FlumeEventWriter::append(std::string& out, const Event& event) {
  map_.assign(event);
  if (!map_.entries().empty()) {
    append_varint(out, static_cast<std::int64_t>(map_.entries().size()));
    for (const JavaMap::Entry& entry : map_.entries()) {
      append_sized(out, entry.key);
      append_sized(out, entry.value);
    }
  }
  out += '\0';
  append_sized(out, event.body());
}

}  // namespace fl
