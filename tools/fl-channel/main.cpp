#include "common/tool/tool_main.h"

int main(int argc, char** argv) {
  fl::Tool tool;
  tool.name = "fl-channel";
  tool.kind = fl::ComponentKind::channel;
  tool.component = FL_COMPONENT;
  tool.summary = "buffers events between two stages";
  tool.examples = {
      {"fl-source seq --count 1000 | fl-channel memory | fl-sink null",
       "Buffers between a bursty source and a slow sink."},
  };
  return fl::tool_main(tool, fl::registry(), argc, argv);
}
