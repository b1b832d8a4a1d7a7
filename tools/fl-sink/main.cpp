#include "common/tool/tool_main.h"

int main(int argc, char** argv) {
  fl::Tool tool;
  tool.name = "fl-sink";
  tool.kind = fl::ComponentKind::sink;
  tool.component = FL_COMPONENT;
  tool.summary = "delivers events";
  tool.examples = {
      {"echo hello | fl-sink stdout", "Prints the bodies."},
      {"fl-source seq --count 3 | fl-sink logger", "Shows events, headers included."},
      {"echo hello | fl-sink hdfs file://$PWD/logs",
       "Stores events in files in a local directory, as it would in HDFS."},
  };
  return fl::tool_main(tool, fl::registry(), argc, argv);
}
