// Events as rows of HBase, through its REST gateway: Flume's hbase sinks.
#include "common/access/tls_options.h"
#include "common/component/component_type.h"
#include "tools/fl-sink/hbase/sink.h"
#include "tools/fl-sink/kerberos_options.h"

namespace fl {
namespace {

using Options = HBaseSinkOptions;
using Rows = HBaseRowOptions;

void add_row_options(OptionTable<Options>& table) {
  auto serializer =
      table.add("serializer", &Options::rows, &Rows::serializer, "NAME",
                "simple: the body is one cell. regex: the groups of --regex are the cells.");
  serializer.choices({"simple", "regex"});
  for (const char* const name :
       {"hbase2.SimpleHBase2EventSerializer", "hbase.SimpleHbaseEventSerializer",
        "hbase.SimpleAsyncHbaseEventSerializer"}) {
    serializer.choice_alias("org.apache.flume.sink." + std::string(name), "simple");
  }
  for (const char* const name :
       {"hbase2.RegexHBase2EventSerializer", "hbase.RegexHbaseEventSerializer"}) {
    serializer.choice_alias("org.apache.flume.sink." + std::string(name), "regex");
  }
  table.add("rowKey", &Options::rows, &Rows::row_key, "PATTERN",
            "The row key, with escapes such as %{host} and %Y-%m-%d. A value in it is escaped as "
            "in paths of fl-sink hdfs.");
  table.add("rowKeyHeader", &Options::rows, &Rows::row_key_header, "NAME",
            "The header that holds the row key, as it is.");
  table
      .add("serializer.rowPrefix", &Options::rows, &Rows::row_prefix, "TEXT",
           "simple: the row key begins with this, unless --row-key or --row-key-header gives it.")
      .named("row-prefix");
  table
      .add("serializer.suffix", &Options::rows, &Rows::suffix, "uuid|random|timestamp|nano",
           "simple: how that key ends. timestamp and nano repeat themselves: later rows overwrite "
           "earlier ones.")
      .choices({"uuid", "random", "timestamp", "nano"})
      .named("suffix");
  table
      .add("serializer.payloadColumn", &Options::rows, &Rows::payload_column, "NAME",
           "simple: the column of the body.")
      .named("payload-column");
  table
      .add("serializer.regex", &Options::rows, &Rows::regex, "REGEX",
           "regex: matches the whole body; each group is the value of a column. An event that "
           "does not match is rejected.")
      .named("regex");
  table
      .add("serializer.regexIgnoreCase", &Options::rows, &Rows::regex_ignore_case, "",
           "regex: upper and lower case are the same.")
      .named("regex-ignore-case");
  table
      .add("serializer.colNames", &Options::rows, &Rows::column_names, "NAME,NAME,...",
           "regex: the columns of the groups.")
      .named("col-names");
  table
      .add("serializer.rowKeyIndex", &Options::rows, &Rows::row_key_index, "N",
           "regex: the group that is the row key, counted from 0; its name in --col-names is "
           "ROW_KEY. -1: none.")
      .named("row-key-index")
      .flume_negative("-1");
  table
      .add("serializer.depositHeaders", &Options::rows, &Rows::deposit_headers, "",
           "regex: each header is a column, too.")
      .named("deposit-headers");
  table
      .add("serializer.charset", &Options::rows, &Rows::charset, "NAME",
           "regex: only UTF-8; bytes that are not UTF-8 are stored as they are.")
      .named("charset");
}

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("table", &Options::table, "TABLE",
           "The table, as NAME or NAMESPACE:NAME. It must exist.")
      .positional()
      .required();
  table
      .add("columnFamily", &Options::rows, &Rows::column_family, "NAME",
           "The column family of all cells. It must exist.")
      .required();
  table
      .add("rest", &Options::gateways, "URL",
           "The REST gateway, for example http://gateway:8080. Of several, the "
           "next one is used when one fails.")
      .required();
  table.add("batchSize", &Options::batch_size, "N", "The most rows of a request.").flume("100");
  add_row_options(table);
  table.add("putIfAbsent", &Options::put_if_absent, "",
            "Stores a row only if its first column is not there yet: the first one wins, and what "
            "is sent again changes nothing. One request for each row, and nothing is counted.");
  table
      .add("serializer.incrementColumn", &Options::increment_column, "NAME",
           "simple: also count the events, in this column of the row --increment-row. At least "
           "once: after a lost answer events count twice.")
      .named("increment-column")
      .flume("iCol");
  table
      .add("serializer.incrementRow", &Options::increment_row, "KEY",
           "The row of --increment-column.")
      .named("increment-row");
  table.add("gzip", &Options::gzip, "", "Compress requests.");
  table.add("maxCell", &Options::max_cell, "BYTES",
            "The largest cell with its key: hbase.client.keyvalue.maxsize of the gateway. 0: no "
            "limit.");
  table
      .add("connectTimeout", &Options::connect_timeout, "TIME",
           "How long finding the address of a gateway and connecting may take.")
      .flume_ms();
  table
      .add("timeout", &Options::request_timeout, "TIME",
           "How long a request may take from then on. Then it is sent again, to the next gateway.")
      .named("request-timeout")
      .flume_ms();
  add_kerberos_options<Options>(
      [&table](const std::string& name, auto member, const std::string& metavar,
               const std::string& help) { return table.add(name, member, metavar, help); },
      "auto: kerberos if a keytab is given or a gateway asks for it, unless there is --user; "
      "simple: no Kerberos.");
  table.add("user", &Options::user, "NAME",
            "Log in as this user with a password (basic authentication), for example to Knox.");
  table.add_secret("password", &Options::password, "The password of --user.");
  add_tls_url_options(table, &Options::tls);
  table.add("coalesceIncrements", &Options::coalesces, "BOOL", "")
      .ignored("the increments of a request are always added up");
  table.add("enableWal", &Options::enable_wal, "BOOL", "")
      .ignored("HBase logs everything that comes through its gateway");
  table.add("zookeeperQuorum", &Options::zookeeper_quorum, "HOSTS", "")
      .ignored("the gateway knows where HBase is");
  table.add("znodeParent", &Options::znode_parent, "PATH", "")
      .ignored("the gateway knows where HBase is");
  table.note_given(&Options::given);
  return std::move(table).erased();
}

}  // namespace

