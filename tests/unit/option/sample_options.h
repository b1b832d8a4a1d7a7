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
  std::string directory = "here";
  std::string key = "k";
  std::string value = "v";
  SampleLine line;
  Duration retry{1000};
  std::uint64_t capacity = 5;
  std::uint64_t ours = 1;
  Secret password;
  PropertyMap producer;
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
  table.add("directory", &Options::directory, "DIR", "Not empty.").path();
  table.add("maxLine", &Options::line, &SampleLine::max, "SIZE", "Longest.");
  table.add("retry", &Options::retry, "TIME", "Pause.").flume_negative("0");
  table.add("capacity", &Options::capacity, "N", "Held.").flume("100").flume_falls_back(true);
  table.add("kafka.producer.ours", &Options::ours, "N", "Below a prefix.").flume("2");
  table.add_secret("storePassword", &Options::password, "Opens the store.");
  table.add_prefix("kafka.producer", &Options::producer, "A setting of the producer.");
  return std::move(table).erased();
}

}  // namespace fl
