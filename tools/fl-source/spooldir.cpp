// Reads the files that others put into a directory, and renames or deletes each one when its
// events are acknowledged.
#include "common/component/component_type.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {
namespace {

OptionSet options() {
  OptionTable<SpooldirOptions> table;
  table.add("spoolDir", &SpooldirOptions::spool_dir, "DIR", "The directory to read.")
      .positional()
      .path()
      .required();
  table
      .add("once", &SpooldirOptions::once, "",
           "End when the files that were there at the start are delivered; for cron. Without it "
           "the directory is watched until the source is stopped.")
      .cli_only();
  table.add("fileSuffix", &SpooldirOptions::file_suffix, "SUFFIX",
            "The suffix that a delivered file gets; files with this suffix are skipped.");
  table
      .add("deletePolicy", &SpooldirOptions::delete_policy, "never|immediate",
           "immediate: delete a delivered file instead of renaming it.")
      .choices({"never", "immediate"});
  table
      .add("trackingPolicy", &SpooldirOptions::tracking_policy, "rename|tracker_dir",
           "tracker_dir: leave delivered files as they are and create an empty file with the same "
           "name and the suffix in the tracker directory.")
      .choices({"rename", "tracker_dir"});
  table
      .add("trackerDir", &SpooldirOptions::tracker_dir, "DIR",
           "Where progress is recorded; a relative path is relative to DIR.")
      .path();
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
            "Skip files and directories whose whole name matches; overrides everything else.");
  table
      .add("consumeOrder", &SpooldirOptions::consume_order, "oldest|youngest|random",
           "By the time of the last change, then by name; random: in the order in which the system "
           "lists them. A file that an earlier run began is always first.")
      .choices({"oldest", "youngest", "random"});
  table.add("recursiveDirectorySearch", &SpooldirOptions::recursive, "BOOL",
            "Read subdirectories too.");
  table
      .add("pollDelay", &SpooldirOptions::poll_delay, "TIME",
           "How often to look for new files where the system does not report them: on network file "
           "systems, and where no more inotify watches are allowed.")
      .flume_ms();
  table
      .add("minAge", &SpooldirOptions::min_age, "TIME|auto",
           "Read a file only when its last change is at least this long ago. auto: 0 where the "
           "system can tell that no writer has the file open, otherwise 5s.")
      .cli_only();
  table
      .add("decompress", &SpooldirOptions::decompress, "FORMAT",
           "Read compressed files; auto: decompress files whose name (.gz, .zst, .bz2, .xz, .lz4) "
           "and first bytes agree, and read others as they are; none: refuse them.")
      .choices({"none", "auto", "gzip", "zstd", "bzip2", "xz", "lz4"})
      .choice_alias("zstandard", "zstd")
      .cli_only();
  table
      .add("deserializer", &SpooldirOptions::deserializer, "NAME",
           "How a file becomes events; LINE: one event per line.")
      .choices({"LINE"})
      .choice_alias("org.apache.flume.serialization.LineDeserializer$Builder", "LINE");
  table
      .add("deserializer.maxLineLength", &SpooldirOptions::max_line_length, "BYTES",
           "The longest event; 0: --max-line. Longer lines are handled by --long-line.")
      .flume("2048");
  table.add("inputCharset", &SpooldirOptions::input_charset, "NAME",
            "The encoding of the files. Text is converted to UTF-8, except from UTF-8 and "
            "US-ASCII, whose bytes pass unchanged.");
  table
      .add("deserializer.outputCharset", &SpooldirOptions::output_charset, "NAME",
           "Encoding of events.")
      .ignored("events are UTF-8, or the bytes of the file");
  table
      .add("decodeErrorPolicy", &SpooldirOptions::decode_error_policy, "FAIL|REPLACE|IGNORE",
           "What to do with bytes that are not valid in the encoding, unless it is UTF-8 or "
           "US-ASCII. FAIL: the file stays; REPLACE: write U+FFFD; IGNORE: leave them out.")
      .choices({"FAIL", "REPLACE", "IGNORE"});
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
  type.sought_as = {"dir", "directory", "watch", "taildir", "TAILDIR"};
  type.summary = "files in a directory, each renamed when delivered";
  type.description =
      "Reads each regular file in DIR, one event per line, and renames it with the suffix "
      ".COMPLETED when all its events are acknowledged. Hidden files, symbolic links and "
      "everything else that is not a regular file are skipped. An empty file yields one event with "
      "an empty body. A carriage return stays, unless --crlf strip is given. A UTF-8 byte order "
      "mark at the start of a file is removed.\n\n"
      "Without --once it waits for new files until it is stopped; TERM commits what was read. It "
      "does not hurry the sink: one that gathers (hdfs) gathers the lines of many files, and they "
      "are renamed when its file is complete. The oldest file comes first, also among those that "
      "appear while others are read. The next file is read while earlier ones are not acknowledged "
      "yet. How far the oldest of these is acknowledged is recorded in "
      "DIR/.flumespool/.flumespool-main.meta, in Flume's format, so that an interrupted file "
      "resumes after its last acknowledged event, in Flume too.\n\n"
      "Files should be complete when they appear: write them elsewhere on the same file system and "
      "move them in. A file that is open for writing is left alone until it is closed; with "
      "--once, until the next run. Where the system cannot tell (network file systems, files of "
      "another user), a file is read when its last change is 5 seconds old (--min-age). A file "
      "that changes while it is read, or before its events are acknowledged, stays and makes the "
      "status 65. So does a delivered file that grows afterwards, in this run or the next: the "
      "message names the first byte that is not delivered. With --tracking-policy tracker_dir, so "
      "does another file under a name that was delivered.\n\n"
      "Binary and compressed files, UTF-16 and UTF-32 are not read as lines of text: such a file "
      "stays and makes the status 65. --decompress and --input-charset read them; positions then "
      "count bytes of the resulting text, and nothing of a damaged or truncated file is sent. "
      "--text reads any bytes as lines.\n\n"
      "A file that could not be renamed is not read at all: its final name exists or would be "
      "longer than 255 bytes (74), or the directory does not allow it (77). If renaming fails "
      "after delivery, DIR/.flumespool/.flumespool-delivered remembers the file, and the next run "
      "only renames it. All other files are delivered. A second source on the same directory ends "
      "with 75 and names the process that holds the lock.\n\n"
      "With --once the status is 0 only if all files that were there, and are not still being "
      "written, are delivered. The last line on stderr counts files and events, and files that "
      "are left; where no file was there, nothing is printed. With --once, a source that is "
      "stopped in the middle of a file ends with 75; "
      "without, with 0: it continues there the next time.";
  type.delivery =
      "At least once. A file is renamed, or deleted, when the stages after this one have "
      "acknowledged its last event. After a crash, unacknowledged events are sent again.";
  type.examples = {
      {"d=$(mktemp -d) && seq 1000 > $d/numbers.log && "
       "fl-source spooldir $d --once | fl-sink null && ls $d",
       "Delivers what is there and ends; the file is now numbers.log.COMPLETED."},
      {"d=$(mktemp -d) && echo hello > $d/a.log && "
       "fl-source spooldir $d --once --basename-header --delete-policy immediate | fl-sink logger",
       "Adds the file's name as a header, and deletes the file."},
      {"d=$(mktemp -d) && seq 1000 | gzip > $d/numbers.gz && "
       "fl-source spooldir $d --once --decompress auto | fl-sink stdout | tail -n 1",
       "Reads compressed files too."},
  };
  type.options = options();
  type.source = factory<Source, SpooldirSource, SpooldirOptions>();
  return type;
}

}  // namespace fl