ComponentType hbase_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "hbase";
  type.class_names = {"org.apache.flume.sink.hbase2.HBase2Sink",
                      "org.apache.flume.sink.hbase.HBaseSink",
                      "org.apache.flume.sink.hbase.AsyncHBaseSink"};
  type.sought_as = {"hbase2", "asynchbase", "bigtable"};
  type.summary = "to a table of HBase, through its REST gateway";
  type.description =
      "Stores each event as a row of TABLE. One request is in flight at a time; events "
      "that arrive meanwhile, up to --batch-size, form the next one. The gateway is part of HBase "
      "(hbase rest start); no Java is needed here.\n\n"
      "Row key: --row-key or --row-key-header; without them the serializer makes one, as in "
      "Flume; an event that comes again gets a different key. Time of the cells: the header "
      "timestamp in milliseconds, else the time when the event came in. A row is made once, so a "
      "request that is sent again stores the same cells. With a key and a timestamp from the event "
      "itself, that also holds for events that a source sends again. Rows with the same key, "
      "column and time overwrite each other.\n\n"
      "At the start the schema is checked: a table or column family that does not exist ends the "
      "sink with 78. It never creates or changes a table. --dry-run looks at it, too, and finds "
      "out by a put that stores nothing whether the table is enabled and may be written. An event "
      "without a row (the regex does not match, a header is missing) and a row that HBase does not "
      "take (key empty or above "
      "32767 bytes, time before 1970, no cell, a cell above --max-cell) goes to --reject or ends "
      "the sink with 65; the others are stored. If the gateway refuses a request all the same, it "
      "is cut into halves until the row is found. After no answer, a 503 or a "
      "similar failure the request is sent to the next gateway, and when all have failed to the "
      "first one again, with pauses that grow up to 10 seconds; --give-up-after bounds that, and "
      "--grace once the input is over. While a region "
      "moves to another server, HBase answers late; while a table is disabled, it answers late, "
      "with 503 or not at all. So after such a failure the sink checks the table by a put that "
      "stores nothing, and ends with 78 if the table is disabled. 401 and 403 "
      "(a read-only gateway) end the sink with 77. 500 says that the gateway could not read the "
      "request, for example since it was cut off, or that HBase is starting. After it the sink "
      "asks the same; if the gateway can answer that, the third 500 in a row ends it with 70. "
      "Redirects are not followed.\n\n"
      "Kerberos: the URL must name the gateway's host as the KDC knows it (HTTP/HOST). The ticket "
      "comes from --kerberos-keytab, which logs in anew before it runs out, or from the cache that "
      "kinit fills (KRB5CCNAME), which is read again for each login. After a login the gateway's "
      "cookie hadoop.auth is used until the gateway refuses it. The sink ends with 77, without "
      "another try, when a person has to act: no ticket, a keytab or principal that the KDC does "
      "not accept, a login that the gateway refuses. When a ticket of kinit runs out on the way, "
      "the sink waits for the next kinit, with an alarm. A KDC that is away is like a gateway that "
      "is away (69).\n\n"
      "A password (--user) is sent with each request. When it is refused the sink ends with 77 at "
      "once, so it locks no account. Over http others can read it: use https.\n\n"
      "https is TLS 1.2 or newer, as in fl-sink http. At most 8 MiB of events and rows wait in "
      "memory; then reading stops.";
  type.delivery =
      "An event is acknowledged when the gateway has answered 200 to the request with its row, and "
      "with --increment-column also to the one that counts it. HBase has it in its log then. What "
      "is sent again after a lost answer is the same cells; only counters count it twice.";
  type.examples = {
      {"tail -F access.log | fl-intercept ts + uuid + regex_extractor '^(\\S+)' client | fl-sink "
       "hbase web:log --column-family f --row-key '%{client}-%{timestamp}-%{id}' --rest "
       "http://gateway:8080",
       "A row for each line, by client and time; the id keeps lines of the same time apart."},
      {"fl-sink hbase orders --column-family f --serializer regex --regex '([^,]*),([^,]*),(.*)' "
       "--col-names ROW_KEY,customer,items --row-key-index 0 --rest http://gw1:8080 --rest "
       "http://gw2:8080 < orders.csv",
       "Columns from the fields of a line; the second gateway is used when the first is away."},
      {"fl-sink hbase seen --column-family f --row-key-header id --put-if-absent --stream --rest "
       "http://gateway:8080 < events.avro",
       "Keeps the first event of each id."},
      {"tail -F access.log | fl-sink hbase web:log --column-family f --rest http://gateway:8080 "
       "--kerberos-principal fl/_HOST@EXAMPLE.COM --kerberos-keytab /etc/security/fl.keytab",
       "Through a gateway that wants Kerberos."},
      {"tail -F access.log | fl-sink hbase web:log --column-family f --user etl --password-file "
       "/etc/fl/knox.password --rest https://gateway:8443/gateway/default/hbase",
       "Through Knox, with a password."},
      {"fl-sink hbase web:log --column-family f --rest http://gw:8080 --grace 1s --dry-run || test "
       "$? = 69",
       "Checks the options, the gateway, the login, the table and its column family. 69: the "
       "gateway is away."},
  };
  type.options = options();
  type.sink = factory<Sink, HBaseSink, HBaseSinkOptions>();
  return type;
}

}  // namespace fl
