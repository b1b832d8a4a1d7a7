// An option struct with one of each kind, for the tests of this folder.
#pragma once

#include <string>
#include <vector>

#include "common/option/option_table.h"

namespace fl {

struct SampleLine {
  Bytes max{2048};
};

struct SampleOptions {
  std::string path = "fl-data";
  std::vector<std::string> files;
  Duration roll_interval{300'000};
  Duration poll{1000};
  std::uint64_t batch_size = 100;
  std::int64_t offset = -1;
  std::string format = "text";
  bool compress = false;
  std::vector<std::string> tags;
  std::string dead;
  SampleLine line;
};

inline OptionSet sample_options() {
  OptionTable<SampleOptions> table;
  using Options = SampleOptions;
  table.add("hdfs.path", &Options::path, "PATH", "Where to.").positional();
  table.add("files", &Options::files, "FILE", "What.").positional().cli_only();
  table.add("hdfs.rollInterval", &Options::roll_interval, "TIME", "Roll after TIME.").flume("30");
  table.add("pollDelay", &Options::poll, "TIME", "Look again after TIME.").flume_ms().flume("500");
  table.add("batchSize", &Options::batch_size, "N", "Events.").alias("batch");
  table.add("offset", &Options::offset, "N", "Signed.");
  table.add("format", &Options::format, "FORMAT", "How.")
      .choices({"text", "avro"})
      .choice_alias("com.example.Text$Builder", "text");
  table.add("compress", &Options::compress, "", "Smaller.");
  table.add("tags", &Options::tags, "TAG", "Several.");
  table.add("useless", &Options::dead, "X", "Nothing.").ignored("there is nothing to set");
  table.add("maxLine", &Options::line, &SampleLine::max, "SIZE", "Longest.");
  return std::move(table).erased();
}

}  // namespace fl
