// Rows of a table in MariaDB or MySQL.
#include "common/component/component_type.h"
#include "tools/fl-source/sql/options.h"
#include "tools/fl-source/sql/source.h"

namespace fl {
namespace {

using Options = SqlSourceOptions;

void add_what(OptionTable<Options>& table) {
  table
      .add("url", &Options::url, "URL",
           "The table: mysql://[USER@]HOST[:PORT]/DATABASE/TABLE, or mariadb://. Without HOST, and "
           "for localhost without PORT, the server's socket is used. With --query TABLE is left "
           "out.")
      .positional()
      .required();
  table.add("query", &Options::query, "SQL", "Reads the result of this SELECT instead of a table.")
      .not_empty();
  table
      .add("format", &Options::format, "json|text|avro",
           "The body of an event: an object of JSON, values with a separator between them, or a "
           "record of Avro.")
      .choices({"json", "text", "avro"});
  table.add("separator", &Options::separator, "CHARACTER",
            "The character between the values of --format text. \\001 is Hive's default.");
  table
      .add("schemaDir", &Options::schema_dir, "DIR",
           "Writes the schema of --format avro to a file in DIR, and the file's name into each "
           "event instead of the schema.")
      .path();
  table
      .add("since", &Options::since, "COLUMN",
           "Reads in the order of COLUMN, remembers the last row that was acknowledged, and reads "
           "only later ones in the next run.")
      .not_empty();
  table
      .add("key", &Options::key, "COLUMN",
           "Columns that tell the rows apart, for --since and --split. "
           "By default those of the primary key.")
      .cli_only();
  table.add("split", &Options::split, "N",
            "Reads the table in N parts by its primary key. A run that was interrupted is "
            "continued by the next one.");
  table
      .add("position", &Options::position, "FILE",
           "Where --since and --split remember their place. Default: a file in "
           "$XDG_STATE_HOME/fl/sql, else in $HOME/.local/state/fl/sql, named after the server and "
           "the table.")
      .path();
  table.add("once", &Options::once, "", "Ends with 0 when everything is read. The default.")
      .cli_only();
  table.add("poll", &Options::poll, "TIME",
            "With --since: looks for later rows again and again, at this interval.");
}

void add_server(OptionTable<Options>& table) {
  table.add("user", &Options::user, "NAME", "The user, if it is not in URL or the option file.")
      .not_empty();
  table.add_secret("password", &Options::password, "The user's password.");
  table
      .add("optionFile", &Options::option_file, "FILE",
           "Reads user, password, host and more from the groups [client] and [client-mariadb] of "
           "this file; URL and options overrule it. No such file is read unless it is named here.")
      .path();
  table
      .add("socket", &Options::socket, "PATH",
           "The socket of a server on this host; URL has no host then, or localhost.")
      .path();
  table.add("connectTimeout", &Options::connect_timeout, "TIME",
            "How long one try to connect may take, with the login, in whole seconds.");
  table
      .add("ssl", &Options::tls, "BOOL",
           "The connection is encrypted by TLS, version 1.2 or newer. The server's certificate "
           "must be valid, of a trusted CA, and name the host that is connected to.")
      .named("tls")
      .alias("ssl");
  table
      .add("truststore", &Options::truststore, "FILE",
           "The CAs that are trusted, in PEM; without it those of the system.")
      .path();
  table.add(
      "trust-all-certs", &Options::trust_all_certs, "BOOL",
      "Accepts any certificate: any server that answers gets the password. Logged at each start.");
  table
      .add("keystore", &Options::keystore, "FILE",
           "A certificate and its key in PEM, for a server that asks clients for one.")
      .path();
  table
      .add("keystoreKey", &Options::keystore_key, "FILE",
           "The private key in PEM, if --keystore does not contain it.")
      .path();
  table.add_secret("keystore-password", &Options::keystore_password, "The password of the key.");
}

OptionSet options() {
  OptionTable<Options> table;
  add_what(table);
  add_server(table);
  return std::move(table).erased();
}

constexpr const char* kDescription =
    "Reads a table of MariaDB or MySQL, or the result of a query, one event a row, in one "
    "consistent snapshot (of InnoDB tables). Rows are passed on as the server sends them; memory "
    "does not grow with their number. A row of a table that is larger than --max-event comes from "
    "the server without its long values and goes to --reject, which keeps the short ones; without "
    "--reject the stage ends with 65, as it does for such a row of a query.\n\n"
    "JSON: {\"id\":5,\"name\":\"x\"}. Integers, BIT and floating numbers are numbers, with all "
    "their digits: BIGINT UNSIGNED goes up to 18446744073709551615. DECIMAL is a string, so that "
    "no reader rounds it. Dates and times are strings as the server writes them, zero dates too; "
    "TIMESTAMP is in UTC. Text, ENUM, SET, JSON, UUID and INET6 are strings in UTF-8; BINARY, BLOB "
    "and GEOMETRY (SRID and WKB) are strings in base64 with padding. NULL is null.\n\n"
    "Text: the same values without quotes. A backslash, a newline, a carriage return, a tab and a "
    "byte 0 in a value are written \\\\, \\n, \\r, \\t and \\0, the separator gets a \\ before it, "
    "and NULL is written \\N.\n\n"
    "Avro: a record with the table's name (row for a --query), in the namespace of the database. "
    "Its schema is in the header flume.avro.schema.literal, so that fl-sink hdfs --serializer "
    "avro_schema writes containers for any Avro reader. TINYINT to INT and YEAR are int; INT "
    "UNSIGNED, BIGINT and BIT are long; BIGINT UNSIGNED and BIT(64) are decimal(20,0); "
    "DECIMAL(p,s) is decimal(p,s); FLOAT is float, DOUBLE is double; DATE is date, DATETIME "
    "local-timestamp-micros, TIMESTAMP timestamp-micros; TIME, text, ENUM, SET, JSON, UUID and "
    "INET6 are string; BINARY, BLOB and GEOMETRY are bytes. A column that may be NULL is a union "
    "with null. In names, what Avro does not allow becomes _, and the field has the column's name "
    "as columnName; two columns with the same name end the stage with 78. A row with a date that "
    "is not in the calendar, such as 0000-00-00, goes to --reject as JSON; without --reject the "
    "stage ends with 65.\n\n"
    "A header holds 4 KiB, which is the schema of about 50 columns. That of a wider table ends the "
    "stage with 78 before the first row. With --schema-dir DIR any schema goes into a file there, "
    "one for each version of the table, which is never removed, and events have its URL in the "
    "header flume.avro.schema.url; give the sink, on the same host, the same --schema-dir.\n\n"
    "FLOAT columns of a --query without --since and --split have the six digits that the server "
    "shows; write CAST(column AS DOUBLE) for all of them.\n\n"
    "With --since COLUMN an import takes only what is new. COLUMN must grow: a number that is "
    "counted up, or the time of the last change; values come from integers, decimals, dates, times "
    "or texts. It should be the first column of an index. Rows with the same value are told apart "
    "by the primary key or --key, in which NULL ends the stage with 78, so none is lost and none "
    "comes twice at the boundary; a row that is changed comes again if COLUMN grows with the "
    "change. Rows in which COLUMN is NULL are not read. A row is missed if its transaction commits "
    "after a later value was read already: let COLUMN be set at the end of short transactions, or "
    "read rows only when they have settled, with --query 'SELECT * FROM t WHERE changed < NOW() - "
    "INTERVAL 1 MINUTE' --since changed --key id. A row that is deleted leaves no trace. With "
    "--poll each look takes the table as it is then: a column that was added is in the rows from "
    "then on, also in their schema.\n\n"
    "If the server cannot be reached, that is reported once and tried again; --give-up-after "
    "bounds it. A lost connection is opened again and reading continues after the last row that "
    "was read, in a new snapshot, with --since or --split; without them the stage ends with 75, "
    "unless no row had come yet. A password that is refused, or a missing permission, ends it with "
    "77, an unknown table, column or database with 78.\n\n"
    "The password comes from a file, the environment or an option file, never from the command "
    "line. Without --tls it is never sent in the clear, whatever the server asks for.";

constexpr const char* kDelivery =
    "Without --since and --split nothing is remembered: every run reads everything, and an "
    "interrupted one begins anew. A signal before the last row ends it with 75.\n\n"
    "With them the position file holds the last row that was acknowledged, and is replaced and "
    "synced at most twice a second and at the end. After a kill, rows that were acknowledged since "
    "come again, unless the next stage keeps positions, as fl-channel file does: then each row "
    "comes once. Two runs never use one file at a time: the second ends with 75. When --split has "
    "delivered everything it removes the file. To read everything again, remove it yourself.\n\n"
    "On a signal nothing more is passed on. With --since or --split the status is 0 when all that "
    "was passed on is acknowledged and the position saved: the next run continues there.";

}  // namespace

ComponentType sql_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "sql";
  type.sought_as = {"mysql", "mariadb", "sqoop", "database", "jdbc"};
  type.summary = "rows of a table in MariaDB or MySQL";
  type.description = kDescription;
  type.delivery = kDelivery;
  type.examples = {
      {"fl-source sql mysql://db1.example.invalid/shop/orders --dry-run || test $? = 69",
       "Checks options, server, login and table."},
      {"fl-source sql mysql://etl@127.0.0.1:1/shop/orders --since id "
       "--give-up-after 1s | fl-sink hdfs --stream \"file://$PWD/orders\" || test $? = 69",
       "For cron: the orders that are new since the last run, and 69 if the server stays "
       "unavailable."},
      {"fl-source sql mysql://etl@127.0.0.1:1/shop/orders --format avro --give-up-after 1s | "
       "fl-sink hdfs --stream \"file://$PWD/orders\" --serializer avro_schema --file-suffix .avro "
       "|| test $? = 69",
       "Writes Avro containers of orders."},
  };
  type.options = options();
  type.source = factory<Source, SqlSource, SqlSourceOptions>();
  return type;
}

}  // namespace fl
