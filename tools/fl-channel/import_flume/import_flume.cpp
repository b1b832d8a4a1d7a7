// fl-channel import-flume: the events of a file channel of Flume, as a stream.
#include "common/component/command_type.h"
#include "tools/fl-channel/import_flume/flume_source.h"

namespace fl {

CommandType import_flume_command() {
  ComponentType source;
  source.kind = ComponentKind::source;
  source.name = "import-flume";
  source.summary = "reads the events of a file channel of Flume";
  source.description =
      "Writes the events that a file channel of Flume 1.4 to 1.11 still holds as a stream: those "
      "that were committed, and that no committed transaction took, in Flume's order and each "
      "once. So a host moves to fl without waiting until its channels are empty. Stop the agent "
      "first: a directory that it uses is refused (75).\n\n"
      "DIR are the channel's data directories (dataDirs), all of them: everything is found there. "
      "Symbolic links are followed; a log-N that is not a file is an error (65). With the "
      "checkpoint's directory (checkpointDir) less has to be read, but events that Flume's sink "
      "took just before the agent stopped may come again, as they do when Flume itself is started "
      "again. A checkpoint that Flume was writing when it was killed is not used.\n\n"
      "Nothing in the directories is changed. Damaged parts and events that are lost are "
      "reported, the rest is delivered, and the status is 65. Encrypted channels are refused "
      "(65). Memory grows with the number of events in the channel, about 50 bytes for each, and "
      "not with their sizes.";
  source.delivery =
      "No position is kept: each run delivers all events again. Remove the directories after a run "
      "with status 0, which says that the stages after this one acknowledged every event.";
  source.examples = {
      {"fl-channel import-flume /var/lib/flume/data1 /var/lib/flume/data2 | "
       "fl-sink hdfs --stream hdfs://prod/logs",
       "What an agent with two data directories left goes to HDFS."},
  };
  OptionTable<flume::ImportOptions> table;
  table
      .add("directories", &flume::ImportOptions::directories, "DIR",
           "A data directory of the channel.")
      .named("dir")
      .positional()
      .required()
      .path();
  table
      .add("checkpointDir", &flume::ImportOptions::checkpoint, "DIR",
           "The channel's checkpoint directory, or that of its backup.")
      .path();
  table.add("capacity", &flume::ImportOptions::capacity, "N",
            "The channel's capacity. More events are an error (78) before memory runs out.");
  source.options = std::move(table).erased();
  source.source = factory<Source, flume::FlumeSource, flume::ImportOptions>();
  return stream_command(std::move(source));
}

}  // namespace fl
