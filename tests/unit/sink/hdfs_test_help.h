// What the tests of the hdfs sink share: a scratch directory, batches, the loop of a runner.
#pragma once

#include <poll.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/clock.h"
#include "common/event/batch.h"
#include "common/io/poll_set.h"
#include "tools/fl-sink/hdfs/sink.h"

namespace fl {

/// A new empty directory; gone with the object.
class ScratchDir {
 public:
  ScratchDir() {
    std::string name = (std::filesystem::temp_directory_path() / "fl-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// Regular files below, relative, sorted.
  std::vector<std::string> files(const std::string& below = {}) const {
    std::vector<std::string> found;
    const std::string root = below.empty() ? path_ : path_ + "/" + below;
    if (std::filesystem::exists(root)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.is_regular_file()) {
          found.push_back(entry.path().string().substr(root.size() + 1));
        }
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  std::string content(const std::string& name) const {
    std::ifstream in(path_ + "/" + name, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  /// All files below, one after the other in the order of their names.
  std::string all(const std::string& below = {}) const {
    std::string text;
    for (const std::string& name : files(below)) {
      text += content(below.empty() ? name : below + "/" + name);
    }
    return text;
  }

 private:
  std::string path_;
};

/// Events with memory of their own, as a batch.
class Events {
 public:
  Events& add(const std::string& body, const Headers& headers = {}) {
    append_event(bytes_, headers, body);
    return *this;
  }
  Events& add_encoded(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  const Batch& batch() {
    batch_.clear();
    const auto* p = reinterpret_cast<const std::uint8_t*>(bytes_.data());
    const auto* const end = p + bytes_.size();
    const char* why = nullptr;
    while (p != end) {
      Event event;
      p = scan_event(p, end, EventLimits{}, event, why);
      if (p == nullptr) {
        ADD_FAILURE() << why;
        break;
      }
      batch_.add(event);
    }
    return batch_;
  }

 private:
  std::string bytes_;
  Batch batch_;
};

/// Waits and calls handle() as a runner would until `done` or an error; at most 20 s.
template <typename Done>
Status run_until(Sink& sink, Done done) {
  const std::int64_t give_up = monotonic_ms() + 20'000;
  while (!done()) {
    const std::int64_t now = monotonic_ms();
    if (now > give_up) {
      return Error{ErrorClass::bug, "the sink does not get on", {}};
    }
    PollSet set;
    sink.watch(set, true);
    set.wake_at(sink.deadline_ms());
    set.wake_at(now + 1'000);
    set.wait();
    if (Status status = sink.handle(set); !status) {
      return status;
    }
  }
  return {};
}

/// Commits everything and waits for it.
inline Status drain(Sink& sink, std::uint64_t delivered) {
  if (Status status = sink.commit(delivered); !status) {
    return status;
  }
  return run_until(sink, [&] { return sink.safe() == delivered; });
}

inline HdfsOptions local_options(const ScratchDir& dir, const std::string& path = "out") {
  HdfsOptions options;
  options.path = "file://" + dir.path() + "/" + path;
  options.time_zone = "UTC";
  return options;
}

}  // namespace fl
