// The options of the event serializers and their part of a sink's table.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/units.h"
#include "common/compress/block_codec.h"
#include "common/option/option_table.h"

namespace fl {

struct SerializerOptions {
  std::string name = "text";
  bool append_newline = true;
  Bytes sync_interval{2'048'000};
  std::string compression_codec = "null";
  std::string schema_url;
  std::string schema_dir;
};

/// Whether a sink can give each file a schema of its own.
enum class OwnSchemas { no, yes };

/// Adds `<prefix>serializer` and its settings; `prefix` is what Flume puts before the word
/// ("sink." for file_roll). The command line's names are the same for every sink.
template <typename Options>
void add_serializer_options(OptionTable<Options>& table, SerializerOptions Options::*part,
                            const std::string& prefix = "",
                            OwnSchemas own_schemas = OwnSchemas::no) {
  using S = SerializerOptions;
  std::string help =
      "text: the bodies, one per line; header_and_text: the same with headers as {k=v, k2=v2} "
      "before each; json: an object of headers and body per line, which fl-source stdin --format "
      "json reads back; avro_event: an Avro container of headers and bodies";
  std::vector<std::string> names = {"text", "header_and_text", "json", "avro_event"};
  if (own_schemas == OwnSchemas::yes) {
    help +=
        "; avro_schema: an Avro container of bodies, each of which is one datum of the schema "
        "named by its headers";
    names.emplace_back("avro_schema");
  }
  auto serializer = table.add(prefix + "serializer", part, &S::name, "NAME", help + ".");
  serializer.choices(std::move(names)).named("serializer").flume("TEXT");
  // Flume's class names; its own files name the builder.
  const std::string package = "org.apache.flume.serialization.";
  for (const char* const end : {"", "$Builder"}) {
    serializer.choice_alias(package + "BodyTextEventSerializer" + end, "text")
        .choice_alias(package + "HeaderAndBodyTextEventSerializer" + end, "header_and_text")
        .choice_alias(package + "FlumeEventAvroEventSerializer" + end, "avro_event");
    if (own_schemas == OwnSchemas::yes) {
      serializer.choice_alias("org.apache.flume.sink.hdfs.AvroEventSerializer" + std::string(end),
                              "avro_schema");
    }
  }
  table
      .add(prefix + "serializer.appendNewline", part, &S::append_newline, "BOOL",
           "End each body with a newline (text, header_and_text).")
      .named("append-newline");
  table
      .add(prefix + "serializer.syncIntervalBytes", part, &S::sync_interval, "BYTES",
           "End a block at BYTES (Avro).")
      .named("sync-interval-bytes");
  table
      .add(prefix + "serializer.compressionCodec", part, &S::compression_codec, "CODEC",
           "The compression of blocks (Avro).")
      .choices(block_codec_names())
      .choice_alias("zstd", "zstandard")
      .named("compression-codec");
  if (own_schemas == OwnSchemas::yes) {
    table
        .add(prefix + "serializer.schemaURL", part, &S::schema_url, "FILE",
             "The schema of events without the headers flume.avro.schema.url and "
             "flume.avro.schema.literal: a path or file:// (avro_schema).")
        .named("schema-url")
        .path();
    table
        .add(prefix + "serializer.schemaDir", part, &S::schema_dir, "DIR",
             "The directory in which the header flume.avro.schema.url may name files; without it "
             "none are read (avro_schema).")
        .named("schema-dir")
        .path();
  }
}

}  // namespace fl
