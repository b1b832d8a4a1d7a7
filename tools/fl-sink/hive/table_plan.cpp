#include "tools/fl-sink/hive/table_plan.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <utility>

#include "common/base/text.h"
#include "common/option/suggest.h"
#include "tools/fl-sink/hive/options.h"

namespace fl {
namespace {

constexpr std::string_view kText = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
constexpr std::string_view kAvro = "org.apache.hadoop.hive.serde2.avro.AvroSerDe";
constexpr std::string_view kJson[] = {"org.apache.hadoop.hive.serde2.JsonSerDe",
                                      "org.apache.hive.hcatalog.data.JsonSerDe",
                                      "org.openx.data.jsonserde.JsonSerDe"};
constexpr std::string_view kTextInput = "org.apache.hadoop.mapred.TextInputFormat";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string value_of(const MetastoreParameters& parameters, const std::string& key) {
  const auto found = parameters.find(key);
  return found == parameters.end() ? std::string() : found->second;
}

// Without regard to case, as Hive reads the properties of tables.
std::string property(const MetastoreTable& table, std::string_view key) {
  for (const auto& [name, value] : table.parameters) {
    if (lower(name) == key) {
      return lower(value);
    }
  }
  return {};
}

Error bad(std::string what, std::string hint) {
  return Error{ErrorClass::config, std::move(what), std::move(hint)};
}

Status check_kind(const MetastoreTable& table) {
  const std::string name = "the table " + table.shown();
  if (property(table, "transactional") == "true") {
    return bad(name + " is transactional: only Hive itself writes and merges its files",
               "create it with CREATE EXTERNAL TABLE, or with TBLPROPERTIES "
               "('transactional'='false')");
  }
  if (table.type.find("VIEW") != std::string::npos) {
    return bad(name + " is a view", "name the table that it shows");
  }
  const std::string handler = value_of(table.parameters, "storage_handler");
  if (!handler.empty() || property(table, "table_type") == "iceberg") {
    return bad(name + " is stored by " + (handler.empty() ? "Iceberg" : handler) +
                   ", not in files of its own",
               "a table of text, JSON or Avro files is needed");
  }
  if (table.storage.buckets > 0 && !table.storage.bucket_columns.empty()) {
    return bad(name + " is bucketed: its files would not be where readers look for rows",
               "create it without CLUSTERED BY");
  }
  const std::string skipped = value_of(table.parameters, "skip.header.line.count");
  if (!skipped.empty() && skipped != "0") {
    return bad(name + " skips the first lines of each file (skip.header.line.count)",
               "ALTER TABLE " + table.shown() + " UNSET TBLPROPERTIES ('skip.header.line.count')");
  }
  return {};
}

// The serializer that the table's form asks for; empty: none of ours.
std::string form_of(const MetastoreTable& table) {
  const std::string provider = property(table, "spark.sql.sources.provider");
  if (!provider.empty() && provider != "hive") {
    return provider == "json" || provider == "avro" ? provider : std::string();
  }
  const MetastoreStorage& storage = table.storage;
  if (storage.serde == kAvro) {
    return "avro";
  }
  if (storage.input_format != kTextInput) {
    return {};
  }
  if (storage.serde == kText) {
    return "delimited";
  }
  return std::find(std::begin(kJson), std::end(kJson), storage.serde) != std::end(kJson) ? "json"
                                                                                         : "";
}

bool has_event_columns(const MetastoreTable& table) {
  const auto& columns = table.storage.columns;
  return columns.size() == 2 && lower(columns[0].name) == "headers" &&
         lower(columns[0].type) == "map<string,string>" && lower(columns[1].name) == "body" &&
         lower(columns[1].type) == "binary";
}

Result<std::string> choose_serializer(const MetastoreTable& table, const HiveOptions& options) {
  const std::string form = form_of(table);
  if (form.empty()) {
    const std::string provider = property(table, "spark.sql.sources.provider");
    return bad(
        "the table " + table.shown() + " has an unsupported format (" +
            (provider.empty() || provider == "hive" ? table.storage.serde : "USING " + provider) +
            ")",
        "supported: ROW FORMAT DELIMITED STORED AS TEXTFILE, ROW FORMAT SERDE "
        "'org.apache.hadoop.hive.serde2.JsonSerDe' STORED AS TEXTFILE, and STORED AS AVRO");
  }
  std::string chosen = options.serializer;
  if (chosen == "auto") {
    chosen = form != "avro" ? form : has_event_columns(table) ? "avro_event" : "avro_schema";
  }
  if ((chosen.starts_with("avro") ? "avro" : chosen) != form) {
    return bad("--serializer " + options.serializer + " does not fit the table " + table.shown() +
                   ", whose files are " + (form == "delimited" ? "delimited text" : form),
               "leave out --serializer: it follows the table");
  }
  if (chosen == "avro_event" && !has_event_columns(table)) {
    return bad("the columns of the table " + table.shown() +
                   " are not those of --serializer "
                   "avro_event",
               "headers map<string,string>, body binary; or take --serializer avro_schema");
  }
  return chosen;
}

// As Hive reads such a property: a number, or the first character.
char separator_of(const std::string& value, char otherwise) {
  int number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (!value.empty() && error == std::errc() && end == value.data() + value.size() &&
      number >= -128 && number <= 127) {
    return static_cast<char>(number);
  }
  return value.empty() ? otherwise : value[0];
}

std::string shown(char c) {
  if (c > ' ' && c < 0x7F) {
    return std::string("'") + c + "'";
  }
  constexpr char kDigits[] = "01234567";
  const auto byte = static_cast<unsigned char>(c);
  return std::string("'\\") + kDigits[byte >> 6] + kDigits[(byte >> 3) & 7] + kDigits[byte & 7] +
         "'";
}

Result<std::vector<int>> map_fields(const MetastoreTable& table, const std::string& names) {
  const auto& columns = table.storage.columns;
  std::vector<int> fields;
  if (names.empty()) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      fields.push_back(static_cast<int>(i));
    }
    return fields;
  }
  std::vector<std::string> known;
  for (const MetastoreColumn& column : columns) {
    known.push_back(lower(column.name));
  }
  for (std::size_t at = 0; at <= names.size();) {
    const std::size_t comma = std::min(names.find(',', at), names.size());
    const std::string name = lower(std::string_view(names).substr(at, comma - at));
    at = comma + 1;
    if (name.empty()) {
      fields.push_back(-1);
      continue;
    }
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      return bad("the table " + table.shown() + " has no column '" + name + "'" +
                     did_you_mean(name, known, ""),
                 "its columns are " + join(known, ", "));
    }
    const int column = static_cast<int>(found - known.begin());
    if (std::find(fields.begin(), fields.end(), column) != fields.end()) {
      return bad("--field-names has the column '" + name + "' twice", {});
    }
    fields.push_back(column);
  }
  return fields;
}

