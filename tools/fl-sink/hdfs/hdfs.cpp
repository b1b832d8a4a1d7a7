// The declaration of the hdfs sink: its options and what its page says.
#include "common/component/component_type.h"
#include "tools/fl-sink/hdfs/file_options.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/sink.h"

namespace fl {
namespace {

constexpr const char* kHiddenNames =
    "unfinished files have hidden names, since Spark and Hive would read visible ones and count "
    "their events twice";

using O = HdfsOptions;

OptionSet options() {
  OptionTable<O> table;
  const auto add = [&table](const std::string& name, auto member, const std::string& metavar,
                            const std::string& help) {
    return table.add("hdfs." + name, member, metavar, help);
  };
  table
      .add("hdfs.path", &O::path, "PATH",
           "Directory to write to, with escapes such as %Y-%m-%d and %{header}. A URL (hdfs://, "
           "webhdfs://, swebhdfs://, file:///) names the file system; otherwise it is fs.defaultFS "
           "of the Hadoop configuration, where a relative PATH is in the home directory. Default: "
           "fl-data.")
      .positional()
      .path();
  table
      .add("hdfs.pathRules", &O::path_rules, "strict|flume",
           "What to do with an escape in PATH or the prefix that is unknown or not closed. strict: "
           "the stage does not start (78). flume: as Flume does, an unknown escape becomes nothing "
           "and an unclosed one stays as it is.")
      .choices({"strict", "flume"})
      .flume("flume");
  table
      .add("hdfs.confDir", &O::conf_dir, "DIR",
           "The Hadoop configuration directory; default: HADOOP_CONF_DIR, then the usual places.")
      .path();
  table.add("hdfs.user", &O::user, "NAME",
            "The user on HDFS; default: HADOOP_USER_NAME, then the login name.");
  add_hdfs_access_options(add);
  add_hdfs_block_options(add);
  add_file_name_options(add);
  table.add("hdfs.inUsePrefix", &O::in_use_prefix, "TEXT", "First part of temporary names.")
      .ignored(kHiddenNames);
  table.add("hdfs.inUseSuffix", &O::in_use_suffix, "TEXT", "Last part of temporary names.")
      .ignored(kHiddenNames);
  table
      .add("hdfs.emptyInUseSuffix", &O::empty_in_use_suffix, "BOOL",
           "No last part in temporary names.")
      .ignored(kHiddenNames);
  add_roll_options(add, FlumeFiles::yes);
  table.add("hdfs.batchSize", &O::batch_size, "N", "Events in one transaction.")
      .ignored("events are taken as they come, a block at a time");
  add_pool_options(add, FlumeFiles::yes);
  add_time_options(add);
  table
      .add("hdfs.fileType", &O::file_type, "TYPE",
           "DataStream: the serializer's output as it is; CompressedStream: the same through "
           "--code-c; SequenceFile: Hadoop's records, with the header timestamp (or the current "
           "time) as key; auto: CompressedStream with --code-c, otherwise DataStream.")
      .choices({"auto", "DataStream", "CompressedStream", "SequenceFile"})
      .flume("SequenceFile");
  add_codec_options(add);
  table
      .add("hdfs.compressType", &O::compress_type, "TYPE",
           "What --code-c compresses in a SequenceFile: block: many records together; record: "
           "each value alone.")
      .choices({"block", "record"});
  table
      .add("hdfs.writeFormat", &O::write_format, "FORMAT",
           "The class of the values in a SequenceFile: Writable (BytesWritable) or Text.")
      .choices({"Writable", "Text"});
  add_serializer_options(table, &O::serializer, "", OwnSchemas::yes);
  add_spool_options(add);
  table
      .add("hdfs.minBlockReplicas", &O::min_block_replicas, "N",
           "Complete a file when one of its blocks has fewer replicas.")
      .ignored(
          "a file is uploaded whole: there is no open block to watch, and HDFS itself waits for "
          "dfs.namenode.replication.min before the file counts");
  table.add("hdfs.rollTimerPoolSize", &O::roll_timer_pool_size, "N", "Timer threads.")
      .ignored("one loop has all timers");
  table
      .add("hdfs.useRawLocalFileSystem", &O::use_raw_local_file_system, "BOOL",
           "No .crc files beside local files.")
      .ignored("local files never get .crc files");
  add_retry_options(add, FlumeFiles::yes);
  return std::move(table).erased();
}

}  // namespace

ComponentType hdfs_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "hdfs";
  type.class_names = {"org.apache.flume.sink.hdfs.HDFSEventSink"};
  type.summary = "write events to files in HDFS or in a local directory";
  type.description =
      "Collects events in files and completes (rolls) a file by size, age, number of events or "
      "idle time: by default at 128 MiB, 5 minutes after its first event, or 1 minute after its "
      "last. A file appears when it is complete. HDFS is reached over WebHDFS or HttpFS; file:/// "
      "writes the same files to a local directory.\n\n"
      "A file is named PREFIX.COUNTER and a suffix; COUNTER starts at the time in milliseconds and "
      "goes up by one for each file. A file never replaces another one. While it is written or "
      "uploaded it is called _NAME.RANDOM.tmp, which Hive, Spark and MapReduce ignore. When a "
      "server keeps reporting that names are taken, the sink pauses before it tries the next "
      "ones.\n\n"
      "PATH and the prefix may contain Flume's escapes: %{header}; %[localhost], %[IP], %[FQDN]; "
      "and of the header timestamp (milliseconds since 1970) %t as it is, %s in seconds, %Y %y "
      "year, %m %n month, %d %e day, %j day of the year, %H %I %k %l hour, %M minute, %S second, "
      "%p AM or PM, %a %A weekday, %b %B month's name, %c date and time, %D month/day/year, %z "
      "offset from UTC, %% a percent sign. An event without the timestamp that PATH needs ends the "
      "stage: put `fl-intercept ts` before it, use --use-local-time-stamp, or keep such events "
      "with --reject. An unknown or unclosed escape is refused at the start (78), unless "
      "--path-rules is flume; so is a colon in a name in HDFS. A warning names headers in PATH "
      "that the first event lacks, and a timestamp that looks like seconds.\n\n"
      "The value of a header cannot leave its part of the path: slash, colon, percent sign, NUL, "
      "control characters, leading dots, a leading underscore of the part (Hive, Spark and "
      "MapReduce ignore names with a leading _ or .) and invalid UTF-8 are written as %XX; an "
      "empty part becomes %-; one longer than 255 bytes is truncated and gets a hash. Below the "
      "fixed beginning of a local PATH symbolic links are not followed.";
  type.delivery =
      "An event is acknowledged when the file that holds it is complete under its final name: on "
      "HDFS closed, its length verified, renamed; in a local directory synced, renamed, the "
      "directory synced too. Files are also completed when the source asks for it, and at the end "
      "of the input.\n\n"
      "Nothing is dropped when HDFS does not accept a file. While more input may come, a server "
      "that is away, starting, standby or in safe mode is retried with growing pauses of up to 10 "
      "s, as long as the stage runs; --give-up-after sets a limit. A used-up quota and a missing "
      "permission need a person: they are logged as errors, at once and then at intervals that "
      "grow from a minute to an hour, and retried every --retry-interval. The status line shows "
      "what waits, how long and why. At the end of the input, or after a signal, the rest is "
      "retried for --grace; then the stage ends with the status of the reason (69, 74, 77), and "
      "events that were not stored are not acknowledged. Before the first event is read, a server "
      "that does not answer is retried for --grace (69), and one that refuses ends the stage (77). "
      "A name or setting that HDFS does not accept ends it at once (78).\n\n"
      "When a local disk is full, reading stops until there is room. A local directory that is "
      "removed is created again (or the stage ends with 73), and a file that was being written "
      "there is written again. After a crash only temporary files are left, and the events of "
      "incomplete files are not acknowledged.";
  type.examples = {
      {"fl-source spooldir /var/spool/upload --once | fl-intercept ts --stream | "
       "fl-sink hdfs --stream 'hdfs://prod/logs/%Y-%m-%d'",
       "Uploads a directory to the cluster prod of the Hadoop configuration, which may have "
       "several NameNodes (HA)."},
      {"tail -F access.log | fl-intercept ts | fl-sink hdfs --stream 'hdfs://prod/logs/%Y-%m-%d' "
       "--kerberos-principal fl/_HOST@EXAMPLE.COM --kerberos-keytab /etc/security/fl.keytab",
       "A growing log, into a cluster with Kerberos."},
      {"fl-sink hdfs /logs --httpfs http://gw1:14000,http://gw2:14000 < access.log",
       "Through HttpFS gateways."},
      {"printf 'a\\nb\\n' | fl-sink hdfs \"file://$PWD/out\"",
       "Writes two events to one file in ./out."},
      {"printf 'a\\nb\\n' | fl-intercept ts | fl-sink hdfs \"file://$PWD/out/%Y-%m-%d\"",
       "Makes a directory for each day."},
      {"printf 'a\\nb\\n' | fl-sink hdfs \"file://$PWD/out\" --serializer avro_event "
       "--file-suffix .avro",
       "Writes an Avro container that Spark and Hive read."},
      {"fl-sink hdfs --dry-run \"file://$PWD/out/%Y-%m-%d/%H\" --use-local-time-stamp",
       "Shows where files would go, and writes nothing."},
  };
  type.options = options();
  type.sink = factory<Sink, HdfsSink, HdfsOptions>();
  return type;
}

}  // namespace fl
