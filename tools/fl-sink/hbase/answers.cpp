#include "tools/fl-sink/hbase/answers.h"

#include <algorithm>
#include <vector>

#include "common/base/text.h"
#include "common/json/json.h"

namespace fl {
namespace {

constexpr std::size_t kMaxReason = 200;

// The gateway's texts are a line and then a stack trace, whose lines begin with "at".
std::string reason_of(const std::string& text) {
  std::string out = text.substr(0, text.find("  at "));
  out = out.substr(0, out.find(" \tat "));
  if (out.size() > kMaxReason) {
    std::size_t end = kMaxReason;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) {
      --end;
    }
    out.resize(end);
    out += "...";
  }
  return out;
}

bool mentions(const PostOutcome& outcome, std::string_view word) {
  return outcome.text.find(word) != std::string::npos;
}

Error no_table(const std::string& shown, const std::string& table, const std::string& family) {
  return {ErrorClass::config, shown + " has no table '" + table + "'",
          "create it in hbase shell: create '" + table + "', '" + family + "'"};
}

Error no_family(const std::string& table, const std::string& family,
                const std::vector<std::string>& there) {
  return {ErrorClass::config,
          "table '" + table + "' has no column family '" + family + "'" +
              (there.empty() ? "" : "; it has " + join(there, ", ")),
          "--column-family NAME, or in hbase shell: alter '" + table + "', '" + family + "'"};
}

}  // namespace

HBaseAnswer hbase_answer(long status) {
  switch (status) {
    case 200:
      return HBaseAnswer::stored;
    case 304:
      return HBaseAnswer::exists;
    case 400:
      return HBaseAnswer::refused;
    case 401:
    case 403:
    case 404:
    case 415:
    case 500:
      return HBaseAnswer::ends;
    case 408:
    case 429:
      return HBaseAnswer::again;
    default:
      return status > 500 ? HBaseAnswer::again : HBaseAnswer::blocked;
  }
}

bool hbase_is_disabled(const PostOutcome& outcome) {
  return outcome.status == 503 && mentions(outcome, "TableNotEnabledException");
}

bool hbase_is_no_counter(const PostOutcome& outcome) {
  return outcome.status == 503 && mentions(outcome, "Field is not a long");
}

Error hbase_error(const PostOutcome& outcome, const std::string& shown, const std::string& table,
                  const std::string& family) {
  if (outcome.status == 0) {
    return {ErrorClass::unavailable, shown + ": " + outcome.text, {}};
  }
  if (outcome.status == 404 && mentions(outcome, "NoSuchColumnFamily")) {
    return no_family(table, family, {});
  }
  if (outcome.status == 404 && mentions(outcome, "TableNotFound")) {
    return no_table(shown, table, family);
  }
  if (hbase_is_disabled(outcome)) {
    return {ErrorClass::config, "table '" + table + "' is disabled",
            "in hbase shell: enable '" + table + "'"};
  }
  Error error{ErrorClass::unavailable, shown + " answers " + std::to_string(outcome.status), {}};
  if (const std::string reason = reason_of(outcome.text); !reason.empty()) {
    error.message += ": " + reason;
  }
  switch (outcome.status) {
    case 400:
      error.kind = ErrorClass::input;
      break;
    case 401:
      error.kind = ErrorClass::permission;
      break;
    case 403:
      error.kind = ErrorClass::permission;
      error.hint = "the gateway is read-only (hbase.rest.readonly), or we may not write the table";
      break;
    case 404:
      error.kind = ErrorClass::config;
      error.hint = "is it the REST gateway of HBase, and is the table enabled?";
      break;
    case 415:
      error.kind = ErrorClass::config;
      error.hint = "is it the REST gateway of HBase?";
      break;
    case 503:
      if (mentions(outcome, "NotServingRegion")) {
        error.hint = "is the table enabled? In hbase shell: is_enabled '" + table + "'";
      }
      break;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      error.hint = "redirects are not followed: --rest wants the URL that it leads to";
      break;
    case 500:
      error.kind = ErrorClass::bug;
      error.hint =
          "so the gateway answers while HBase starts, and to a request that it cannot read: that "
          "is a defect of fl, or of a proxy between";
      break;
    default:
      break;
  }
  return error;
}

Status check_hbase_schema(std::string_view json, const std::string& shown, const std::string& table,
                          const std::string& family) {
  const Result<Json> schema = parse_json(json);
  if (!schema && schema.error().kind != ErrorClass::input) {
    return schema.error();
  }
  const Json* const families = schema ? schema->find("ColumnSchema") : nullptr;
  if (families == nullptr) {
    return Error{ErrorClass::config, shown + " does not answer with a schema of HBase",
                 "--rest wants the REST gateway (hbase rest start), usually port 8080"};
  }
  std::vector<std::string> there;
  for (const Json& each : families->items) {
    const Json* const name = each.find("name");
    if (name != nullptr) {
      there.push_back(name->string);
    }
  }
  if (std::find(there.begin(), there.end(), family) == there.end()) {
    return no_family(table, family, there);
  }
  return {};
}

}  // namespace fl