Result<DelimitedTable> plan_rows(const MetastoreTable& table, const HiveOptions& options) {
  const MetastoreParameters& serde = table.storage.serde_parameters;
  DelimitedTable rows;
  Result<std::string> delimiter = parse_delimiter(options.delimiter);
  if (!delimiter) {
    return delimiter.error();
  }
  rows.delimiter = std::move(*delimiter);
  const std::string field = value_of(serde, "field.delim");
  rows.separator =
      separator_of(field.empty() ? value_of(serde, "serialization.format") : field, '\1');
  if (serde.contains("escape.delim")) {
    rows.escape = separator_of(value_of(serde, "escape.delim"), '\\');
  }
  if (serde.contains("serialization.null.format")) {
    rows.null = value_of(serde, "serialization.null.format");
  }
  const std::string line = value_of(serde, "line.delim");
  if (!line.empty() && separator_of(line, '\n') != '\n') {
    return bad("the lines of the table " + table.shown() + " do not end with a newline",
               "create it without LINES TERMINATED BY");
  }
  const std::string charset = lower(value_of(serde, "serialization.encoding"));
  if (!charset.empty() && charset != "utf-8" && charset != "utf8") {
    return bad("the table " + table.shown() + " is in " + charset + ", not in UTF-8",
               "create it without serialization.encoding");
  }
  if (!options.separator.empty()) {
    const Result<std::string> wanted = parse_delimiter(options.separator);
    if (!wanted) {
      return wanted.error();
    }
    if (*wanted != std::string(1, rows.separator)) {
      return bad("the fields of the table " + table.shown() + " are delimited by " +
                     shown(rows.separator) + ", not by " +
                     (wanted->size() == 1 ? shown((*wanted)[0]) : "'" + *wanted + "'"),
                 "leave out --serde-separator: the table says it; or create the table with ROW "
                 "FORMAT DELIMITED FIELDS TERMINATED BY");
    }
  }
  for (const MetastoreColumn& column : table.storage.columns) {
    const std::string type = lower(column.type);
    rows.is_plain.push_back(!type.starts_with("array<") && !type.starts_with("map<") &&
                            !type.starts_with("struct<") && !type.starts_with("uniontype<"));
  }
  Result<std::vector<int>> fields = map_fields(table, options.field_names);
  if (!fields) {
    return fields.error();
  }
  rows.fields = std::move(*fields);
  return rows;
}

