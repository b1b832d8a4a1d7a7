// How events become the bytes of a file (flume/sinks.md "Event serializers").
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/event/event.h"
#include "tools/fl-sink/serializer_options.h"

namespace fl {

/// The state of one file while it is gathered. A file gets begin(), one or more append(), flush()
/// at any time between, end(). All append to `out`; what the serializer keeps is pending().
class Serializer {
 public:
  virtual ~Serializer() = default;
  virtual void begin(std::string& out) = 0;
  virtual void append(std::string& out, const Event& event) = 0;
  /// Moves everything pending to `out`, so that memory can be given back.
  virtual void flush(std::string& out) = 0;
  /// Completes the file.
  virtual void end(std::string& out) { flush(out); }
  virtual std::size_t pending() const { return 0; }
};

/// The serializer of `options`; the name was checked by the option table (class config otherwise).
Result<std::unique_ptr<Serializer>> make_serializer(const SerializerOptions& options);

}  // namespace fl
