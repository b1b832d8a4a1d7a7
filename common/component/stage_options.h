// Options that every stage has: one table of their own, before or after TYPE.
#pragma once

#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/compress/block_codec.h"
#include "common/option/option_table.h"

namespace fl {

/// How text becomes events, wherever a stage reads text.
struct TextOptions {
  std::string delimiter = "\\n";    ///< --delimiter: one byte, or \n \t \0 \r \xNN
  bool null_data = false;           ///< --null-data: the same as --delimiter '\0'
  Bytes max_line{1 << 20};          ///< --max-line
  std::string long_line = "split";  ///< --long-line split|truncate|reject
  std::string crlf = "keep";        ///< --crlf keep|strip
};

struct StageOptions {
  bool text = false;                ///< --text
  bool stream = false;              ///< --stream
  bool need_end = false;            ///< --need-end
  bool accept_unconfirmed = false;  ///< --accept-unconfirmed
  std::vector<std::string> in;      ///< --in (repeated)
  std::vector<std::string> out;     ///< --out (repeated where a component has several outputs)
  std::string codec = "null";       ///< --codec, Avro's name or zstd
  std::string codec_level;          ///< --codec-level; empty: the codec's usual one
  std::string ack = "on";           ///< --ack on|off
  Duration ack_wait{3'000};         ///< --ack-wait
  Bytes window{256ull << 20};       ///< --window
  Bytes keep{16ull << 20};          ///< --keep
  bool until_end = false;           ///< --until-end
  Duration grace{10'000};           ///< --grace
  Duration give_up_after{0};        ///< --give-up-after; 0: never
  Bytes max_event{1 << 20};         ///< --max-event
  std::string reject;               ///< --reject
  bool explain = false;             ///< --explain
  bool dry_run = false;             ///< --dry-run
  bool progress = false;            ///< --progress
  bool no_progress = false;         ///< --no-progress
  std::string metrics;              ///< --metrics FILE|HOST:PORT
  Duration metrics_every{5'000};    ///< --metrics-interval
  std::string log_format = "text";  ///< --log-format text|json
  std::string log_level = "info";   ///< --log-level error|warning|info|debug
  bool quiet = false;               ///< --quiet
  std::string properties;           ///< --properties FD; empty: none
  bool check = false;               ///< --check
  bool print_command = false;       ///< --print-command
  TextOptions line;                 ///< the text options above
};

/// The codec that --codec and --codec-level ask for. Errors: class usage.
Result<CodecChoice> codec_choice(const StageOptions& options);

/// The component runs by Flume's properties: what Flume takes, though it has no effect, is no
/// error.
bool runs_by_properties(const struct StageContext& context);

/// The table; the text options are in it.
OptionSet stage_options();

}  // namespace fl