std::string columns_text(const MetastoreTable& table) {
  std::string text;
  for (const MetastoreColumn& column : table.partition_columns) {
    text += (text.empty() ? "" : ", ") + column.name + " " + column.type;
  }
  return text;
}

Status plan_partition(TablePlan& plan, std::vector<PartitionPattern> patterns) {
  const auto& columns = plan.table.partition_columns;
  const std::string name = "the table " + plan.table.shown();
  if (columns.empty() && !patterns.empty()) {
    return bad(name + " has no partition columns, but there is --partition",
               "leave it out, or create the table with PARTITIONED BY");
  }
  if (columns.size() != patterns.size()) {
    return bad(name + " has " + count_of(columns.size(), "partition column") + " (" +
                   columns_text(plan.table) + "), but --partition has " +
                   count_of(patterns.size(), "value"),
               patterns.empty() ? "add --partition, for example '%Y-%m-%d'"
                                : "one value for each, with commas between");
  }
  for (const MetastoreColumn& column : columns) {
    const std::string wanted = lower(column.name);
    const std::size_t at = plan.columns.size();
    std::size_t found = at;
    if (!patterns[at].column.empty() || plan.patterns.size() != at) {
      found = static_cast<std::size_t>(
          std::find_if(patterns.begin(), patterns.end(),
                       [&](const PartitionPattern& p) { return p.column == wanted; }) -
          patterns.begin());
      if (found == patterns.size()) {
        return bad("--partition has no value for the partition column '" + wanted + "' of " +
                       plan.table.shown(),
                   "its partition columns are " + columns_text(plan.table));
      }
    }
    Result<PartitionColumn> made = PartitionColumn::make(wanted, lower(column.type));
    if (!made) {
      return made.error();
    }
    plan.columns.push_back(std::move(*made));
    plan.patterns.push_back(patterns[found]);
  }
  return {};
}

}  // namespace

std::string TablePlan::text() const {
  std::string text = "table: " + table.shown() + " at " + location + ", " +
                     (serializer == "delimited" ? "delimited text" : serializer);
  if (delimited) {
    text += " with " + shown(delimited->separator) + " between fields";
    text += delimited->escape ? ", escaped by " + shown(*delimited->escape) : ", without escapes";
  }
  if (!columns.empty()) {
    text += "; partition columns " + columns_text(table);
  }
  return text;
}

Result<TablePlan> plan_table(MetastoreTable table, const HiveOptions& options,
                             std::vector<PartitionPattern> patterns) {
  if (Status kind = check_kind(table); !kind) {
    return kind.error();
  }
  TablePlan plan;
  Result<std::string> serializer = choose_serializer(table, options);
  if (!serializer) {
    return serializer.error();
  }
  plan.serializer = std::move(*serializer);
  if (plan.serializer != "delimited" && !options.field_names.empty()) {
    return bad("--field-names is for delimited text, and the table " + table.shown() + " has none",
               "leave it out");
  }
  if (plan.serializer == "delimited") {
    Result<DelimitedTable> rows = plan_rows(table, options);
    if (!rows) {
      return rows.error();
    }
    plan.delimited = std::move(*rows);
  }
  // Spark keeps the place of its own tables beside a placeholder.
  const std::string path = property(table, "spark.sql.sources.provider").empty()
                               ? std::string()
                               : value_of(table.storage.serde_parameters, "path");
  plan.location = path.empty() ? table.storage.location : path;
  while (plan.location.size() > 1 && plan.location.ends_with('/')) {
    plan.location.pop_back();
  }
  if (plan.location.empty()) {
    return bad("the metastore names no location of the table " + table.shown(), {});
  }
  plan.table = std::move(table);
  if (Status planned = plan_partition(plan, std::move(patterns)); !planned) {
    return planned.error();
  }
  return plan;
}

std::string location_url(std::string location) {
  if (location.starts_with("file:/") && !location.starts_with("file://")) {
    location.insert(5, "//");
  }
  return location;
}

bool is_same_location(std::string a, std::string b) {
  for (std::string* const one : {&a, &b}) {
    *one = location_url(std::move(*one));
    while (one->size() > 1 && one->ends_with('/')) {
      one->pop_back();
    }
  }
  return a == b;
}

}  // namespace fl
