// The declaration of the hdfs sink: its options and what its page says.
#include "common/stage/component_type.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/sink.h"

namespace fl {
namespace {

using O = HdfsOptions;

void add_access_options(OptionTable<O>& table) {
  table.add("hdfs.httpfs", &O::httpfs, "URL,...",
            "HttpFS gateways to use instead of the NameNodes, for example http://gw:14000.");
  table
      .add("hdfs.auth", &O::auth, "HOW",
           "auto: kerberos if the Hadoop configuration says so, or a keytab is given; simple: the "
           "user's name is enough.")
      .choices({"auto", "simple", "kerberos"});
  table.add("hdfs.kerberosPrincipal", &O::kerberos_principal, "NAME",
            "Who logs in from the keytab; _HOST stands for this host's name. Default: its first "
            "entry.");
  table.add("hdfs.kerberosKeytab", &O::kerberos_keytab, "FILE",
            "Log in from this keytab; else from the ticket cache that kinit fills.");
  table.add("hdfs.tokenFile", &O::token_file, "FILE",
            "File of delegation tokens; else HADOOP_TOKEN_FILE_LOCATION.");
  table
      .add("hdfs.proxyUser", &O::proxy_user, "NAME",
           "Act as this user; the cluster must allow it (hadoop.proxyuser.*).")
      .alias("doas");
  table.add("hdfs.cacert", &O::cacert, "FILE",
            "Certificates (PEM) that a server's must be signed by; else the system's.");
  table.add("hdfs.cert", &O::cert, "FILE", "Our own certificate (PEM), with its chain.");
  table.add("hdfs.key", &O::key, "FILE", "Its key (PEM, no passphrase); else in --cert.");
  table.add("hdfs.connectTo", &O::connect_to, "HOST:PORT=HOST:PORT,...",
            "Connect elsewhere than the cluster says, for hosts behind NAT or in containers.");
  table.add("hdfs.useProxy", &O::use_proxy, "BOOL", "Obey http_proxy of the environment.");
  table
      .add("hdfs.callTimeout", &O::call_timeout, "TIME",
           "Time for an answer to a request that carries no file, and for the first word of a "
           "DataNode; 0: no limit.")
      .flume_ms();
}

void add_file_options(OptionTable<O>& table) {
  table.add("hdfs.permission", &O::permission, "OCTAL",
            "Mode of files. Default: 644 in HDFS, as the umask says in a local directory.");
  table.add("hdfs.replication", &O::replication, "N", "Replicas of each block; 0: the cluster's.");
  table.add("hdfs.blockSize", &O::block_size, "BYTES",
            "Size of blocks, a multiple of 512; 0: the cluster's.");
  table.add("hdfs.syncBlock", &O::sync_block, "BOOL",
            "DataNodes sync each block to disk before a file counts as stored (not with HttpFS).");
}

OptionSet options() {
  OptionTable<O> table;
  table
      .add("hdfs.path", &O::path, "PATH",
           "Directory to write to, with escapes such as %Y-%m-%d and %{header}. A URL (hdfs://, "
           "webhdfs://, swebhdfs://, file:///) decides where; else fs.defaultFS of the Hadoop "
           "configuration does, and a relative PATH lies in the home directory there. Default: "
           "fl-data.")
      .positional();
  table.add("hdfs.confDir", &O::conf_dir, "DIR",
            "Hadoop configuration directory; else HADOOP_CONF_DIR and its usual places.");
  table.add("hdfs.user", &O::user, "NAME",
            "User on HDFS; else HADOOP_USER_NAME, else the login name.");
  add_access_options(table);
  add_file_options(table);
  table.add("hdfs.filePrefix", &O::file_prefix, "TEXT",
            "First part of file names; may hold escapes.");
  table.add("hdfs.fileSuffix", &O::file_suffix, "TEXT",
            "Last part of file names, for example .log (with the dot).");
  table.add("hdfs.inUsePrefix", &O::in_use_prefix, "TEXT", "First part of temporary names.")
      .ignored("temporary names are hidden, random and in the file's own directory");
  table.add("hdfs.inUseSuffix", &O::in_use_suffix, "TEXT", "Last part of temporary names.")
      .ignored("temporary names are hidden, random and in the file's own directory");
  table
      .add("hdfs.emptyInUseSuffix", &O::empty_in_use_suffix, "BOOL",
           "No last part in temporary names.")
      .ignored("temporary names are hidden, random and in the file's own directory");
  table
      .add("hdfs.rollInterval", &O::roll_interval, "TIME",
           "Complete a file TIME after its first event; 0: never.")
      .flume("30");
  table
      .add("hdfs.rollSize", &O::roll_size, "BYTES",
           "Complete a file when it holds BYTES of event bodies; 0: never.")
      .flume("1024");
  table
      .add("hdfs.rollCount", &O::roll_count, "N",
           "Complete a file when it holds N events; 0: never.")
      .flume("10");
  table
      .add("hdfs.idleTimeout", &O::idle_timeout, "TIME",
           "Complete a file TIME after its last event; 0: never.")
      .flume("0");
  table.add("hdfs.maxOpenFiles", &O::max_open_files, "N",
            "Files open at a time, less if the limit of descriptors asks for it; the least "
            "recently used one is completed first.");
  table.add("hdfs.batchSize", &O::batch_size, "N", "Events in one transaction.")
      .ignored("events are taken as they come, a block at a time");
  table.add("hdfs.threadsPoolSize", &O::threads_pool_size, "N", "Uploads and syncs at a time.")
      .flume("10");
  table.add("hdfs.round", &O::round, "BOOL", "Round times down before they go into a path.");
  table.add("hdfs.roundValue", &O::round_value, "N",
            "Round to a multiple of N (1 to 60; for hours 1 to 24).");
  table.add("hdfs.roundUnit", &O::round_unit, "UNIT", "The unit of --round-value.")
      .choices({"second", "minute", "hour"});
  table.add("hdfs.timeZone", &O::time_zone, "ZONE",
            "Time zone of paths, for example Europe/Berlin; else $TZ, else the system's.");
  table.add("hdfs.useLocalTimeStamp", &O::use_local_time_stamp, "BOOL",
            "Take the time from this host's clock instead of the header timestamp.");
  table
      .add("hdfs.fileType", &O::file_type, "TYPE",
           "DataStream: the serializer's output as it is; CompressedStream: the same through "
           "--code-c; SequenceFile: Hadoop's records, the header timestamp (or now) as their key.")
      .choices({"DataStream", "CompressedStream", "SequenceFile"})
      .flume("SequenceFile");
  table.add("hdfs.codeC", &O::codec, "CODEC",
            "Compress with gzip, bzip2, snappy, lz4, zstd, deflate or default, in Hadoop's own "
            "framing; also by class name; none: do not. Without --file-suffix file names end in "
            "the codec's extension.");
  table.add("hdfs.compressionLevel", &O::codec_level, "N",
            "Level of gzip, deflate and bzip2 (1 to 9) or zstd (1 to 19); 0: the standard one (6, "
            "6, 9, 1).");
  table
      .add("hdfs.compressType", &O::compress_type, "TYPE",
           "What --code-c compresses in a SequenceFile: block: many records together; record: "
           "each value alone.")
      .choices({"block", "record"});
  table
      .add("hdfs.writeFormat", &O::write_format, "FORMAT",
           "Class of the values in a SequenceFile: Writable (BytesWritable) or Text.")
      .choices({"Writable", "Text"});
  add_serializer_options(table, &O::serializer, "", OwnSchemas::yes);
  table.add("hdfs.spoolDir", &O::spool_dir, "DIR",
            "Where files for HDFS are gathered before their upload; else $TMPDIR, else /var/tmp.");
  table.add("hdfs.spoolSize", &O::spool_size, "BYTES",
            "How much is gathered there at most; then the largest file is completed, and reading "
            "waits.");
  table.add("hdfs.minCommit", &O::min_commit, "TIME",
            "Complete files at the source's request not more often than every TIME.");
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
  table.add("hdfs.closeTries", &O::close_tries, "N",
            "Tries to complete a file before the stage ends with the reason; 0: no limit.");
  table
      .add("hdfs.retryInterval", &O::retry_interval, "TIME",
           "Longest pause between tries; 0: one try only.")
      .flume("180");
  table.add("hdfs.giveUpAfter", &O::give_up_after, "TIME",
            "End the stage when a file could not be completed for TIME; 0: keep trying as long as "
            "the stage lives.");
  table.add("hdfs.staleTemp", &O::stale_temp, "TIME",
            "Remove temporaries that earlier runs left behind when they are older than TIME; 0: "
            "never.");
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
      "Gathers events into files and completes (rolls) a file by size, age, number of events or "
      "idleness. HDFS is reached over WebHDFS or HttpFS; file:/// writes the same files into a "
      "local directory.\n\n"
      "A file is named PREFIX.COUNTER and a suffix, COUNTER being a time in milliseconds that goes "
      "up by one for each file. It appears under that name when it is complete, and never replaces "
      "another; while it is written or uploaded it is called _NAME.RANDOM.tmp, which readers of a "
      "directory pass over.\n\n"
      "PATH and the prefix may hold Flume's escapes: %{header}; %[localhost], %[IP], %[FQDN]; and "
      "of the header timestamp (milliseconds since 1970) %t as it is, %s in seconds, %Y %y year, "
      "%m "
      "%n month, %d %e day, %j day of the year, %H %I %k %l hour, %M minute, %S second, %p AM or "
      "PM, %a %A weekday, %b %B month's name, %c date and time, %D month/day/year, %z offset from "
      "UTC, %% a percent sign. An event without the timestamp that PATH needs ends the stage: put "
      "`fl-intercept ts` in front, use --use-local-time-stamp, or keep it aside with "
      "--reject.\n\n"
      "The value of a header stays within its part of the path: slash, colon, percent sign, NUL, "
      "control characters, leading dots, an underscore that would begin the part (Hive, Spark and "
      "MapReduce pass over _ and . names) and invalid UTF-8 are written as %XX, an empty part "
      "becomes %-, and one longer than 255 bytes is cut and gets a hash. Below the fixed beginning "
      "of a "
      "local PATH no symbolic link is followed.";
  type.delivery =
      "An event is acknowledged when the file that holds it is complete under its final name: on "
      "HDFS closed, its length verified, renamed; in a local directory synced, renamed, the "
      "directory synced too. Files are also completed when the source asks for it and at the end "
      "of the input.\n\n"
      "Nothing is dropped when HDFS does not take a file. While input may come, a server that is "
      "away, starting, standby or in safe mode is tried again with growing pauses of up to 10 s, "
      "as long as the stage lives; --give-up-after sets an end to that. A used-up quota and a "
      "missing permission are for a person to settle: they are logged as errors, at once and then "
      "at intervals that grow from a minute to an hour, and tried again every --retry-interval. "
      "What waits, "
      "how long and why stands in the status line. At the end of the input, or after a signal, "
      "what is left is tried for --grace; then the stage ends with the status of the reason (69, "
      "74, 77), and what was not stored is not acknowledged. Before the first event is read, a "
      "server that does not answer is tried for --grace (69), and one that refuses ends the stage "
      "(77). A name or setting that HDFS does not take ends it at once (78).\n\n"
      "A full local disk stops reading until there is room. After a crash at most temporaries are "
      "left, and the events of "
      "the files that were not complete are not acknowledged.";
  type.examples = {
      {"printf 'a\\nb\\n' | fl-sink hdfs \"file://$PWD/out\"",
       "Write two events into one file in ./out."},
      {"printf 'a\\nb\\n' | fl-intercept ts | fl-sink hdfs \"file://$PWD/out/%Y-%m-%d\"",
       "A directory for each day."},
      {"printf 'a\\nb\\n' | fl-sink hdfs \"file://$PWD/out\" --serializer avro_event "
       "--file-suffix .avro",
       "An Avro container that Spark and Hive read."},
      {"fl-sink hdfs --dry-run \"file://$PWD/out/%Y-%m-%d/%H\" --use-local-time-stamp",
       "Show where files would go, and write nothing."},
  };
  type.options = options();
  type.sink = factory<Sink, HdfsSink, HdfsOptions>();
  return type;
}

}  // namespace fl
