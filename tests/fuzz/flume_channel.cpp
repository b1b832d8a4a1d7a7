// The files of a Flume file channel: whatever they hold, the import ends, and delivers events
// within the limits. Input: a byte that says which file is given (the others are missing), then the
// file.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "common/base/log.h"
#include "tests/fuzz/check.h"
#include "tests/support/temp_dir.h"
#include "tools/fl-channel/import_flume/flume_source.h"

namespace {

using fl::fuzz::check;

void write(const std::string& path, std::string_view bytes) {
  (void)std::remove(path.c_str());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string place() {
  return std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
}

void import(const fl::flume::ImportOptions& options) {
  fl::flume::FlumeSource source(options);
  if (!source.open({})) {
    return;
  }
  fl::BlockBuilder block;
  const fl::EventLimits limits;
  for (auto state = fl::Source::State::more; state != fl::Source::State::end;) {
    block.clear();
    const fl::Result<fl::Source::State> made = source.produce(block);
    if (!made) {
      check(!made.error().message.empty(), "an error says why");
      return;
    }
    state = *made;
    const fl::Block view = block.block();
    const std::uint8_t* at = view.data;
    for (std::uint64_t i = 0; i < view.count; ++i) {
      fl::Event event;
      const char* why = nullptr;
      at = fl::scan_event(at, view.data + view.size, limits, event, why);
      check(at != nullptr, "what is delivered is an event");
    }
    check(at == view.data + view.size, "and nothing else");
  }
  (void)source.close();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fl::TempDir dir(place());
  static const bool quiet = [] {
    fl::set_log("fuzz", fl::LogLevel::error, fl::LogFormat::text);
    return true;
  }();
  (void)quiet;
  if (size == 0) {
    return 0;
  }
  static constexpr const char* kNames[] = {"log-1",           "log-1.meta",   "checkpoint",
                                           "checkpoint.meta", "inflightputs", "inflighttakes"};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t which = data[0] % std::size(kNames);
  if (which == 0) {
    write(dir.path() + "/log-1", bytes);
    import({{dir.path()}, "", 100});
    return 0;
  }
  static const bool made = [] {
    write(dir.path() + "/log-1", "");
    return true;
  }();
  (void)made;
  write(dir.path() + "/" + kNames[which], bytes);
  import({{dir.path()}, dir.path(), 100});
  return 0;
}
