// The declaration of the hive sink: its options and what its page says.
#include "common/component/component_type.h"
#include "tools/fl-sink/hdfs/file_options.h"
#include "tools/fl-sink/hive/options.h"
#include "tools/fl-sink/hive/sink.h"

namespace fl {
namespace {

using O = HiveOptions;

void add_table_options(OptionTable<O>& table) {
  table
      .add("hive.table", &O::table, "DATABASE.TABLE",
           "The table. It must exist, with files of text, JSON or Avro.")
      .positional()
      .required();
  table.add("hive.database", &O::database, "NAME", "The database, if the table's name has none.")
      .not_empty();
  table
      .add("hive.metastore", &O::metastore, "URL,...",
           "Metastores, tried in turn: thrift://HOST:PORT, or http://HOST:PORT/PATH (https too) of "
           "one in HTTP mode.")
      .required();
  table.add("hive.partition", &O::partition, "VALUE,...",
            "A value for each partition column, with escapes such as %Y-%m-%d and %{header}; or "
            "COLUMN=VALUE/COLUMN=VALUE. A table without partition columns has none.");
  table.add("autoCreatePartitions", &O::create_partitions, "BOOL",
            "Add missing partitions. If off, their files wait, and an error asks for the "
            "partitions.");
  table
      .add("location", &O::location, "URL",
           "Another URL (hdfs://, webhdfs://, file:///) of the table's directory, for a host that "
           "cannot use the one in the metastore.")
      .path();
}

void add_row_options(OptionTable<O>& table) {
  auto serializer =
      table.add("serializer", &O::serializer, "NAME",
                "How a body becomes a row. delimited: its fields become the columns of a text "
                "table; json: it is an object, for a JSON table; avro_event: headers and body, for "
                "an Avro table of these columns; avro_schema: it is one datum of the schema that "
                "its headers name; auto: what fits the table.");
  serializer.choices({"auto", "delimited", "json", "avro_event", "avro_schema"});
  for (const char* const package : {"org.apache.flume.sink.hive."}) {
    serializer.choice_alias(std::string(package) + "HiveDelimitedTextSerializer", "delimited")
        .choice_alias(std::string(package) + "HiveJsonSerializer", "json");
  }
  table
      .add("serializer.delimiter", &O::delimiter, "TEXT",
           "The separator of the fields in a body; \\t is a tab (delimited). --delimiter "
           "separates bodies.")
      .named("field-delimiter")
      .not_empty();
  table
      .add("serializer.fieldnames", &O::field_names, "NAME,...",
           "The column of each field of a body, in order; an empty name skips a field. Default: "
           "the table's columns (delimited).")
      .named("field-names");
  table
      .add("serializer.serdeSeparator", &O::separator, "CHARACTER",
           "The separator of the fields in the table's files. The table defines it; any other is "
           "refused.")
      .named("serde-separator");
  table
      .add("serializer.schemaURL", &O::avro, &SerializerOptions::schema_url, "FILE",
           "The schema of events without the headers flume.avro.schema.url and "
           "flume.avro.schema.literal: a path or file:// (avro_schema).")
      .named("schema-url")
      .path();
  table
      .add("serializer.schemaDir", &O::avro, &SerializerOptions::schema_dir, "DIR",
           "The directory in which the header flume.avro.schema.url may name files; without it "
           "none are read (avro_schema).")
      .named("schema-dir")
      .path();
  table
      .add("serializer.compressionCodec", &O::avro, &SerializerOptions::compression_codec, "CODEC",
           "The compression of blocks (Avro).")
      .choices(block_codec_names())
      .choice_alias("zstd", "zstandard")
      .named("compression-codec");
}

void add_transaction_options(OptionTable<O>& table) {
  const std::string why =
      "there are no transactions: a file is visible as a whole when it is there";
  table.add("hive.txnsPerBatchAsk", &O::transactions, "N", "Transactions to ask for.").ignored(why);
  table.add("heartBeatInterval", &O::heartbeat, "TIME", "How often to keep transactions alive.")
      .ignored(why);
  table.add("maxOpenConnections", &O::connections, "N", "The most connections to Hive.")
      .ignored("one connection to the metastore is enough; --max-open-files limits the files");
  table.add("batchSize", &O::batch_size, "N", "Events in one transaction.")
      .ignored("events are taken as they come, a block at a time");
}

OptionSet options() {
  OptionTable<O> table;
  const auto add = [&table](const std::string& name, auto member, const std::string& metavar,
                            const std::string& help) {
    return table.add(name, &O::files, member, metavar, help);
  };
  add_table_options(table);
  add_row_options(table);
  add("confDir", &HdfsOptions::conf_dir, "DIR",
      "The Hadoop configuration directory; default: HADOOP_CONF_DIR, then the usual places.")
      .path();
  add("user", &HdfsOptions::user, "NAME",
      "The user on HDFS, and the one that the metastore makes directories for; default: "
      "HADOOP_USER_NAME, then the login name.");
  add_hdfs_access_options(add);
  add_hdfs_block_options(add);
  add_file_name_options(add);
  add_roll_options(add, FlumeFiles::no);
  add_pool_options(add, FlumeFiles::no);
  add_time_options(add);
  add_codec_options(add);
  add_spool_options(add);
  add_retry_options(add, FlumeFiles::no);
  add_transaction_options(table);
  return std::move(table).erased();
}

}  // namespace

ComponentType hive_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "hive";
  type.class_names = {"org.apache.flume.sink.hive.HiveSink"};
  type.summary = "write events to tables of Hive, a partition at a time";
  type.description =
      "Collects events in files below the table's location, in HDFS (over WebHDFS or HttpFS) or in "
      "a local directory, and adds their partitions to the metastore, so that Hive, Spark and "
      "other users of the metastore find the rows. Supported are external tables and managed "
      "tables without transactions, with or without partitions. The files are those of fl-sink "
      "hdfs: a file appears when it is complete, by size, age, number of events or idle time, and "
      "is hidden before (_NAME.RANDOM.tmp).\n\n"
      "The table is checked first. If something does not fit, the stage ends with 78 and says what "
      "to change: a transactional or bucketed table, a view, a format other than delimited text "
      "(LazySimpleSerDe), JSON (JsonSerDe, or Spark's USING json) and Avro, fields without a "
      "column, partition columns without a value.\n\n"
      "Each partition column gets a pattern by --partition, with the escapes of fl-sink-hdfs(1). "
      "The files are in the directory COLUMN=VALUE, escaped as Hive does it. An empty value of a "
      "text column is NULL (__HIVE_DEFAULT_PARTITION__). A value that is not valid for the "
      "column's type would make every query of the table fail, so the event is rejected; 07 in an "
      "int column becomes 7.\n\n"
      "Delimited bodies are split at --field-delimiter and written with the table's own delimiter "
      "and escapes. A missing field is NULL, as is \\N; extra fields are dropped. If the table has "
      "no ESCAPED BY, an event is rejected when a field contains the table's delimiter or a line "
      "break. In a JSON table, an event is rejected when its body is not a JSON object.\n\n"
      "The metastore (Hive 2.3 to 4) is reached over Thrift, by plain TCP, HTTP or HTTPS. On its "
      "plain TCP port neither SASL (Kerberos), which Thrift's C++ library lacks, nor TLS is "
      "supported; for HDFS, Kerberos works as in fl-sink hdfs. Spark caches the file list of its "
      "own tables (USING json) for a session: REFRESH TABLE shows new files in a known partition.";
  type.delivery =
      "An event is acknowledged when its file is complete under its final name and then its "
      "partition is in the metastore: a partition never appears before its first file. After a "
      "crash between the two, the events are sent again and stored in another file, so rows may "
      "appear twice.\n\n"
      "While more input may come, a metastore that is away is retried as long as the stage runs; "
      "--give-up-after sets a limit. If it refuses a partition, a person has to act: that is "
      "logged as an error and retried every --retry-interval. At the end of the input it is "
      "retried for --grace; then the stage ends with the status of the reason (69, 77), and the "
      "events are not acknowledged. If the table was dropped or changed, the stage ends with 78. "
      "Each process adds a partition once; if it is dropped while the stage runs, it is not added "
      "again until the stage is restarted.";
  type.examples = {
      {"fl-source spooldir /var/spool/sales --once | fl-intercept ts --stream | fl-sink hive "
       "sales.orders --stream --partition '%Y-%m-%d' --metastore thrift://metastore:9083",
       "Files of comma-separated lines into a table with one partition column."},
      {"tail -F access.log | fl-intercept ts | fl-sink hive web.log --stream --field-delimiter ' ' "
       "--field-names host,,,time --partition 'dt=%Y-%m-%d/hr=%H' --idle-timeout 10s --metastore "
       "thrift://metastore:9083",
       "Some fields of a growing log, by day and hour."},
      {"fl-sink hive web.events --partition %{country} --metastore "
       "thrift://metastore1:9083,thrift://metastore2:9083 --reject rejected.fl < events",
       "A partition for each value of a header; what does not fit is kept."},
      {"fl-sink hive sales.orders --dry-run --partition '%Y-%m-%d' --use-local-time-stamp "
       "--metastore http://metastore:9001",
       "Looks at the table through a metastore in HTTP mode and shows where files would go."},
  };
  type.options = options();
  type.sink = factory<Sink, HiveSink, HiveOptions>();
  return type;
}

}  // namespace fl
