// The options that sinks of files share: how a file system is reached, what files are like, when
// they are complete. The hdfs sink has all of them under Flume's keys ("hdfs.rollSize").
#pragma once

#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/kerberos_options.h"

namespace fl {

/// Whether Flume's defaults and rules go with the options: it has them for its hdfs sink alone.
enum class FlumeFiles { no, yes };

// `add(name, member of HdfsOptions, metavar, help)` adds one to the sink's table, as
// OptionTable::add does.

template <typename Add>
void add_hdfs_access_options(const Add& add) {
  using O = HdfsOptions;
  add("httpfs", &O::httpfs, "URL,...",
      "HttpFS gateways to use instead of the NameNodes, for example http://gw:14000.")
      .not_empty();
  add_kerberos_options<O>(
      add,
      "auto: kerberos if the Hadoop configuration says so or a keytab is given; simple: only "
      "the user name is sent.");
  add("tokenFile", &O::token_file, "FILE",
      "A file of delegation tokens; default: HADOOP_TOKEN_FILE_LOCATION.")
      .path();
  add("proxyUser", &O::proxy_user, "NAME",
      "Act as this user; the cluster must allow it (hadoop.proxyuser.*).")
      .alias("doas");
  add("cacert", &O::cacert, "FILE", "CA certificates (PEM) to trust instead of the system's.")
      .path();
  add("cert", &O::cert, "FILE", "The client certificate (PEM), with its chain.").path();
  add("key", &O::key, "FILE",
      "The key of --cert (PEM, without a passphrase); default: "
      "it is in --cert.")
      .path();
  add("connectTo", &O::connect_to, "HOST:PORT=HOST:PORT,...",
      "Connect to the second address when the cluster names the first, for hosts behind NAT "
      "or in containers.");
  add("useProxy", &O::use_proxy, "BOOL", "Use http_proxy from the environment.");
  add("callTimeout", &O::call_timeout, "TIME",
      "How long a request without file data, or a DataNode's first response, may take; 0: no "
      "limit.")
      .flume_ms()
      .flume_negative("0");
}

template <typename Add>
void add_hdfs_block_options(const Add& add) {
  using O = HdfsOptions;
  add("permission", &O::permission, "OCTAL",
      "The mode of files. Default: 644 in HDFS; according to the umask in a local "
      "directory.");
  add("replication", &O::replication, "N",
      "Replicas of each block; 0: the cluster's "
      "default.");
  add("blockSize", &O::block_size, "BYTES",
      "The block size, a multiple of 512; 0: the cluster's default.");
  add("syncBlock", &O::sync_block, "BOOL",
      "DataNodes sync each block to disk before a file counts as stored (not with HttpFS).");
}

template <typename Add>
void add_file_name_options(const Add& add) {
  using O = HdfsOptions;
  add("filePrefix", &O::file_prefix, "TEXT", "First part of file names; may contain escapes.")
      .not_empty();
  add("fileSuffix", &O::file_suffix, "TEXT",
      "Last part of file names, for example .log (with the dot).");
}

template <typename Add>
void add_roll_options(const Add& add, FlumeFiles of) {
  using O = HdfsOptions;
  auto interval = add("rollInterval", &O::roll_interval, "TIME",
                      "Complete a file TIME after its first event; 0: never.");
  if (of == FlumeFiles::yes) {
    interval.flume("30").flume_negative("0");
  }
  auto size = add("rollSize", &O::roll_size, "BYTES",
                  "Complete a file when it holds BYTES of event bodies; 0: never.");
  if (of == FlumeFiles::yes) {
    size.flume("1024").flume_negative("0");
  }
  auto count =
      add("rollCount", &O::roll_count, "N", "Complete a file when it holds N events; 0: never.");
  if (of == FlumeFiles::yes) {
    count.flume("10").flume_negative("0");
  }
  add("idleTimeout", &O::idle_timeout, "TIME",
      "Complete a file TIME after its last event; 0: never.")
      .flume("0")
      .flume_negative("0");
  add("maxOpenFiles", &O::max_open_files, "N",
      "The most files to keep open, fewer if the limit of file descriptors is low; beyond it "
      "the least recently used file is completed.");
}

template <typename Add>
void add_pool_options(const Add& add, FlumeFiles of) {
  using O = HdfsOptions;
  auto threads = add("threadsPoolSize", &O::threads_pool_size, "N",
                     "How many uploads and syncs run at "
                     "a time.");
  if (of == FlumeFiles::yes) {
    threads.flume("10");
  }
}

template <typename Add>
void add_time_options(const Add& add) {
  using O = HdfsOptions;
  add("round", &O::round, "BOOL", "Round times down before they go into a path.");
  add("roundValue", &O::round_value, "N", "Round to a multiple of N (1 to 60; for hours 1 to 24).");
  add("roundUnit", &O::round_unit, "UNIT", "The unit of --round-value.")
      .choices({"second", "minute", "hour"});
  add("timeZone", &O::time_zone, "ZONE",
      "The time zone of paths, for example Europe/Berlin or GMT+05:30, as Java reads it. Default: "
      "$TZ, as date(1) reads it, then the system's.");
  add("useLocalTimeStamp", &O::use_local_time_stamp, "BOOL",
      "Take the time from this host's clock instead of the header timestamp.");
}

template <typename Add>
void add_codec_options(const Add& add) {
  using O = HdfsOptions;
  add("codeC", &O::codec, "CODEC",
      "Compress with gzip, bzip2, snappy, lz4, zstd, deflate or default, in Hadoop's own "
      "framing, or by class name; none: no compression. --code-c alone is enough: it implies "
      "CompressedStream. Without --file-suffix file names end in the codec's extension.");
  add("compressionLevel", &O::codec_level, "N",
      "The level of gzip, deflate and bzip2 (1 to 9) or zstd (1 to 19); 0: the standard "
      "level (6, 6, 9, 1).");
}

template <typename Add>
void add_spool_options(const Add& add) {
  using O = HdfsOptions;
  add("spoolDir", &O::spool_dir, "DIR",
      "Where files for HDFS are collected before their upload. Default: $TMPDIR, then "
      "/var/tmp.")
      .path();
  add("spoolSize", &O::spool_size, "BYTES",
      "The most to collect there; when it is reached the largest file is completed, and "
      "reading waits.");
  add("minCommit", &O::min_commit, "TIME",
      "Complete files at the source's request at most once every TIME, and at once when it waits "
      "for all that it has sent.");
}

template <typename Add>
void add_retry_options(const Add& add, FlumeFiles of) {
  using O = HdfsOptions;
  auto tries =
      add("closeTries", &O::close_tries, "N",
          "How often to try to complete a file before the stage ends with the reason; 0: no "
          "limit.");
  if (of == FlumeFiles::yes) {
    tries.flume_negative("0");
  }
  auto pause = add("retryInterval", &O::retry_interval, "TIME",
                   "The longest pause between tries; 0: try only once.");
  if (of == FlumeFiles::yes) {
    pause.flume("180").flume_negative("0");
  }
  add("staleTemp", &O::stale_temp, "TIME",
      "Remove temporary files of earlier runs when they are older than TIME; 0: never.");
}

}  // namespace fl
