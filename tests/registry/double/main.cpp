#include "common/tool/tool_main.h"

int main(int argc, char** argv) {
  fl::Tool tool;
  tool.name = "fl-double";
  tool.kind = fl::ComponentKind::channel;
  tool.component = FL_COMPONENT;
  tool.summary = "stands for a tool in tests";
  tool.examples = {{"fl-double list", "Shows what it has."}};
  return fl::tool_main(tool, fl::registry(), argc, argv);
}
