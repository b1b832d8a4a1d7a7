// Where the schema of an event comes from (as for Flume's AvroEventSerializer): the header
// flume.avro.schema.url, else flume.avro.schema.literal, else serializer.schemaURL.
//
// Headers come from strangers. A URL in one is read only if it names a regular file of at most
// AvroSchema::kMaxBytes below the directory that the operator chose (no link, no ".."), or is the
// operator's own schemaURL; nothing is ever fetched from a server.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/io/local_dir.h"
#include "tools/fl-sink/hdfs/avro_schema.h"
#include "tools/fl-sink/serializer_options.h"

namespace fl {

class SchemaSource {
 public:
  /// Reads serializer.schemaURL and opens serializer.schemaDir if they are given. Errors of class
  /// config.
  static Result<SchemaSource> make(const SerializerOptions& options);

  /// The event's schema; the same object for the same text while it is remembered. Errors of class
  /// input: none, one that is not allowed or cannot be read, not a schema.
  Result<std::shared_ptr<const AvroSchema>> find(const Event& event);

 private:
  using Schema = std::shared_ptr<const AvroSchema>;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Cache = std::unordered_map<std::string, Schema, Hash, std::equal_to<>>;

  Result<Schema> from_url(std::string_view url);
  static Result<Schema> remembered(Cache& cache, std::string_view key,
                                   const std::function<Result<std::string>()>& read);

  std::string url_;  // serializer.schemaURL
  Schema fixed_;
  std::optional<LocalDir> directory_;
  std::string directory_path_;
  Cache by_url_;
  Cache by_literal_;
};

}  // namespace fl
