// Rows for LazySimpleSerDe: delimited bodies become lines of a table's own form.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "tools/fl-sink/hdfs/row_form.h"

namespace fl {

struct DelimitedTable {
  std::string delimiter;  ///< between the fields of a body
  /// The column of each field of a body, from 0; -1: the field is skipped.
  std::vector<int> fields;
  /// Whether a column is a text or number (else a list, map or struct, which is taken as it is).
  std::vector<bool> is_plain;
  char separator = '\1';
  std::optional<char> escape;
  std::string null = "\\N";
};

/// A field that is missing becomes NULL, further ones are skipped, and so is the end of a line (LF,
/// CR LF) at the end of the body.
class DelimitedRows final : public RowForm {
 public:
  explicit DelimitedRows(DelimitedTable table);

  /// Class input: a text that the table's form cannot hold.
  Status form(const Event& event) override;
  std::string_view row() const override { return row_; }

 private:
  Status append(std::size_t column, std::string_view text);

  const DelimitedTable table_;
  std::string special_;  // what a text cannot hold as it is
  std::vector<std::string_view> cells_;
  std::vector<bool> is_there_;
  std::string row_;
};

/// The text of serializer.delimiter: bare, or in quotes as Flume's users write it ("\t"); \t, \0NN,
/// \uNNNN and \\ stand for characters. Class config: it stands for nothing.
Result<std::string> parse_delimiter(std::string_view text);

}  // namespace fl
