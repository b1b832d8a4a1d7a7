#include "tools/fl-sink/hbase/cell_set.h"

#include <limits>

#include "common/base/random.h"

namespace fl {
namespace {

constexpr std::size_t kMaxKey = 32'767;
constexpr std::size_t kMaxFamily = 127;
// Of a KeyValue, around row, family, qualifier and data.
constexpr std::size_t kCellOverhead = 20;

// Field numbers with their wire types.
constexpr char kSetRow = 0x0A;
constexpr char kRowKey = 0x0A;
constexpr char kRowCell = 0x12;
constexpr char kCellColumn = 0x12;
constexpr char kCellTime = 0x18;
constexpr char kCellData = 0x22;

std::size_t number_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) {
    ++size;
  }
  return size;
}

void append_number(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    out += static_cast<char>(value | 0x80);
  }
  out += static_cast<char>(value);
}

std::size_t field_size(std::size_t bytes) { return 1 + number_size(bytes) + bytes; }

void append_field(std::string& out, char tag, std::string_view bytes) {
  out += tag;
  append_number(out, bytes.size());
  out += bytes;
}

struct CellView {
  std::string_view column;
  std::string_view data;
  std::optional<std::int64_t> timestamp_ms;

  std::size_t size() const {
    const auto ms = static_cast<std::uint64_t>(timestamp_ms.value_or(0));
    return field_size(column.size()) + (timestamp_ms ? 1 + number_size(ms) : 0) +
           field_size(data.size());
  }
};

void append_row(std::string& out, std::string_view key, const std::vector<CellView>& cells) {
  std::size_t size = field_size(key.size());
  for (const CellView& cell : cells) {
    size += field_size(cell.size());
  }
  out += kSetRow;
  append_number(out, size);
  append_field(out, kRowKey, key);
  for (const CellView& cell : cells) {
    out += kRowCell;
    append_number(out, cell.size());
    append_field(out, kCellColumn, cell.column);
    if (cell.timestamp_ms) {
      out += kCellTime;
      append_number(out, static_cast<std::uint64_t>(*cell.timestamp_ms));
    }
    append_field(out, kCellData, cell.data);
  }
}

std::vector<CellView> views_of(const HBaseRow& row) {
  std::vector<CellView> cells;
  cells.reserve(row.cells.size() + 1);
  for (const HBaseCell& cell : row.cells) {
    cells.push_back({cell.column, cell.data, row.timestamp_ms});
  }
  return cells;
}

}  // namespace

std::optional<std::string> hbase_complaint(const HBaseRow& row, std::uint64_t max_cell) {
  if (row.key.empty()) {
    return "its row key is empty";
  }
  if (row.key.size() > kMaxKey) {
    return "its row key has " + std::to_string(row.key.size()) + " bytes, and HBase takes " +
           std::to_string(kMaxKey);
  }
  if (row.timestamp_ms < 0) {
    return "its time " + std::to_string(row.timestamp_ms) + " is before 1970";
  }
  if (row.timestamp_ms == std::numeric_limits<std::int64_t>::max()) {
    return "its time means 'now' to HBase";
  }
  if (row.cells.empty()) {
    return "it has no cells";
  }
  for (const HBaseCell& cell : row.cells) {
    const std::size_t colon = cell.column.find(':');
    if (colon == std::string::npos || colon == 0 || colon > kMaxFamily) {
      return "its column '" + cell.column.substr(0, kMaxFamily) + "' has no family";
    }
    const std::uint64_t size =
        kCellOverhead + row.key.size() + cell.column.size() - 1 + cell.data.size();
    if (max_cell != 0 && size > max_cell) {
      return "its column '" + cell.column.substr(0, kMaxFamily) + "' makes a cell of " +
             std::to_string(size) + " bytes, and --max-cell is " + std::to_string(max_cell);
    }
  }
  return std::nullopt;
}

void append_hbase_row(std::string& out, const HBaseRow& row) {
  append_row(out, row.key, views_of(row));
}

void append_hbase_absent_check(std::string& out, const HBaseRow& row) {
  std::vector<CellView> cells = views_of(row);
  cells.push_back({row.cells.front().column, {}, std::nullopt});
  append_row(out, row.key, cells);
}

void append_hbase_idle_check(std::string& out, std::string_view family) {
  const std::string key = "fl-" + random_hex(16);
  const std::string value = random_hex(16);
  const std::string column = std::string(family) + ':' + key;
  append_row(out, key, {{column, value, std::nullopt}, {column, value, std::nullopt}});
}

void append_hbase_increment(std::string& out, std::string_view key, std::string_view column,
                            std::uint64_t by) {
  const std::string text = std::to_string(by);
  append_row(out, key, {{column, text, std::nullopt}});
}

}  // namespace fl
