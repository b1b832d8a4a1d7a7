// Rows as the REST gateway of HBase takes them: protobuf messages CellSet, Row and Cell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

struct HBaseCell {
  std::string column;  ///< "family:qualifier"
  std::string data;
};

/// One row, with the same time for all cells.
struct HBaseRow {
  std::string key;
  std::int64_t timestamp_ms = 0;
  std::vector<HBaseCell> cells;
};

/// Why HBase would refuse the row, and with it every other row of its request; nothing: it takes
/// it. `max_cell`: of a cell with its key, as the gateway's hbase.client.keyvalue.maxsize; 0: no
/// limit.
std::optional<std::string> hbase_complaint(const HBaseRow& row, std::uint64_t max_cell);

/// Appends the row as a field of a CellSet: several in a row are one CellSet.
void append_hbase_row(std::string& out, const HBaseRow& row);
/// The CellSet of `?check=put`: the row is stored if its first column is not there yet.
void append_hbase_absent_check(std::string& out, const HBaseRow& row);
/// The CellSet of a `?check=put` that changes nothing: its condition, a value that nobody has
/// stored, never holds.
void append_hbase_idle_check(std::string& out, std::string_view family);
/// The CellSet of `?check=increment`.
void append_hbase_increment(std::string& out, std::string_view key, std::string_view column,
                            std::uint64_t by);

}  // namespace fl
