#include "tools/fl-source/sql/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "common/base/log.h"
#include "common/base/text.h"
#include "tools/fl-source/sql/fingerprint.h"

namespace fl {
namespace {

// A query may end with ";", which cannot be inside another one.
std::string trimmed(std::string query) {
  const std::size_t end = query.find_last_not_of(" \t\r\n;");
  query.resize(end == std::string::npos ? 0 : end + 1);
  return query;
}

// Of any key: 4096 characters, each with the longest weight of a collation. The server sorts by so
// many bytes, and a position compares whole values; the default of 1024 would lose rows.
constexpr const char* kSortWholeKeys = "SET SESSION max_sort_length = 262144";

std::string text_literal(const std::string& text) { return *sql_literal(SqlKeyKind::text, text); }

}  // namespace

std::vector<std::string> SqlPlan::key_names() const {
  std::vector<std::string> names;
  for (const SqlKeyColumn& column : key_) {
    names.push_back(column.name);
  }
  return names;
}

Status SqlPlan::check_position_of(const std::vector<std::string>& key) const {
  const std::vector<std::string> names = key_names();
  if (key.empty() || key == names) {
    return {};
  }
  return Error{
      ErrorClass::config,
      fmt::format("the key of {} is {} now, and the position is one of {}", printable(title_),
                  printable(join(names, ", ")), printable(join(key, ", "))),
      "remove the position file to read everything again"};
}

std::string SqlPlan::title_of(const SqlSourceOptions& options, const SqlAddress& address) {
  return options.query.empty() ? address.database + "." + address.table
                               : fmt::format("{}, query {:016x}", address.database,
                                             fingerprint(trimmed(options.query)));
}

Result<SqlPlan> SqlPlan::make(SqlConnection& connection, const SqlSourceOptions& options,
                              const SqlAddress& address, std::uint64_t max_event, bool warns) {
  SqlPlan plan;
  const bool is_keyed = !options.since.empty() || options.split != 0;
  plan.title_ = title_of(options, address);
  plan.row_name_ = options.query.empty() ? address.table : "row";
  std::string probe;
  if (options.query.empty()) {
    plan.from_ = sql_name(address.database) + "." + sql_name(address.table);
    probe = "SELECT * FROM " + plan.from_;
    // From here to the end of the snapshot nobody can change the table.
    if (Status status = connection.run("SELECT 1 FROM " + plan.from_ + " LIMIT 0"); !status) {
      return status.error();
    }
  } else {
    const std::string query = trimmed(options.query);
    // A comment at the end of the query ends with the line.
    plan.from_ = "(" + query + "\n) AS fl_query";
    plan.plain_query_ = is_keyed ? "" : query;
    probe = query;
  }
  Result<std::vector<SqlField>> fields = connection.describe(probe);
  if (!fields) {
    return fields.error();
  }
  if (fields->empty()) {
    return Error{ErrorClass::config, "the query gives no rows: it was not executed",
                 "--query takes a SELECT"};
  }
  if (is_keyed) {
    if (Status status = plan.find_key(connection, options, address, *fields, warns); !status) {
      return status.error();
    }
  }
  plan.make_list(*fields, max_event);
  return plan;
}

// Floats as doubles, which show all their digits. Where rows can be too large, the server says so
// and leaves out what is long.
void SqlPlan::make_list(const std::vector<SqlField>& fields, std::uint64_t max_event) {
  std::uint64_t longest = 0;
  std::string size;       // as stored
  std::string sent_size;  // as sent, in UTF-8
  for (const SqlField& field : fields) {
    columns_.push_back(field);
    if (longest <= UINT64_MAX - field.longest) {
      longest += field.longest;
    }
    if (field.kind == SqlKind::text || field.kind == SqlKind::bytes) {
      const std::string name = sql_name(field.name);
      const std::string stored = "OCTET_LENGTH(" + name + ")";
      const std::string sent = field.kind == SqlKind::bytes
                                   ? stored
                                   : "OCTET_LENGTH(CONVERT(" + name + " USING utf8mb4)), " + stored;
      size += (size.empty() ? "" : " + ") + ("COALESCE(" + stored + ", 0)");
      sent_size += (sent_size.empty() ? "" : " + ") + ("COALESCE(" + sent + ", 0)");
    }
  }
  if (!plain_query_.empty()) {
    for (SqlColumn& column : columns_) {
      if (column.kind == SqlKind::single) {
        column.kind = SqlKind::number;  // the digits that the server shows
      }
    }
    return;
  }
  marks_large_ = longest > max_event && !size.empty();
  // No character grows by more than four times: what is short needs no conversion.
  const std::string is_large =
      fmt::format("(({}) * 4 > {} AND {} > {})", size, max_event, sent_size, max_event);
  for (const SqlField& field : fields) {
    const std::string name = sql_name(field.name);
    list_ += list_.empty() ? "" : ", ";
    const bool is_long =
        (field.kind == SqlKind::text || field.kind == SqlKind::bytes) && field.longest > 4096;
    if (field.kind == SqlKind::single) {
      list_ += "CAST(" + name + " AS DOUBLE)";
    } else if (marks_large_ && is_long) {
      list_ += "IF(" + is_large + ", NULL, " + name + ")";
    } else {
      list_ += name;
    }
  }
  if (marks_large_) {
    list_ += ", " + is_large;
  }
}

// The primary key, or the first unique one that tells every row from every other.
Result<std::vector<std::string>> SqlPlan::unique_columns(SqlConnection& connection,
                                                         const SqlSourceOptions& options,
                                                         const SqlAddress& address,
                                                         bool warns) const {
  std::vector<std::string> columns;
  if (!options.query.empty()) {
    return columns;
  }
  const auto rows = connection.table(
      "SELECT INDEX_NAME, COLUMN_NAME, NON_UNIQUE, NULLABLE, SUB_PART, SEQ_IN_INDEX "
      "FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = " +
      text_literal(address.database) + " AND TABLE_NAME = " + text_literal(address.table) +
      " ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX");
  if (!rows) {
    return rows.error();
  }
  std::string index;
  bool is_good = false;
  bool is_since_first = options.since.empty();
  for (const std::vector<std::string>& row : *rows) {
    is_since_first = is_since_first || (row[5] == "1" && row[1] == options.since);
  }
  if (!is_since_first && warns) {
    log(LogLevel::warning, fmt::format("no index of {} begins with '{}': each run reads and sorts "
                                       "the whole table",
                                       printable(title_), printable(options.since)));
  }
  for (const std::vector<std::string>& row : *rows) {
    if (row[0] != index) {
      if (is_good) {
        return columns;
      }
      index = row[0];
      columns.clear();
      is_good = true;
    }
    is_good = is_good && row[2] == "0" && row[3] != "YES" && row[4].empty();
    columns.push_back(row[1]);
  }
  if (!is_good) {
    columns.clear();
  }
  return columns;
}

Status SqlPlan::find_key(SqlConnection& connection, const SqlSourceOptions& options,
                         const SqlAddress& address, const std::vector<SqlField>& fields,
                         bool warns) {
  std::vector<std::string> unique = options.key;
  if (unique.empty()) {
    Result<std::vector<std::string>> found = unique_columns(connection, options, address, warns);
    if (!found) {
      return found.error();
    }
    unique = std::move(*found);
  }
  if (unique.empty()) {
    return Error{ErrorClass::config,
                 fmt::format("{} has no primary key that tells its rows apart", printable(title_)),
                 "--key names the columns that do; they must not be NULL"};
  }
  std::vector<std::string> names;
  if (!options.since.empty()) {
    names.push_back(options.since);
  }
  for (const std::string& name : unique) {
    const auto same = [&name](const std::string& other) { return other == name; };
    if (std::none_of(names.begin(), names.end(), same)) {
      names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    const auto same = [&name](const SqlField& field) { return field.name == name; };
    const auto found = std::find_if(fields.begin(), fields.end(), same);
    if (found == fields.end()) {
      return Error{ErrorClass::config,
                   fmt::format("{} has no column '{}'", printable(title_), printable(name)),
                   "upper and lower case matter here"};
    }
    if (!found->is_orderable || found->longest > 4096 * 4) {
      return Error{ErrorClass::config,
                   fmt::format("the rows of {} cannot be ordered by '{}'", printable(title_),
                               printable(name)),
                   "this works with integers, decimals, dates, times and short texts, not with "
                   "floating numbers, years, bits, ENUM, SET and JSON; --key names other columns"};
    }
    if (options.split != 0 && found->is_long_type && found->kind == SqlKind::text) {
      // MariaDB 10.11 does not order them with a LIMIT.
      return Error{
          ErrorClass::config,
          fmt::format("--split does not work with '{}' of {}: servers order the parts of a "
                      "table wrongly by a TINYTEXT",
                      printable(name), printable(title_)),
          "--key names other columns, or --query gives a CAST(COLUMN AS CHAR(255))"};
    }
    SqlKeyColumn column;
    column.name = name;
    column.index = static_cast<std::size_t>(found - fields.begin());
    column.is_nullable = found->is_nullable && name == options.since;
    if (found->is_nullable && name != options.since) {
      maybe_null_.push_back(name);
    }
    column.kind = found->is_time                  ? SqlKeyKind::time
                  : found->kind == SqlKind::text  ? SqlKeyKind::text
                  : found->kind == SqlKind::bytes ? SqlKeyKind::bytes
                                                  : SqlKeyKind::number;
    key_.push_back(std::move(column));
  }
  const bool has_text = std::any_of(key_.begin(), key_.end(), [](const SqlKeyColumn& column) {
    return column.kind == SqlKeyKind::text || column.kind == SqlKeyKind::bytes;
  });
  return has_text ? connection.run(kSortWholeKeys) : Status();
}

Error SqlPlan::has_null() const {
  return {ErrorClass::config,
          fmt::format("a row of {} has NULL in its key ({}), so that it has no place in the order",
                      printable(title_),
                      printable(join(maybe_null_.empty() ? key_names() : maybe_null_, ", "))),
          "name other columns with --key, or leave such rows out: --query 'SELECT ... WHERE COLUMN "
          "IS NOT NULL'"};
}

Status SqlPlan::check_key(SqlConnection& connection, const std::vector<std::string>& values) const {
  if (maybe_null_.empty()) {
    return {};
  }
  std::string text = "SELECT 1 FROM " + from_ + " WHERE (";
  for (std::size_t i = 0; i < maybe_null_.size(); ++i) {
    text += (i == 0 ? "" : " OR ") + sql_name(maybe_null_[i]) + " IS NULL";
  }
  text += ")";
  // Rows before the place are not read, nor those without a value in the column of --since.
  const SqlKeyColumn& first = key_.front();
  if (first.name != maybe_null_.front()) {
    if (!values.empty()) {
      const Result<std::string> literal = sql_literal(first.kind, values.front());
      if (!literal) {
        return literal.error();
      }
      text += " AND " + sql_name(first.name) + " >= " + *literal;
    } else if (first.is_nullable) {
      text += " AND " + sql_name(first.name) + " IS NOT NULL";
    }
  }
  const auto rows = connection.table(text + " LIMIT 1");
  if (!rows) {
    return rows.error();
  }
  return rows->empty() ? Status() : Status(has_null());
}

Result<std::string> SqlPlan::select(const std::vector<std::string>& values,
                                    std::uint64_t limit) const {
  if (!plain_query_.empty()) {
    return plain_query_;
  }
  std::string text = "SELECT " + list_ + " FROM " + from_;
  const Result<std::string> after = sql_after(key_, values);
  if (!after) {
    return after.error();
  }
  if (!after->empty()) {
    text += " WHERE " + *after;
  }
  if (!key_.empty()) {
    text += " ORDER BY " + sql_order(key_);
  }
  if (limit != 0) {
    text += fmt::format(" LIMIT {}", limit);
  }
  return text;
}

Result<std::string> SqlPlan::count(const std::vector<std::string>& values) const {
  const Result<std::string> after = sql_after(key_, values);
  if (!after) {
    return after.error();
  }
  return "SELECT COUNT(*) FROM " + from_ + (after->empty() ? "" : " WHERE " + *after);
}

}  // namespace fl
