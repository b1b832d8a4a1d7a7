#include "common/tool/tool_main.h"

int main(int argc, char** argv) {
  fl::Tool tool;
  tool.name = "fl-intercept";
  tool.kind = fl::ComponentKind::interceptor;
  tool.component = FL_COMPONENT;
  tool.summary = "changes or drops events; several interceptors, chained with +, share one process";
  tool.examples = {
      {"echo hello | fl-intercept timestamp | fl-sink logger",
       "Gives each event the time as a header."},
      {"echo hello | fl-intercept timestamp + host | fl-sink logger",
       "Two interceptors in one process."},
  };
  return fl::tool_main(tool, fl::registry(), argc, argv);
}
