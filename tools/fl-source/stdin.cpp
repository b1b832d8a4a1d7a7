// Lines of text from standard input or from files become events. The runner itself reads text,
// wherever a stage meets it, so there is no class here.
#include <string>
#include <vector>

#include "common/stage/component_type.h"

namespace fl {
namespace {

struct Options {
  std::vector<std::string> files;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("files", &Options::files, "FILE",
           "Read these files, one after the other, instead of standard input.")
      .positional()
      .cli_only();
  return std::move(table).erased();
}

}  // namespace

ComponentType stdin_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "stdin";
  type.summary = "events from lines of text on standard input or in files";
  type.description =
      "Each line becomes one event without headers; its body is the line without the newline. "
      "Bytes pass unchanged, whatever their encoding. The last line needs no newline.\n\n"
      "Input is always taken as text, also if it looks like a stream. A line longer than "
      "--max-line is handled as --long-line says. --delimiter and --null-data set another end of "
      "line.\n\n"
      "Every fl stage reads text by itself, so this source is needed only to join files, or to "
      "read text that begins like a stream.";
  type.delivery =
      "Standard input cannot be read again: delivery is best effort up to the first durable hop. "
      "The exit status is 0 only if the stages behind this one acknowledged every event.";
  type.examples = {
      {"printf 'a\\nb\\n' | fl-source stdin | fl-sink stdout", "Two lines, two events."},
      {"fl-source stdin /etc/passwd | fl-sink null", "The lines of a file."},
      {"find /etc/skel -print0 | fl-source stdin --null-data | fl-sink stdout",
       "File names, each ended by NUL."},
  };
  type.options = options();
  type.reads_text = true;
  return type;
}

}  // namespace fl
