// How events become the bytes of a file: what Flume calls event serializers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/event/event.h"
#include "tools/fl-sink/avro_container.h"
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

/// Makes the serializers of a sink's files. They share what compresses the blocks of Avro files, so
/// all are used from one thread.
class SerializerFactory {
 public:
  /// Errors of class config: a serializer or codec that is not known.
  static Result<SerializerFactory> make(const SerializerOptions& options);
  std::unique_ptr<Serializer> serializer() const;

 private:
  explicit SerializerFactory(SerializerOptions options) : options_(std::move(options)) {}

  SerializerOptions options_;
  std::shared_ptr<AvroPacker> packer_;  // only for avro_event
};

/// The serializer of `options`; the name was checked by the option table (class config otherwise).
Result<std::unique_ptr<Serializer>> make_serializer(const SerializerOptions& options);

}  // namespace fl
