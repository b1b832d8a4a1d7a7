// Rows for Hive's JSON tables: bodies that are objects, one a line.
#pragma once

#include <string>
#include <string_view>

#include "tools/fl-sink/hdfs/row_form.h"

namespace fl {

/// A line that is not an object makes every query of the table fail, so none is written.
class JsonRows final : public RowForm {
 public:
  Status form(const Event& event) override;
  std::string_view row() const override { return row_; }

 private:
  std::string row_;
};

}  // namespace fl
