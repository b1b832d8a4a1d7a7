#include "tests/log/recovery_check.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <string_view>

#include "common/base/text.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

/// The number of the event that is put into each recovered log.
constexpr std::uint64_t kFurther = std::uint64_t{1} << 40;

std::string numbers(const std::map<std::string, std::uint64_t>& of_groups) {
  std::string json = "{";
  for (const auto& [group, number] : of_groups) {
    json += (json.size() > 1 ? ",\"" : "\"") + group + "\":" + std::to_string(number);
  }
  return json + "}";
}

std::string quoted(std::string text) {
  std::replace(text.begin(), text.end(), '"', '\'');
  std::replace(text.begin(), text.end(), '\\', '/');
  return "\"" + text + "\"";
}

}  // namespace

void RecoveryCheck::begin(const std::string& name, const SubjectOptions& options) {
  options_ = options;
  stream_.begin(name);
  NumberedBlocks further(7, kFurther);
  further_ = further.make_small();
  stream_.given(kFurther, further_.payload);
}

void RecoveryCheck::check(const State& state, bool trace) {
  ++count_;
  auto machine = std::make_shared<MemoryMachine>();
  machine->disk = state.disk != nullptr ? state.disk : disk_of(state.raw);
  machine->random.seed(count_);
  machine->now_ms += 3600'000'000;
  if (trace) {
    std::fprintf(stderr, "%s\n", state.at.c_str());
    machine->watch = [](Call call, const std::string& name, bool done) {
      if (done) {
        std::fprintf(stderr, "  %s %s\n", kCallNames[static_cast<int>(call)].data(), name.c_str());
      }
    };
  }
  std::string refused;
  std::string delivered;
  std::string gaps;
  std::string more;
  std::string positions;
  std::string notices;
  {
    auto subject = make_subject(std::make_unique<MemoryFiles>(machine), options_);
    refused = subject->open();
    if (refused.empty()) {
      positions = subject->positions();
      refused = subject->put(further_.payload, further_.count);
      refused += subject->sync();
      more = ",\"more\":[[" + std::to_string(kFurther) + "," + std::to_string(kFurther + 1) + "]]";
    }
    for (const auto& [group, acknowledged] : state.knows.groups) {
      refused += refused.empty() ? subject->open_group(group) : "";
      auto all = std::make_shared<std::string>();
      Taken taken;
      // Bounded: no log of a scenario has so many blocks.
      for (int i = 0; refused.empty() && i < 10000; ++i) {
        taken = Taken();
        refused = subject->take(group, taken);
        for (const std::string& gap : taken.gaps) {
          gaps += (gaps.empty() ? "" : ",") + quoted(gap);
        }
        if (!taken.any) {
          break;
        }
        *all += taken.payload;
      }
      delivered += (delivered.empty() ? "\"" : ",\"") + group +
                   "\":" + std::to_string(stream_.file(std::move(all)));
    }
    notices = subject->notices();
  }
  std::mt19937_64 random(count_);
  std::string json = "{\"at\":\"" + state.at + "\",\"required\":[";
  for (std::size_t i = 0; i < state.knows.required.size(); ++i) {
    json += (i > 0 ? ",[" : "[") + std::to_string(state.knows.required[i].first) + "," +
            std::to_string(state.knows.required[i].second) + "]";
  }
  json += "],\"groups\":" + numbers(state.knows.groups);
  // After a kill the page cache is there, and with it each cursor.
  if (state.disk != nullptr || state.knows.closed) {
    json += ",\"passed\":" + numbers(state.knows.passed);
  }
  json += ",\"kept\":" + numbers(state.knows.kept);
  json += state.knows.opened ? ",\"opened\":true" : "";
  if (!state.knows.handed.empty()) {
    json += ",\"handed\":{";
    for (const auto& [group, payload] : state.knows.handed) {
      json += (json.back() == '{' ? "\"" : ",\"") + group +
              "\":" + std::to_string(stream_.file(std::make_shared<std::string>(payload)));
    }
    json += state.knows.handed_all ? "},\"handed_all\":true" : "}";
  }
  if (!state.knows.wrong.empty()) {
    json += ",\"wrong\":" + quoted(state.knows.wrong);
  }
  json += ",\"raw\":" + stream_.image(state.raw);
  if (refused.empty()) {
    json += more + ",\"positions\":" + quoted(positions) + ",\"notices\":" + json_quoted(notices) +
            ",\"delivered\":{" + delivered + "},\"gaps\":[" + gaps + "]";
    json += ",\"after\":" + stream_.image(seen(*machine->disk));
    json +=
        ",\"settled\":" + stream_.image(power_loss(*machine->disk, Keep::none, Keep::none, random));
  } else {
    json += ",\"refused\":" + quoted(refused);
  }
  stream_.state(json + "}");
}

}  // namespace fl
