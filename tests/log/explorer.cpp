// Explores what crashes leave: random lives of a log on a disk in memory. At each operation on the
// disk, states that a kill or a power loss could leave there are made, the log is opened on each,
// must take a further block, and hands out what it has. The states before and after go to the judge
// (state_judge.py); here nothing is judged. The next life begins on one of them. Every second log
// is opened often, with little between: positions alone at first, then short lives that end late,
// often with a head that is behind.
//
// usage: log_explorer [--seeds FIRST:COUNT] [--states N] [--variants N] [--every N] [--trace TEXT]
//   --states    at most so many
//   --variants  random ones at each point, besides the six that are always made
//   --every     one of so many points, by chance
//   --trace     on stderr, the calls made on a state whose description holds the text
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/log/seeded_bug.h"
#include "tests/log/crash_states.h"
#include "tests/log/numbered_blocks.h"
#include "tests/log/recovery_check.h"
#include "tests/log/state_stream.h"
#include "tests/log/subject.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

struct Settings {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 1;
  std::uint64_t states = ~std::uint64_t{0};
  int variants = 12;
  std::uint64_t every = 1;
  std::string trace;
};

class Scenario {
 public:
  Scenario(std::uint64_t seed, const Settings& settings, RecoveryCheck& check)
      : seed_(seed), settings_(settings), check_(check), random_(seed), blocks_(seed) {
    options_.segment_bytes = 8192 + 4096 * (random_() % 4);
    options_.compressed = random_() % 8 == 0;
    static constexpr std::size_t kJoined[] = {SIZE_MAX, 700, 0};
    options_.join_bytes = kJoined[seed % 3];
    options_.keeps_spare = seed % 4 != 0;
    is_reopened_ = seed % 2 == 1;
    groups_ = {"a", "b", "c"};
    groups_.resize(1 + random_() % 3);
  }

  /// States that were explored.
  std::uint64_t run() {
    check_.begin("seed " + std::to_string(seed_), options_);
    auto disk = std::make_shared<MemoryDisk>();
    const int lives = 3 + static_cast<int>(random_() % 3);
    for (life_ = 1; life_ <= lives && count_ < settings_.states; ++life_) {
      disk = live(std::move(disk));
    }
    return count_;
  }

 private:
  // One life of the process; the disk on which the next one begins.
  std::shared_ptr<MemoryDisk> live(std::shared_ptr<MemoryDisk> disk) {
    machine_ = std::make_shared<MemoryMachine>();
    machine_->disk = std::move(disk);
    machine_->random.seed(random_());
    machine_->now_ms += static_cast<std::int64_t>(life_) * 3600'000;
    point_ = 0;
    knows_.required.emplace_back(blocks_.next(), blocks_.next());
    knows_.closed = false;
    put_from_ = blocks_.next();
    next_ = Start();
    handed_.clear();
    moved_.clear();
    machine_->watch = [this](Call call, const std::string& name, bool done) {
      if (done || call == Call::fdatasync || call == Call::sync_dir) {
        point(std::string(done ? "after " : "in ") +
              std::string(kCallNames[static_cast<int>(call)]) + " " + name);
      }
    };
    const bool fails = random_() % 4 == 0;
    plan_failure(fails ? 10 + random_() % 60 : 0);
    auto subject = make_subject(std::make_unique<MemoryFiles>(machine_), options_);
    bool going = subject->open().empty();
    if (going) {
      const std::lock_guard held(machine_->mutex);
      knows_.opened = true;
    }
    for (const std::string& group : groups_) {
      going = going && open_group(*subject, group);
      drain();
    }
    if (going && is_reopened_ && (life_ == 1 || random_() % 4 == 0)) {
      going = put_positions(*subject);
    }
    int steps = 15 + static_cast<int>(random_() % 30);
    if (is_reopened_) {
      steps = life_ == 1 ? 0 : 1 + static_cast<int>(random_() % 4);
    }
    for (int i = 0; going && i < steps && count_ < settings_.states; ++i) {
      going = step(*subject);
      drain();
    }
    if (going && random_() % 2 == 0) {
      going = subject->sync().empty();
      learn(*subject);
      if (going && subject->close().empty()) {
        const std::lock_guard held(machine_->mutex);
        knows_.closed = true;
        // A cursor that did not move in this life may never have been synced.
        std::erase_if(knows_.passed,
                      [this](const auto& one) { return !moved_.contains(one.first); });
        point("closed");
      }
    }
    {
      const std::lock_guard held(machine_->mutex);
      point("end");
      machine_->watch = nullptr;
    }
    subject.reset();
    drain();
    knows_ = next_.knows;
    return next_.disk;
  }

  // One call of one kind fails once: most often a sync.
  void plan_failure(std::uint64_t when) {
    if (when == 0) {
      return;
    }
    static constexpr std::array kFailing = {Call::fdatasync, Call::fdatasync, Call::sync_dir,
                                            Call::pwritev, Call::rename};
    const Call which = kFailing[random_() % kFailing.size()];
    static constexpr std::array kErrors = {EIO, ENOSPC, EIO};
    const int error = which == Call::fdatasync ? EIO : kErrors[random_() % kErrors.size()];
    machine_->plan = [which, error, left = when](Call call, const std::string&) mutable {
      return call == which && --left == 0 ? CallFault{error, false} : CallFault();
    };
  }

