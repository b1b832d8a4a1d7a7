// Calls a fuzz target once for each file named on the command line: crashers and seeds as plain
// tests, without clang.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      (void)std::fprintf(stderr, "cannot open '%s'\n", argv[i]);
      return 1;
    }
    std::ostringstream content;
    content << file.rdbuf();
    const std::string bytes = content.str();
    (void)std::fprintf(stderr, "%s\n", argv[i]);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  return 0;
}
