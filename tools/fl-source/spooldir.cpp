// Reads the files that others put into a directory, and renames or deletes each one when its
// events are acknowledged.
#include "common/stage/component_type.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {
namespace {

OptionSet options() {
  OptionTable<SpooldirOptions> table;
  table.add("spoolDir", &SpooldirOptions::spool_dir, "DIR", "The directory to read.")
      .positional()
      .required();
  table
      .add("once", &SpooldirOptions::once, "",
           "End when the files that were there at the start are delivered, as a job of cron does. "
           "Without it the directory is watched for ever.")
      .cli_only();
  table.add("fileSuffix", &SpooldirOptions::file_suffix, "SUFFIX",
            "What is added to the name of a delivered file; files named so are passed over.");
  table
      .add("deletePolicy", &SpooldirOptions::delete_policy, "never|immediate",
           "immediate: delete a delivered file instead of renaming it.")
      .choices({"never", "immediate"});
  table
      .add("trackingPolicy", &SpooldirOptions::tracking_policy, "rename|tracker_dir",
           "tracker_dir: leave delivered files as they are and put an empty file with the same "
           "name and the suffix into the tracker directory.")
      .choices({"rename", "tracker_dir"});
  table.add("trackerDir", &SpooldirOptions::tracker_dir, "DIR",
            "Where the progress is kept; relative to the directory to read unless absolute.");
  table.add("fileHeader", &SpooldirOptions::file_header, "BOOL",
            "Add a header with the absolute path of the file.");
  table.add("fileHeaderKey", &SpooldirOptions::file_header_key, "NAME", "The name of that header.");
  table.add("basenameHeader", &SpooldirOptions::basename_header, "BOOL",
            "Add a header with the name of the file.");
  table.add("basenameHeaderKey", &SpooldirOptions::basename_header_key, "NAME",
            "The name of that header.");
  table.add("includePattern", &SpooldirOptions::include_pattern, "REGEX",
            "Read only files whose whole name matches.");
  table.add("ignorePattern", &SpooldirOptions::ignore_pattern, "REGEX",
            "Pass over files and directories whose whole name matches, whatever else is said.");
  table
      .add("consumeOrder", &SpooldirOptions::consume_order, "oldest|youngest|random",
           "By the time of the last change, equal ones by name; random: as the system lists them. "
           "A file that was begun by an earlier run is always first.")
      .choices({"oldest", "youngest", "random"});
  table.add("recursiveDirectorySearch", &SpooldirOptions::recursive, "BOOL",
            "Read subdirectories too.");
  table
      .add("pollDelay", &SpooldirOptions::poll_delay, "TIME",
           "Time between two looks for new files.")
      .flume_ms();
  table
      .add("deserializer", &SpooldirOptions::deserializer, "NAME",
           "How a file becomes events; LINE: each line one event.")
      .choices({"LINE"});
  table
      .add("deserializer.maxLineLength", &SpooldirOptions::max_line_length, "BYTES",
           "The longest event; 0: as --max-line says. Longer lines are handled by --long-line.")
      .flume("2048");
  table
      .add("inputCharset", &SpooldirOptions::input_charset, "NAME",
           "Bytes pass unchanged, so the encoding must be one whose newline is the byte 10.")
      .choices({"UTF-8", "US-ASCII", "ISO-8859-1"});
  table
      .add("deserializer.outputCharset", &SpooldirOptions::output_charset, "NAME",
           "Encoding of events.")
      .ignored("bytes pass unchanged");
  table
      .add("decodeErrorPolicy", &SpooldirOptions::decode_error_policy, "NAME",
           "What to do with bytes that are not in the encoding.")
      .ignored("bytes pass unchanged: nothing is decoded");
  table.add("batchSize", &SpooldirOptions::batch_size, "N", "Events in one transaction.")
      .ignored("blocks are cut by the size of the pipe");
  table.add("maxBackoff", &SpooldirOptions::max_backoff, "MS", "Longest wait for a full channel.")
      .ignored("a full channel makes this source wait; there is nothing to try again");
  return std::move(table).erased();
}

}  // namespace

ComponentType spooldir_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "spooldir";
  type.class_names = {"org.apache.flume.source.SpoolDirectorySource"};
  type.summary = "files that are put into a directory, each renamed when delivered";
  type.description =
      "Reads each regular file in DIR, a line an event, and renames it with the suffix .COMPLETED "
      "when all its events are acknowledged. Files must be complete when they appear: write them "
      "elsewhere on the same file system and move them in. Names with a leading dot, symbolic "
      "links and anything that is not a regular file are passed over. An empty file is one empty "
      "event. Bytes pass unchanged; a carriage return stays unless --crlf says otherwise.\n\n"
      "The oldest file comes first. The next file is read while earlier ones are not acknowledged "
      "yet. How far the oldest of these is acknowledged stands in "
      "DIR/.flumespool/.flumespool-main.meta, in Flume's format, so that an interrupted file is "
      "taken up at the right event, by Flume too.\n\n"
      "A file that changes while it is read stays where it is and makes the status 65; a name "
      "that is taken already makes it 74. The other files are delivered all the same. A second "
      "source on the same directory ends with 75.\n\n"
      "With --once the status is 0 only if all files that were there are delivered. The last line "
      "on stderr says how many files and events that were, and what is left.";
  type.delivery =
      "At least once. A file is renamed, or deleted, when the stages behind this one have "
      "acknowledged its last event. After a crash the events that were not acknowledged are sent "
      "again.";
  type.examples = {
      {"d=$(mktemp -d) && seq 1000 > $d/numbers.log && "
       "fl-source spooldir $d --once | fl-sink null && ls $d",
       "Deliver what is there and end; the file is now numbers.log.COMPLETED."},
      {"d=$(mktemp -d) && echo hello > $d/a.log && "
       "fl-source spooldir $d --once --basename-header --delete-policy immediate | fl-sink logger",
       "With the file's name as a header; the file is deleted."},
  };
  type.options = options();
  type.source = factory<Source, SpooldirSource, SpooldirOptions>();
  return type;
}

}  // namespace fl
