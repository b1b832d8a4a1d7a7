// Rows from events, by the rules of Flume's serializers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/path_escape.h"
#include "common/regex/regex.h"
#include "tools/fl-sink/hbase/cell_set.h"

namespace fl {

struct HBaseRowOptions {
  std::string column_family;
  std::string serializer = "simple";
  std::string row_key;         ///< a pattern; empty: the serializer's own key
  std::string row_key_header;  ///< the header that holds the key
  std::string row_prefix = "default";
  std::string suffix = "uuid";
  std::string payload_column = "pCol";
  std::string regex = "(.*)";
  bool regex_ignore_case = false;
  std::string column_names = "payload";
  std::int64_t row_key_index = -1;
  bool deposit_headers = false;
  std::string charset = "UTF-8";
};

class HBaseRowMaker {
 public:
  explicit HBaseRowMaker(HBaseRowOptions options) : options_(std::move(options)) {}

  /// Class usage or config.
  Status open();
  /// The event as a row. `now_ms`: its time if it has no header `timestamp`. Class input: it makes
  /// none.
  Status make(const Event& event, std::int64_t now_ms, HBaseRow& row);

 private:
  Status open_row_key();
  Status open_regex();
  Status make_key(const Event& event, std::int64_t now_ms, HBaseRow& row);
  Status match(std::string_view body, HBaseRow& row, std::optional<std::string_view>& key);
  std::string own_key(std::int64_t now_ms);

  const HBaseRowOptions options_;
  std::optional<PathTemplate> key_;
  std::vector<std::string> key_headers_;
  std::optional<PathClock> clock_;
  std::optional<Regex> regex_;
  std::vector<std::string> columns_;
  std::string run_;  // tells the keys of this run from those of others
  std::uint64_t made_ = 0;
};

}  // namespace fl
