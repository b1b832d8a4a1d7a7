// Each call that the log makes below itself fails in each way, once and from then on. A process
// that gets an error ends; then the log is opened on what it left, after a kill and after a power
// loss, and the judge (state_judge.py) compares. What must not be noticed at all (an interrupted or
// a short call, room on the disk that comes back) is "wrong" if it is.
//
// usage: log_errors [--every N] [--without CALL]     one of so many cases; "size": not this call
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/log/recovery_check.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

struct Kind {
  const char* name;
  int error;
  bool is_short;
};
constexpr std::array kKinds = {Kind{"EIO", EIO, false},       Kind{"ENOSPC", ENOSPC, false},
                               Kind{"EDQUOT", EDQUOT, false}, Kind{"EINTR", EINTR, false},
                               Kind{"EMFILE", EMFILE, false}, Kind{"ENOMEM", ENOMEM, false},
                               Kind{"short", 0, true}};

bool applies(const Kind& kind, Call call) {
  if (kind.is_short) {
    return call == Call::pread || call == Call::pwritev;
  }
  if (kind.error == EMFILE) {
    return call == Call::open || call == Call::list || call == Call::sync_dir;
  }
  if (kind.error == ENOSPC || kind.error == EDQUOT) {
    return call == Call::open || call == Call::pwritev || call == Call::fdatasync ||
           call == Call::rename || call == Call::mkdir || call == Call::sync_dir;
  }
  return kind.error != EINTR || (call != Call::size && call != Call::space);
}

/// Which call fails; nothing fails with `nth` 0.
struct Fault {
  std::uint64_t nth = 0;
  Kind kind{};
  bool sticky = false;
};

class Run {
 public:
  Run(const MemoryDisk& start, Knowledge knows, NumberedBlocks blocks, RecoveryCheck& check)
      : machine_(std::make_shared<MemoryMachine>()),
        knows_(std::move(knows)),
        blocks_(std::move(blocks)),
        check_(check) {
    machine_->disk = start.clone();
    machine_->now_ms += 3600'000;
    machine_->random.seed(11);
  }

  /// The calls that were made.
  std::vector<std::pair<Call, std::string>> run(const Fault& fault, const SubjectOptions& options) {
    std::vector<std::pair<Call, std::string>> calls;
    Call failing = Call::space;
    machine_->plan = [&](Call call, const std::string& name) {
      calls.emplace_back(call, name);
      if (calls.size() == fault.nth) {
        failing = call;
        return CallFault{fault.kind.error, fault.kind.is_short};
      }
      if (fault.sticky && !lifted_ && calls.size() > fault.nth && fault.nth != 0 &&
          call == failing) {
        return CallFault{fault.kind.error, fault.kind.is_short};
      }
      return CallFault();
    };
    knows_.required.emplace_back(blocks_.next(), blocks_.next());
    put_from_ = blocks_.next();
    auto subject = make_subject(std::make_unique<MemoryFiles>(machine_), options);
    const std::string ended = live(*subject);
    subject.reset();
    machine_->plan = nullptr;
    const bool full = !fault.sticky && (fault.kind.error == ENOSPC || fault.kind.error == EDQUOT) &&
                      fault.nth <= calls.size() && fault.nth > 0 &&
                      calls[fault.nth - 1].first == Call::pwritev &&
                      (calls[fault.nth - 1].second.ends_with(".seg") ||
                       calls[fault.nth - 1].second.ends_with(".tmp"));
    const bool unnoticed =
        full || fault.kind.is_short || (fault.kind.error == EINTR && !fault.sticky);
    if (unnoticed && !ended.empty()) {
      knows_.wrong = "should go unnoticed: " + ended;
    }
    if (ended.empty() && is_failed_sync(fault, calls)) {
      knows_.wrong = "a failed sync went unnoticed";
    }
    if (ended.empty() && fault.nth == 0) {
      knows_.handed_all = true;
    }
    if (!gaps_.empty()) {
      knows_.wrong += " a gap was announced: " + gaps_;
    }
    if (machine_->useless_syncs > 0) {
      knows_.wrong += " a failed sync was tried again";
    }
    knows_.handed_all = ended.empty();
    return calls;
  }

  void check(const std::string& at) {
    std::mt19937_64 random(5);
    const auto add = [&](std::shared_ptr<MemoryDisk> disk, Image raw, const std::string& how) {
      check_.check({at + ", " + how, std::move(disk), std::move(raw), knows_});
      knows_.handed.clear();  // once is enough
      knows_.wrong.clear();
    };
    add(machine_->disk->clone(), seen(*machine_->disk), "killed");
    add(nullptr, power_loss(*machine_->disk, Keep::none, Keep::none, random), "nothing unsynced");
    add(nullptr, power_loss(*machine_->disk, Keep::all, Keep::some, random), "names unsynced");
  }