  bool open_group(Subject& subject, const std::string& group) {
    if (!subject.open_group(group).empty()) {
      return false;
    }
    const std::lock_guard held(machine_->mutex);
    knows_.groups.try_emplace(group, 0);
    return true;
  }

  // Positions that no block follows, each on disk before the next.
  bool put_positions(Subject& subject) {
    for (std::uint64_t i = 1 + random_() % 3; i > 0; --i) {
      if (!subject.set_positions().empty() || !subject.sync().empty()) {
        return false;
      }
      drain();
    }
    return true;
  }

  bool step(Subject& subject) {
    const std::string& group = groups_[random_() % groups_.size()];
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
      case 3: {  // some blocks, and one sync for all
        const int many = 1 + static_cast<int>(random_() % 4);
        for (int i = 0; i < many; ++i) {
          if (!put(subject)) {
            return false;
          }
        }
        if (random_() % 5 == 0) {
          return true;  // it waits for the next sync
        }
        bool fine = subject.begin_sync().empty();
        NumberedBlock late;
        if (fine && random_() % 4 == 0) {
          late = put_during_sync(subject);
        }
        fine = fine && subject.end_sync().empty();
        machine_->during_sync = nullptr;
        if (fine && during_error_ == "later") {
          fine = subject.put(late.payload, late.count).empty();
        } else if (!during_error_.empty()) {
          fine = false;
        }
        during_error_.clear();
        learn(subject);
        return fine;
      }
      case 4:
        return (random_() % 2 == 0 ? subject.set_positions() : subject.free_passed()).empty();
      case 5:
      case 6:
        return take(subject, group);
      default: {
        // The last group often lags.
        const auto& handed = handed_[group];
        if (handed.empty() || (group == groups_.back() && random_() % 3 != 0)) {
          return true;
        }
        // Often all of it but the last event: there a segment may end.
        const std::size_t most = handed.size();
        const std::size_t upto = most > 1 && random_() % 3 == 0 ? most - 2 : random_() % most;
        const auto [sequence, number] = handed[upto];
        // Known before the call: the cursor may be on the disk before it returns.
        {
          const std::lock_guard held(machine_->mutex);
          knows_.groups[group] = std::max(knows_.groups[group], number);
        }
        const bool fine = subject.acknowledge(group, sequence).empty();
        if (fine) {
          const std::lock_guard held(machine_->mutex);
          knows_.passed[group] = std::max(knows_.passed[group], number);
          moved_.insert(group);
          if (subject.is_synced(group)) {
            knows_.kept[group] = knows_.passed[group];
          }
        }
        handed_[group].erase(handed_[group].begin(),
                             handed_[group].begin() + static_cast<std::ptrdiff_t>(upto + 1));
        return fine;
      }
    }
  }

  // A block that comes while the disk is busy: this sync does not make it durable.
  NumberedBlock put_during_sync(Subject& subject) {
    const std::uint64_t first = blocks_.next();
    NumberedBlock block = blocks_.make_small();
    check_.given(first, block);
    during_error_ = "later";
    machine_->during_sync = [this, &subject, block](const std::string& name) {
      if (during_error_ == "later" && name != "head") {
        during_error_ = "";
        during_error_ = subject.put(block.payload, block.count);
      }
    };
    return block;
  }

  bool put(Subject& subject) {
    const std::uint64_t first = blocks_.next();
    const NumberedBlock block = blocks_.make();
    check_.given(first, block);
    const bool fine = subject.put(block.payload, block.count).empty();
    learn(subject);
    return fine;
  }

  // What is acknowledged by now is required from now on.
  void learn(Subject& subject) {
    const std::uint64_t acknowledged = subject.acknowledged();
    const std::lock_guard held(machine_->mutex);
    std::uint64_t& end = knows_.required.back().second;
    if (put_from_ + acknowledged > end) {
      end = put_from_ + acknowledged;
      point("acknowledged");
    }
  }

  bool take(Subject& subject, const std::string& group) {
    Taken taken;
    if (!subject.take(group, taken).empty()) {
      return false;
    }
    if (!taken.any) {
      return true;
    }
    const std::vector<std::uint64_t> numbers = numbers_in(taken.payload);
    if (numbers.empty()) {
      return true;
    }
    const std::uint64_t last = numbers.back();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      handed_[group].emplace_back(taken.first + i + 1, numbers[i] + 1);
    }
    const std::lock_guard held(machine_->mutex);
    // What was handed out must not be lost by a crash.
    auto life = knows_.required.rbegin();
    while (life + 1 != knows_.required.rend() && last < life->first) {
      ++life;
    }
    life->second = std::max(life->second, last + 1);
    point("handed out");
    return true;
  }

  // ---- states; with the machine's mutex held

  void point(const std::string& what) {
    ++point_;
    const std::string at = "life " + std::to_string(life_) + " point " + std::to_string(point_);
    std::mt19937_64 random(seed_ * 1'000'003 + static_cast<std::uint64_t>(life_) * 100'003 +
                           point_);
    const auto add = [&](Image image, std::shared_ptr<MemoryDisk> disk, const std::string& how) {
      if (known_.insert(hash_of(image)).second) {
        states_.push_back(
            {at + " " + how + ", " + what, std::move(disk), std::move(image), knows_});
      }
    };
    std::shared_ptr<MemoryDisk> killed = machine_->disk->clone();
    const auto known = [&](std::string_view how) {
      return power_loss(*killed, how[0] == 'n' ? Keep::none : Keep::all,
                        how[1] == 'n' ? Keep::none : Keep::all, random);
    };
    // After a promise, always.
    const std::uint64_t every = is_reopened_ ? 1 + settings_.every / 4 : settings_.every;
    const bool explored = random() % every == 0 || what == "acknowledged";
    if (explored) {
      add(seen(*killed), killed, "killed");
      for (const char* how : {"nn", "an", "na", "aa"}) {
        add(known(how), nullptr, how);
      }
      add(power_loss_of(*killed, "head"), nullptr, "head behind");
    }
    for (int i = 0; explored && i < settings_.variants; ++i) {
      const Keep names = i % 3 == 0 ? Keep::some : i % 3 == 1 ? Keep::all : Keep::none;
      add(power_loss(*killed, names, Keep::some, random), nullptr, "v" + std::to_string(i));
    }
    // One of all the points of this life is where the next one begins, each with the same odds; of
    // a log that is opened often, one of the last.
    const std::uint64_t odds = !is_reopened_ ? point_ : life_ == 1 ? 1 : 2;
    if (random_next_() % odds == 0 || next_.disk == nullptr) {
      next_.knows = knows_;
      const bool is_head_behind = is_reopened_ && life_ > 1 && random() % 2 == 0;
      if (!is_head_behind && (random() % 2 == 0 || odds == 1)) {
        next_.disk = killed->clone();
      } else {
        next_.disk = disk_of(is_head_behind ? power_loss_of(*killed, "head")
                                            : power_loss(*killed, Keep::some, Keep::some, random));
        if (!knows_.closed) {
          next_.knows.passed.clear();  // a cursor may be behind what could be seen
        }
      }
      next_.knows.closed = false;
    }
  }

  // Without the mutex.
  void drain() {
    std::vector<State> states;
    {
      const std::lock_guard held(machine_->mutex);
      states.swap(states_);
    }
    for (State& state : states) {
      if (count_ < settings_.states) {
        check_.check(
            state, !settings_.trace.empty() && state.at.find(settings_.trace) != std::string::npos);
        ++count_;
      }
    }
  }

  struct Start {
    std::shared_ptr<MemoryDisk> disk;
    Knowledge knows;
  };

  std::uint64_t seed_;
  const Settings& settings_;
  RecoveryCheck& check_;
  std::mt19937_64 random_;
  std::mt19937_64 random_next_{1};
  NumberedBlocks blocks_;
  SubjectOptions options_;
  bool is_reopened_ = false;
  std::vector<std::string> groups_;
  std::shared_ptr<MemoryMachine> machine_;
  int life_ = 0;
  std::uint64_t point_ = 0;
  std::uint64_t put_from_ = 0;
  std::uint64_t count_ = 0;
  Knowledge knows_;
  Start next_;
  // What each group was handed and has not acknowledged: sequence and number after each event.
  std::map<std::string, std::vector<std::pair<std::uint64_t, std::uint64_t>>> handed_;
  std::string during_error_;     // of a put during a sync; "later": it must still be put
  std::set<std::string> moved_;  // groups whose cursor has moved in this life
  std::vector<State> states_;
  std::unordered_set<std::uint64_t> known_;
};

int run(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view word = argv[i];
    if (word == "--seeds") {
      char* rest = nullptr;
      settings.first_seed = std::strtoull(argv[i + 1], &rest, 10);
      settings.seeds = *rest == ':' ? std::strtoull(rest + 1, nullptr, 10) : 1;
    } else if (word == "--states") {
      settings.states = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (word == "--variants") {
      settings.variants = std::atoi(argv[i + 1]);
    } else if (word == "--every") {
      settings.every = std::max<std::uint64_t>(std::strtoull(argv[i + 1], nullptr, 10), 1);
    } else if (word == "--trace") {
      settings.trace = argv[i + 1];
    } else {
      std::fprintf(stderr, "log_explorer: unknown option '%s'\n", argv[i]);
      return 64;
    }
  }
  StateStream stream(stdout);
  RecoveryCheck check(stream);
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < settings.seeds && count < settings.states && stream.good(); ++i) {
    Settings rest = settings;
    rest.states -= count;
    count += Scenario(settings.first_seed + i, rest, check).run();
  }
  return stream.end() ? 0 : 1;
}

}  // namespace
}  // namespace fl

int main(int argc, char** argv) { return fl::run(argc, argv); }
