#include "common/stage/stage_options.h"

#include "common/base/text.h"

namespace fl {

Result<CodecChoice> codec_choice(const StageOptions& options) {
  const bool short_name = options.codec == "zstd";
  CodecChoice choice;
  choice.codec =
      find_block_codec(short_name ? "zstandard" : options.codec).value_or(BlockCodec::null);
  if (!options.codec_level.empty()) {
    const Result<std::uint64_t> level = parse_count(options.codec_level, 99);
    if (!level) {
      return Error{ErrorClass::usage, "--codec-level: " + level.error().message};
    }
    choice.level = static_cast<int>(*level);
  }
  if (Status status = check_level(choice); !status) {
    return Error{ErrorClass::usage, "--codec-level: " + status.error().message};
  }
  return choice;
}

OptionSet stage_options() {
  OptionTable<StageOptions> table;
  using Options = StageOptions;
  const auto line = &Options::line;

  table.add("text", &Options::text, "", "The input is text, one event a line; do not look.")
      .cli_only();
  table
      .add("stream", &Options::stream, "",
           "The input is a stream (fl-stream(5)); do not look. Empty input is then an error (65). "
           "Scripts, cron lines and units give it to every stage behind an fl stage.")
      .cli_only();
  table
      .add("needEnd", &Options::need_end, "",
           "A stream whose writer does not say that it is complete, as a saved one or one from "
           "ssh, is an error (65).")
      .cli_only();
  table
      .add("in", &Options::in, "PATH",
           "Read from a file, named pipe or /dev/fd/N instead of stdin.")
      .cli_only();
  table
      .add("out", &Options::out, "PATH",
           "Write to a file, named pipe or /dev/fd/N instead of stdout. A channel with several "
           "outputs "
           "takes it several times.")
      .cli_only();
  std::vector<std::string> codecs = block_codec_names();
  codecs.emplace_back("zstd");
  table
      .add(
          "codec", &Options::codec, join(codecs, "|"),
          "Compress the stream that is written, block by block, for one that leaves the host or is "
          "saved. Every reader of fl takes every codec. zstd is zstandard.")
      .choices(codecs)
      .cli_only();
  table
      .add("codecLevel", &Options::codec_level, "N",
           "The effort of the codec: deflate 0-9, bzip2 1-9, xz 0-9, zstandard 1-22.")
      .cli_only();
  table
      .add("ack", &Options::ack, "on|off",
           "off: an event that was handed to the reader counts as delivered; for readers that are "
           "not of fl.")
      .choices({"on", "off"})
      .cli_only();
  table
      .add("ackWait", &Options::ack_wait, "TIME",
           "How long a reader that has taken the stream's header may take to connect before it "
           "counts as one that does not acknowledge.")
      .cli_only();
  table
      .add("window", &Options::window, "SIZE",
           "How much a source that can read again may send ahead of the acknowledgements.")
      .cli_only();
  table
      .add("grace", &Options::grace, "TIME",
           "After TERM or INT, how long to go on until what was read is safe. Also how long a peer "
           "that is unavailable is tried again.")
      .cli_only();
  table.add("maxEvent", &Options::max_event, "SIZE", "The largest body of an event.").cli_only();
  table
      .add("delimiter", line, &TextOptions::delimiter, "BYTE",
           "What ends an event of text: one byte, or \\n, \\t, \\r, \\0, \\xNN.")
      .cli_only();
  table
      .add("nullData", line, &TextOptions::null_data, "",
           "The same as --delimiter '\\0', for the output of find -print0.")
      .cli_only();
  table.add("maxLine", line, &TextOptions::max_line, "SIZE", "The longest event of text.")
      .cli_only();
  table
      .add("longLine", line, &TextOptions::long_line, "split|truncate|reject",
           "What becomes of a longer one. It is counted and said once.")
      .choices({"split", "truncate", "reject"})
      .cli_only();
  table
      .add("crlf", line, &TextOptions::crlf, "keep|strip",
           "Whether a carriage return before the newline stays in the event.")
      .choices({"keep", "strip"})
      .cli_only();
  table
      .add("reject", &Options::reject, "FILE",
           "Keep events that the destination will never take, or that an interceptor cannot treat, "
           "in "
           "FILE, with the reason as a header, and go on; FILE is a stream that can be fed in "
           "again. "
           "Without it such an event ends the stage (65).")
      .cli_only();
  table
      .add("explain", &Options::explain, "",
           "Print what an acknowledgement means in this pipeline, from here to its last stage.")
      .cli_only();
  table
      .add("dryRun", &Options::dry_run, "",
           "Resolve, authenticate and show the names; write nothing.")
      .cli_only();
  table
      .add("progress", &Options::progress, "",
           "Show a live status line also where stderr is no terminal.")
      .cli_only();
  table.add("noProgress", &Options::no_progress, "", "Show no live status line.").cli_only();
  table
      .add("metrics", &Options::metrics, "FILE|HOST:PORT",
           "Show figures in Prometheus' text format: in FILE, which is replaced every few seconds "
           "and at the end (for node_exporter's textfile collector), or over HTTP at /metrics. "
           ":PORT listens on the loopback address, port 0 lets the system choose and says it.")
      .cli_only();
  table
      .add("metricsInterval", &Options::metrics_every, "TIME",
           "How often the FILE of --metrics is replaced.")
      .cli_only();
  table.add("logFormat", &Options::log_format, "text|json", "The form of the lines on stderr.")
      .choices({"text", "json"})
      .cli_only();
  table.add("logLevel", &Options::log_level, "LEVEL", "The least important line that is shown.")
      .choices({"error", "warning", "info", "debug"})
      .cli_only();
  return std::move(table).erased();
}

}  // namespace fl
