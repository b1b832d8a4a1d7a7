// Lines of text from standard input or from files become events. The runner itself reads text,
// wherever a stage meets it, so there is no class here.
#include <string>
#include <vector>

#include "common/component/component_type.h"
#include "common/stream/json_line.h"

namespace fl {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string format = "lines";
  std::string decompress = "none";
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("files", &Options::files, "FILE",
           "Read these files, one after the other, instead of standard input.")
      .positional()
      .path()
      .cli_only();
  table
      .add("format", &Options::format, "lines|json",
           "What a line is. lines: the body of an event. json: an event with headers, as `fl-sink "
           "stdout --format json` prints it.")
      .choices({"lines", "json"})
      .cli_only();
  table
      .add("decompress", &Options::decompress, "FORMAT",
           "Read compressed input; auto: where the first bytes say so and the name of a file (.gz, "
           ".zst, .bz2, .xz, .lz4) agrees; none: refuse it.")
      .choices({"none", "auto", "gzip", "zstd", "bzip2", "xz", "lz4"})
      .choice_alias("zstandard", "zstd")
      .cli_only();
  return std::move(table).erased();
}

}  // namespace

ComponentType stdin_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "stdin";
  type.sought_as = {"file", "cat", "tail", "text", "log"};
  type.summary = "events from lines of text on standard input or in files";
  type.description =
      "Each line becomes one event without headers; its body is the line without the newline. "
      "Bytes pass unchanged, whatever their encoding, but for a byte order mark of UTF-8 at the "
      "start, which is left out. The last line needs no newline.\n\n"
      "Input is always read as text, even if it looks like a stream. A line longer than --max-line "
      "is handled as --long-line says. --delimiter and --null-data set another line terminator.\n\n"
      "Compressed input and UTF-16 are refused (65) instead of becoming garbage lines; "
      "--decompress reads the former, --text takes any bytes as lines. What precedes damaged data "
      "is delivered, and the other files are read.\n\n"
      "With --format json each line is one object: {\"headers\":{\"host\":\"web1\"},\"body\":\"GET "
      "/\"}. It comes back byte for byte as the event that `fl-sink stdout --format json` or the "
      "serializer json printed: a body that is not valid UTF-8 is \"body64\" in base64, headers "
      "that are not are in \"headers64\". \"headers\" may be missing; blank lines are skipped. A "
      "line that is anything else, or an event beyond the limits (--max-event), ends the stage "
      "with 65, the number of the line and the reason; --reject keeps it and continues. --max-line "
      "and --long-line do not apply.\n\n"
      "Every fl stage also reads text lines, so this source is needed only to concatenate files, "
      "to read JSON or compressed input, or text that begins like a stream.";
  type.delivery =
      "Standard input cannot be read again: delivery is best effort up to the first durable hop. "
      "The exit status is 0 only if the stages after this one acknowledged every event.";
  type.examples = {
      {"printf 'a\\nb\\n' | fl-source stdin | fl-sink stdout", "Two lines, two events."},
      {"fl-source stdin /etc/passwd | fl-sink null", "The lines of a file."},
      {"find /etc/skel -print0 | fl-source stdin --null-data | fl-sink stdout",
       "File names, each ended by NUL."},
      {"seq 3 | fl-intercept ts | fl-sink stdout --format json > \"$PWD/saved.json\" && fl-source "
       "stdin --format json \"$PWD/saved.json\" | fl-sink null",
       "Saves events as JSON and reads them again."},
      {"seq 1000 | gzip | fl-source stdin --decompress auto | fl-sink stdout | tail -n 1",
       "Reads compressed input."},
  };
  type.options = options();
  type.text = [](const std::shared_ptr<void>& made) {
    const auto& options = *std::static_pointer_cast<Options>(made);
    return TextInput{options.files, options.decompress,
                     options.format == "json" ? std::make_shared<JsonLine>() : nullptr};
  };
  return type;
}

}  // namespace fl
