// The options of the event serializers and their part of a sink's table.
#pragma once

#include <string>

#include "common/base/units.h"
#include "common/option/option_table.h"

namespace fl {

struct SerializerOptions {
  std::string name = "text";
  bool append_newline = true;
  Bytes sync_interval{2'048'000};
};

/// Adds `<prefix>serializer` and its settings; `prefix` is what Flume puts before the word
/// ("sink." for file_roll). The command line's names are the same for every sink.
template <typename Options>
void add_serializer_options(OptionTable<Options>& table, SerializerOptions Options::*part,
                            const std::string& prefix = "") {
  using S = SerializerOptions;
  table
      .add(prefix + "serializer", part, &S::name, "NAME",
           "text: the bodies, one a line; avro_event: an Avro container of headers and bodies.")
      .choices({"text", "avro_event"})
      .named("serializer")
      .flume("TEXT");
  table
      .add(prefix + "serializer.appendNewline", part, &S::append_newline, "BOOL",
           "End each body with a newline (text).")
      .named("append-newline");
  table
      .add(prefix + "serializer.syncIntervalBytes", part, &S::sync_interval, "BYTES",
           "End a block when it holds BYTES (avro_event).")
      .named("sync-interval-bytes");
}

}  // namespace fl
