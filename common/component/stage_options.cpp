#include "common/component/stage_options.h"

#include "common/base/text.h"
#include "common/component/component.h"

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

bool runs_by_properties(const StageContext& context) {
  return context.stage != nullptr && !context.stage->properties.empty();
}

OptionSet stage_options() {
  OptionTable<StageOptions> table;
  using Options = StageOptions;
  const auto line = &Options::line;

  table
      .add("text", &Options::text, "",
           "Treat input as text, one event per line (no detection). Every byte is kept, also a "
           "byte order mark.")
      .cli_only();
  table
      .add("stream", &Options::stream, "",
           "Treat input as a stream (fl-stream(5), no detection); empty input is then an error "
           "(65). Use it in scripts, cron lines and units, on every stage after the first.")
      .cli_only();
  table
      .add("needEnd", &Options::need_end, "",
           "Fail (65) unless the writer confirms the end of the stream; saved streams and streams "
           "from ssh never do.")
      .cli_only();
  table
      .add("acceptUnconfirmed", &Options::accept_unconfirmed, "",
           "Accept a stream whose writer cannot be reached to confirm its end; without this option "
           "the stage ends with 75.")
      .cli_only();
  table
      .add("in", &Options::in, "PATH",
           "Read from a file, named pipe or /dev/fd/N instead of stdin; unix:PATH listens on a "
           "socket, to which writers come and go (fl(7)).")
      .cli_only()
      .path();
  table
      .add("out", &Options::out, "PATH",
           "Write to a file, named pipe or /dev/fd/N instead of stdout; unix:PATH connects to the "
           "reader that listens there, as often as need be (fl(7)). Only channels with several "
           "outputs take more than one.")
      .cli_only()
      .path();
  std::vector<std::string> codecs = block_codec_names();
  codecs.emplace_back("zstd");
  table
      .add("codec", &Options::codec, join(codecs, "|"),
           "Compress the output stream block by block; useful for streams that leave the host or "
           "are saved. Every fl stage reads every codec. zstd is the same as zstandard.")
      .choices(codecs)
      .hint("--codec is for streams between stages; the hdfs sink compresses files by --code-c")
      .cli_only();
  table
      .add("codecLevel", &Options::codec_level, "N",
           "The compression level: deflate 0-9, bzip2 1-9, xz 0-9, zstandard 1-22.")
      .cli_only();
  table
      .add("ack", &Options::ack, "on|off",
           "off: an event counts as delivered once it is written to the reader; for readers that "
           "are not fl stages.")
      .choices({"on", "off"})
      .cli_only();
  table
      .add("ackWait", &Options::ack_wait, "TIME",
           "How long a reader may take to connect after it has read the stream's header. After "
           "that it counts as a reader that does not acknowledge.")
      .cli_only();
  table
      .add("window", &Options::window, "SIZE",
           "How far a source that can read its input again may run ahead of the acknowledgements.")
      .cli_only();
  table
      .add("keep", &Options::keep, "SIZE",
           "With --out unix:PATH: memory for events that no reader has acknowledged. When three "
           "quarters are used, the reader is asked to make them safe; when all is used, reading "
           "stops.")
      .cli_only();
  table
      .add("untilEnd", &Options::until_end, "",
           "With --in unix:PATH: end when the writers have ended their streams and none is "
           "connected, instead of listening until TERM. A writer that was killed is waited for.")
      .cli_only();
  table
      .add("grace", &Options::grace, "TIME",
           "After TERM or INT: how long to keep working until everything that was read is safe. "
           "Also how long an unavailable peer is retried.")
      .cli_only();
  table
      .add("giveUpAfter", &Options::give_up_after, "TIME",
           "End the stage when events wait and nothing moves for TIME: nothing is taken or "
           "acknowledged by the next stage or the destination. The status is that of what is "
           "missing (69, 74, 75 or 77). A stage that only waits for input keeps running. Choose "
           "TIME longer than the destination needs for one file; 0: never.")
      .cli_only();
  table
      .add("maxEvent", &Options::max_event, "SIZE",
           "The largest event body; never less than --max-line.")
      .cli_only();
  table
      .add("delimiter", line, &TextOptions::delimiter, "BYTE",
           "The byte that ends each event in text input: one byte, or \\n, \\t, \\r, \\0, \\xNN.")
      .cli_only();
  table
      .add("nullData", line, &TextOptions::null_data, "",
           "The same as --delimiter '\\0', for the output of find -print0.")
      .cli_only();
  table.add("maxLine", line, &TextOptions::max_line, "SIZE", "The longest event in text input.")
      .cli_only();
  table
      .add("longLine", line, &TextOptions::long_line, "split|truncate|reject",
           "What to do with a longer one. Counted; reported once. A rejected line is kept in the "
           "file of --reject; without that option it is lost and the stage ends with 65.")
      .choices({"split", "truncate", "reject"})
      .cli_only();
  table
      .add("crlf", line, &TextOptions::crlf, "keep|strip",
           "Keep or strip a carriage return before the newline.")
      .choices({"keep", "strip"})
      .cli_only();
  table
      .add(
          "reject", &Options::reject, "FILE",
          "Keep events that the destination will never accept, or that an interceptor cannot "
          "process, and the lines of --long-line reject, in FILE, with the reason as a header, and "
          "continue. FILE is a stream that can be fed in again. Of a line that is larger than an "
          "event may be, the beginning is kept, and its length in the reason. Without this option "
          "such an event ends the stage (65).")
      .cli_only()
      .path();
  table
      .add("explain", &Options::explain, "",
           "Print what an acknowledgement means in this pipeline, from here to its last stage.")
      .cli_only();
  table
      .add("dryRun", &Options::dry_run, "",
           "Check the options, resolve, authenticate and show the names; write nothing.")
      .cli_only();
  table
      .add("progress", &Options::progress, "",
           "Show a live status line even if stderr is not a terminal.")
      .cli_only();
  table.add("noProgress", &Options::no_progress, "", "Do not show a live status line.").cli_only();
  table
      .add("metrics", &Options::metrics, "FILE|HOST:PORT",
           "Publish metrics in Prometheus' text format: in FILE, which is replaced every few "
           "seconds and at the end (for node_exporter's textfile collector), or over HTTP at "
           "/metrics. :PORT listens on the loopback address; port 0: a free port is chosen and "
           "printed.")
      .cli_only()
      .path();
  table
      .add("metricsInterval", &Options::metrics_every, "TIME",
           "How often the FILE of --metrics is replaced.")
      .cli_only();
  table.add("logFormat", &Options::log_format, "text|json", "The format of log lines on stderr.")
      .choices({"text", "json"})
      .cli_only();
  table.add("logLevel", &Options::log_level, "LEVEL", "The lowest level that is logged.")
      .choices({"error", "warning", "info", "debug"})
      .cli_only();
  table
      .add("quiet", &Options::quiet, "",
           "Show only warnings and errors: no summary, no live status line.")
      .alias("q")
      .cli_only();
  table
      .add("properties", &Options::properties, "FD",
           "Read the options of TYPE as Flume properties (key = value) from this open file "
           "descriptor, so that passwords do not show up in a process list.")
      .not_empty()
      .cli_only();
  table
      .add(
          "check", &Options::check, "",
          "Only check what --properties gives: print the findings as JSON and end with 0, or 78 if "
          "one is an error. Nothing is opened.")
      .cli_only();
  table
      .add("printCommand", &Options::print_command, "",
           "Only print the command line that means the same, quoted for a shell. A secret is "
           "printed as the variable or file that it comes from.")
      .cli_only();
  return std::move(table).erased();
}

}  // namespace fl
