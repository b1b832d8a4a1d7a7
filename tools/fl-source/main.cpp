#include "common/tool/tool_main.h"

int main(int argc, char** argv) {
  fl::Tool tool;
  tool.name = "fl-source";
  tool.kind = fl::ComponentKind::source;
  tool.component = FL_COMPONENT;
  tool.summary = "produces events";
  tool.examples = {
      {"fl-source seq --count 3 | fl-sink stdout", "Three numbered events, printed."},
      {"printf 'a\\nb\\n' | fl-source stdin | fl-sink null",
       "Discards two lines of text; status 0 means that both arrived."},
  };
  return fl::tool_main(tool, fl::registry(), argc, argv);
}