 private:
  // Whether the call that failed was a sync: then nothing may continue, a full disk or not.
  static bool is_failed_sync(const Fault& fault,
                             const std::vector<std::pair<Call, std::string>>& calls) {
    if (fault.nth == 0 || fault.nth > calls.size() || fault.kind.error == EINTR) {
      return false;
    }
    const auto& [call, name] = calls[fault.nth - 1];
    return call == Call::fdatasync || call == Call::sync_dir;
  }

  // What ended it; "" if it came to its end.
  std::string live(Subject& subject) {
    if (std::string error = again([&] { return subject.open(); }); !error.empty()) {
      return error;
    }
    for (const char* group : {"a", "b"}) {
      if (std::string error = again([&] { return subject.open_group(group); }); !error.empty()) {
        return error;
      }
    }
    // A group that needs only the last event of a segment needs the segment.
    if (std::string error = take_until(subject, "a", end_of_first_segment() - 1); !error.empty()) {
      return error;
    }
    if (std::string error = take_all(subject, "b", true); !error.empty()) {
      return error;
    }
    if (std::string error = subject.free_passed(); !error.empty()) {
      return error;
    }
    if (std::string error = take_all(subject, "a", true); !error.empty()) {
      return error;
    }
    // Nothing needs the first segments now, but the cursors may not be on disk yet.
    if (std::string error = subject.free_passed(); !error.empty()) {
      return error;
    }
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 2; ++j) {
        const NumberedBlock block = blocks_.block(2, static_cast<std::uint64_t>(400 + 300 * j));
        if (std::string error = again([&] { return subject.put(block.payload, block.count); });
            !error.empty()) {
          return error;
        }
      }
      if (i == 2) {
        if (std::string error = again([&] { return subject.set_positions(); }); !error.empty()) {
          return error;
        }
      }
      const std::string error = subject.sync();
      knows_.required.back().second = put_from_ + subject.acknowledged();
      if (!error.empty()) {
        return error;
      }
    }
    if (std::string error = take_all(subject, "b", true); !error.empty()) {
      return error;
    }
    if (std::string error = take_all(subject, "a", false); !error.empty()) {
      return error;
    }
    if (std::string error = subject.free_passed(); !error.empty()) {
      return error;
    }
    return subject.close();
  }

  // A full disk is not an error: there is room after a while.
  template <typename Action>
  std::string again(Action action) {
    std::string error;
    for (int i = 0; i < 3; ++i) {
      error = action();
      if (error != "full") {
        return error;
      }
    }
    lifted_ = true;
    error = action();
    if (error == "full") {
      knows_.wrong = "still full after there was room";
    }
    return error;
  }

  // In the log that each run begins with, events have the numbers of the log.
  std::uint64_t end_of_first_segment() {
    const std::lock_guard held(machine_->mutex);
    std::vector<std::uint64_t> firsts;
    for (const auto& [name, file] : machine_->disk->directory("")->now) {
      if (name.ends_with(".seg")) {
        firsts.push_back(std::strtoull(name.c_str(), nullptr, 10));
      }
    }
    return firsts.size() > 1 ? firsts[1] : 1;  // names are sorted
  }

  // Acknowledges all before `end` and takes no more than that needs.
  std::string take_until(Subject& subject, const std::string& group, std::uint64_t end) {
    while (knows_.groups[group] < end) {
      Taken taken;
      if (std::string error = subject.take(group, taken); !error.empty() || !taken.any) {
        return error;
      }
      knows_.handed[group] += taken.payload;
      const std::uint64_t upto = std::min(end, taken.first + taken.count);
      knows_.groups[group] = upto;
      if (std::string error = subject.acknowledge(group, upto); !error.empty()) {
        return error;
      }
      knows_.passed[group] = upto;
    }
    return "";
  }

  std::string take_all(Subject& subject, const std::string& group, bool acknowledged) {
    // Bounded: the log is small.
    for (int i = 0; i < 1000; ++i) {
      Taken taken;
      std::string error = subject.take(group, taken);
      for (const std::string& gap : taken.gaps) {
        gaps_ += gap + "; ";
      }
      if (!error.empty()) {
        return error;
      }
      if (!taken.any) {
        return "";
      }
      knows_.handed[group] += taken.payload;
      const std::vector<std::uint64_t> numbers = numbers_in(taken.payload);
      if (!acknowledged || numbers.empty()) {
        continue;
      }
      knows_.groups[group] = std::max(knows_.groups[group], numbers.back() + 1);
      error = subject.acknowledge(group, taken.first + taken.count);
      if (!error.empty()) {
        return error;
      }
      knows_.passed[group] = std::max(knows_.passed[group], numbers.back() + 1);
    }
    return "";
  }

  std::shared_ptr<MemoryMachine> machine_;
  Knowledge knows_;
  NumberedBlocks blocks_;
  RecoveryCheck& check_;
  std::uint64_t put_from_ = 0;
  bool lifted_ = false;
  std::string gaps_;
};

// A log has one putter, a group one taker. What is wrong with that.
std::string second_is_let_in(const SubjectOptions& options) {
  const auto machine = std::make_shared<MemoryMachine>();
  auto first = make_subject(std::make_unique<MemoryFiles>(machine), options);
  if (!first->open().empty() || !first->open_group("a").empty()) {
    return "a new log is refused";
  }
  auto second = make_subject(std::make_unique<MemoryFiles>(machine), options);
  std::string wrong = second->open_group("a").empty() ? "two takers of one group; " : "";
  wrong += second->open().empty() ? "two putters" : "";
  return wrong;
}

int run(std::uint64_t every, std::string_view without) {
  StateStream stream(stdout);
  RecoveryCheck check(stream);
  SubjectOptions options;
  options.segment_bytes = 8192;
  check.begin("errors", options);

  // The log that each run begins with: several segments, and a tail that is not published.
  auto machine = std::make_shared<MemoryMachine>();
  NumberedBlocks blocks(3);
  Knowledge knows;
  {
    auto subject = make_subject(std::make_unique<MemoryFiles>(machine), options);
    std::string error = subject->open();
    for (const char* group : {"a", "b"}) {
      error += subject->open_group(group);
      knows.groups[group] = 0;
    }
    for (std::uint64_t i = 0; i < 24 && error.empty(); ++i) {
      const std::uint64_t first = blocks.next();
      const NumberedBlock block = blocks.block(1 + i % 3, i % 4 == 0 ? 450 : 50);
      check.given(first, block);
      error = subject->put(block.payload, block.count);
      if (i == 5) {
        error += subject->set_positions();
      }
      if (i % 3 == 0) {
        error += subject->sync();
      }
    }
    if (!error.empty()) {
      std::fprintf(stderr, "log_errors: %s\n", error.c_str());
      return 1;
    }
    knows.required.emplace_back(0, subject->acknowledged());
    knows.opened = true;
  }
  NumberedBlocks given = blocks;
  for (int i = 0; i < 12; ++i) {
    const std::uint64_t first = given.next();
    check.given(first, given.block(2, static_cast<std::uint64_t>(400 + 300 * (i % 2))));
  }

  Run whole(*machine->disk, knows, blocks, check);
  const std::vector<std::pair<Call, std::string>> calls = whole.run(Fault(), options);
  whole.check("no fault");
  knows.wrong = second_is_let_in(options);
  check.check({"two of a kind", nullptr, seen(*machine->disk), knows});
  knows.wrong.clear();
  std::uint64_t cases = 0;
  for (std::uint64_t nth = 1; nth <= calls.size() && stream.good(); ++nth) {
    for (const Kind& kind : kKinds) {
      for (const bool sticky : {false, true}) {
        const auto& [call, name] = calls[nth - 1];
        if (!applies(kind, call) || kCallNames[static_cast<int>(call)] == without ||
            ++cases % every != 0) {
          continue;
        }
        Run one(*machine->disk, knows, blocks, check);
        one.run({nth, kind, sticky}, options);
        one.check("call " + std::to_string(nth) + " " +
                  std::string(kCallNames[static_cast<int>(call)]) + " " + name + ": " + kind.name +
                  (sticky ? " from then on" : " once"));
      }
    }
  }
  std::fprintf(stderr, "errors: %zu calls, %llu cases\n", calls.size(),
               static_cast<unsigned long long>(cases / every));
  return stream.end() ? 0 : 1;
}

}  // namespace
}  // namespace fl

int main(int argc, char** argv) {
  std::uint64_t every = 1;
  std::string_view without;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--every") {
      every = std::max(1ul, std::strtoul(argv[i + 1], nullptr, 10));
    } else {
      without = argv[i + 1];
    }
  }
  return fl::run(every, without);
}
