// Every bit of a log flipped, every length of its files, and every record of another life of its
// segment: what is read then, and what is there after the log was opened on it. Of a group's file:
// where the group continues then, and what is freed before. The judge (flip_judge.py) says whether
// that may be.
//
// Hundreds of thousands of cases have some hundred outcomes: what was read, alone and joined,
// before and after opening. Each different outcome goes to the judge once, with the files of its
// first case, which the judge reads, too; at the end it gets the number of cases of each. Nothing
// is judged here.
//
// usage: log_flips [--every N] [--sample N] [--part K/N] [--codec zstd]
//   --every     one of so many bits
//   --sample    one of so many cases to the judge even if its outcome is known
//   --part      the K-th of N parts of the cases, from 0
//   --codec     records are packed
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/log/format.h"
#include "common/log/log_reader.h"
#include "common/log/seeded_bug.h"
#include "tests/log/recovery_check.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

struct Record {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool is_gap = false;
  std::string payload;

  friend bool operator==(const Record&, const Record&) = default;
};

struct Reading {
  std::vector<Record> records;
  std::string error;
  std::uint64_t end = 0;    ///< the durable end
  std::string unannounced;  ///< a gap that was not reported
  bool lacks_slot = false;  ///< the head does not say everything, and the reader knows
  // Of the log that was opened:
  std::string positions;
  std::string notices;
};

Reading read_log(LogFiles& files, bool joins = false) {
  Reading reading;
  LogReader::Settings settings;
  settings.join_bytes = joins ? settings.join_bytes : 0;
  settings.sets_aside = false;
  bool told = false;
  settings.notify = [&told](const LogNotice& notice) {
    told = told || notice.kind == LogNotice::Kind::missing;
  };
  Result<LogReader> reader = LogReader::open(files, settings);
  if (!reader) {
    reading.error = reader.error().message;
    return reading;
  }
  reader->seek(0);
  // Bounded: no log here has so many records.
  for (int i = 0; i < 100000; ++i) {
    const Result<LogReader::Got> got = reader->next();
    if (!got) {
      reading.error = got.error().message;
      break;
    }
    if (*got == LogReader::Got::nothing) {
      break;
    }
    if (*got == LogReader::Got::gap && !told) {
      reading.unannounced = "a gap at " + std::to_string(reader->first()) + " is not reported";
    }
    told = false;
    Record record{reader->first(), reader->count(), *got == LogReader::Got::gap, {}};
    if (!record.is_gap) {
      record.payload.assign(reinterpret_cast<const char*>(reader->block().data),
                            reader->block().size);
    }
    reading.records.push_back(std::move(record));
  }
  reading.end = reader->durable_sequence();
  reading.lacks_slot = !reader->exists() || reader->head_lacks_slot();
  return reading;
}

/// Appends what distinguishes a reading from that of the whole log: records that are in it are
/// named by their place.
void append_outcome(std::string& out, const Reading& whole, const Reading& reading) {
  auto next = whole.records.begin();
  for (const Record& record : reading.records) {
    while (next != whole.records.end() && next->first < record.first) {
      ++next;
    }
    if (next != whole.records.end() && *next == record) {
      out += '=';
      out += std::to_string(next - whole.records.begin());
      continue;
    }
    out += (record.is_gap ? '-' : '+') + std::to_string(record.first) + "," +
           std::to_string(record.count) + ":" + record.payload;
  }
  out += reading.lacks_slot ? ";lacks" : "";
  out += ";" + std::to_string(reading.end) + ";" + reading.unannounced + ";" + reading.error + ";";
}

class Flips {
 public:
  Flips(StateStream& stream, std::uint64_t sample, std::uint64_t part, std::uint64_t parts)
      : stream_(stream), sample_(sample), part_(part), parts_(parts) {}

  // As the judge wants it first.
  void send_whole() {
    std::string acknowledged;
    for (const auto& [group, next] : acknowledged_) {
      acknowledged += (acknowledged.empty() ? "\"" : ",\"") + group + "\":" + std::to_string(next);
    }
    stream_.state("{\"whole\":" + json_of(reading_) + ",\"acknowledged\":{" + acknowledged +
                  "},\"raw\":" + stream_.image(whole_) + "}");
  }
  void send_counts() {
    std::string text = "{\"counts\":[";
    for (const std::uint64_t count : counts_) {
      text += (text.back() == '[' ? "" : ",") + std::to_string(count);
    }
    stream_.state(text + "]}");
  }

  bool make(SubjectOptions options) {
    stream_.begin("flips");
    auto machine = std::make_shared<MemoryMachine>();
    NumberedBlocks blocks(9);
    auto subject = make_subject(std::make_unique<MemoryFiles>(machine), options);
    std::string error = open(*subject);
    for (int i = 0; i < 95 && error.empty(); ++i) {
      const std::uint64_t first = blocks.next();
      const NumberedBlock block = blocks.make();
      stream_.given(first, block.payload);
      error = subject->put(block.payload, block.count);
      if (i % 40 == 7) {
        error += subject->set_positions();
      }
      if (i % 5 == 0) {
        error += subject->sync();
      }
    }
    error += subject->sync();
    error = error.empty() ? add_gap(*machine, *subject, blocks) : error;
    subject = make_subject(std::make_unique<MemoryFiles>(machine), options);
    error += open(*subject);
    for (int i = 0; i < 5 && error.empty(); ++i) {
      const std::uint64_t first = blocks.next();
      const NumberedBlock block = blocks.make();
      stream_.given(first, block.payload);
      error = subject->put(block.payload, block.count);
    }
    error += subject->sync();
    // Two slots of group a that differ, the older one after the first segment; group b has one.
    acknowledged_ = {{"a", 0}, {"b", 0}};
    for (const std::uint64_t least : {first_end(*machine->disk), first_end(*machine->disk) + 1}) {
      Taken taken;
      while (acknowledged_["a"] < least && error.empty()) {
        error = subject->take("a", taken);
        acknowledged_["a"] = taken.any ? taken.first + taken.count : blocks.next();
      }
      error += subject->acknowledge("a", acknowledged_["a"]);
      error += subject->close();  // so that the next one goes into the other slot
    }
    error += subject->close();
    if (!error.empty()) {
      std::fprintf(stderr, "log_flips: %s\n", error.c_str());
      return false;
    }
    subject.reset();
    whole_ = seen(*machine->disk);
    options_ = options;
    MemoryFiles files(machine_of(whole_));
    reading_ = read_log(files);
    const auto gaps = std::count_if(reading_.records.begin(), reading_.records.end(),
                                    [](const Record& record) { return record.is_gap; });
    std::fprintf(stderr, "a log of %zu records, %td gap\n", reading_.records.size(), gaps);
    return reading_.error.empty() && gaps == 1;
  }

  // Every bit of the file.
  void flip(const std::string& name, std::uint64_t every) {
    const std::string content = *whole_.files.at(name);
    for (std::uint64_t bit = 0; bit < content.size() * 8; bit += every) {
      auto damaged = std::make_shared<std::string>(content);
      (*damaged)[bit / 8] = static_cast<char>((*damaged)[bit / 8] ^ (1 << (bit % 8)));
      // Opening is tried for one bit of each byte.
      one(name, std::move(damaged), "bit " + std::to_string(bit), bit % 8 == bit / 8 % 8, 1);
    }
  }

  // Every length of the file.
  void cut(const std::string& name, std::uint64_t every) {
    const std::string content = *whole_.files.at(name);
    for (std::uint64_t size = 0; size < content.size(); size += every) {
      one(name, std::make_shared<std::string>(content.substr(0, size)),
          "cut at " + std::to_string(size), size % 8 == 1, content.size(), "c");
    }
  }

  // Each record as another life of the file would have left it: whole, with another id of the
  // segment.
  void stale(const std::string& name) {
    const std::string content = *whole_.files.at(name);
    for (std::size_t at = kSegmentHeaderBytes; at + kRecordHeaderBytes <= content.size();) {
      const auto* const bytes = reinterpret_cast<const std::uint8_t*>(content.data()) + at;
      RecordHeader header;
      if (!decode(bytes, header) || at + record_bytes(header.length) > content.size() ||
          !checks(bytes, header)) {
        return;
      }
      header.segment_id ^= 1;
      auto damaged = std::make_shared<std::string>(content);
      encode(header, std::string_view(content).substr(at + kRecordHeaderBytes, header.length),
             reinterpret_cast<std::uint8_t*>(damaged->data()) + at);
      one(name, std::move(damaged), "stale record at " + std::to_string(at), true, 1, "s");
      at += record_bytes(header.length);
    }
  }

  const Image& whole() const { return whole_; }
  bool end() { return stream_.end(); }

 private:
  // Where the first segment ends.
  static std::uint64_t first_end(MemoryDisk& disk) {
    const std::vector<std::uint64_t> firsts = segments_of(disk);
    return firsts.size() > 1 ? firsts[1] : 1;
  }

  static std::vector<std::uint64_t> segments_of(MemoryDisk& disk) {
    std::vector<std::uint64_t> firsts;
    for (const auto& [name, file] : disk.directory("")->now) {  // sorted
      if (const auto first = segment_of_name(name)) {
        firsts.push_back(*first);
      }
    }
    return firsts;
  }

  static std::string open(Subject& subject) {
    std::string error = subject.open();
    for (const char* group : {"a", "b"}) {
      error += error.empty() ? subject.open_group(group) : "";
    }
    return error;
  }

  // A power loss that damages one of three records after the durable end: opening writes a gap.
  std::string add_gap(MemoryMachine& machine, Subject& subject, NumberedBlocks& blocks) {
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t first = blocks.next();
      const NumberedBlock block = blocks.make_small();
      stream_.given(first, block.payload);
      if (std::string error = subject.put(block.payload, block.count); !error.empty()) {
        return error;
      }
    }
    for (const auto& [name, file] : machine.disk->directory("")->now) {
      if (file->pending.size() == 3) {
        file->pending[1].bytes[45] ^= 1;
      }
    }
    // Without a head, opening scans the segment, beyond what is damaged.
    machine.disk->file("head")->change({10, std::string(1, '\x7f'), false});
    machine.disk->file("head")->change({4106, std::string(1, '\x7f'), false});
    std::mt19937_64 random(1);
    machine.disk = disk_of(power_loss(*machine.disk, Keep::all, Keep::all, random));
    return "";
  }

  static std::shared_ptr<MemoryMachine> machine_of(const Image& image) {
    auto machine = std::make_shared<MemoryMachine>();
    machine->disk = disk_of(image);
    return machine;
  }

  // `most`: records that may be missing; `outcome`: of each kind of damage one is judged.
  void one(const std::string& name, std::shared_ptr<const std::string> damaged,
           const std::string& what, bool opens, std::size_t most, std::string outcome = "f") {
    if (++seen_ % parts_ != part_) {
      return;
    }
    Image image = whole_;
    image.files[name] = std::move(damaged);
    const std::shared_ptr<MemoryMachine> machine = machine_of(image);
    if (name.starts_with(kGroupsName)) {
      one_group(name, machine, image, what);
      return;
    }
    MemoryFiles files(machine);
    const Reading reading = read_log(files);
    outcome += name == "head" ? "h" : "";
    append_outcome(outcome, reading_, reading);
    // Small records are read in one piece, too. What does not differ in the end is not sent.
    std::optional<Reading> joined;
    if (opens || reading.records != reading_.records) {
      joined = read_log(files, true);
      if (payload_of(*joined) != payload_of(reading)) {
        append_outcome(outcome, reading_, *joined);
      } else {
        joined.reset();
      }
    }
    std::optional<Reading> after;
    if (opens) {
      auto subject = make_subject(std::make_unique<MemoryFiles>(machine), options_);
      std::string refused = subject->open();
      std::string positions = refused.empty() ? subject->positions() : "";
      std::string notices = subject->notices();
      subject.reset();
      after.emplace();
      if (refused.empty()) {
        after = read_log(files);
      } else {
        after->error = std::move(refused);
      }
      after->positions = std::move(positions);
      after->notices = std::move(notices);
      append_outcome(outcome, reading_, *after);
      outcome += after->positions + (after->notices.empty() ? "" : ";told");
    }
    const auto [found, is_new] = outcomes_.emplace(std::move(outcome), counts_.size());
    if (is_new) {
      counts_.push_back(0);
    }
    ++counts_[found->second];
    if (is_new || ++cases_ % sample_ == 0) {
      std::string json = "{\"at\":\"" + name + " " + what +
                         "\",\"outcome\":" + std::to_string(found->second) +
                         ",\"most\":" + std::to_string(most) +
                         (name == "head" ? ",\"head\":true" : "") + ",\"read\":" + json_of(reading);
      json += joined ? ",\"joined\":" + json_of(*joined) : "";
      json += after ? ",\"after\":" + json_of(*after) : "";
      stream_.state(json + ",\"raw\":" + stream_.image(image) + "}");
    }
  }

  // A group whose file is damaged: what a writer frees, where the group continues after that, and
  // once more. All of these go to the judge.
  void one_group(const std::string& name, const std::shared_ptr<MemoryMachine>& machine,
                 const Image& image, const std::string& what) {
    const std::string group = name.substr(name.find('/') + 1);
    std::string json;
    for (int i = 0; i < 2; ++i) {
      auto subject = make_subject(std::make_unique<MemoryFiles>(machine), options_);
      std::string error = subject->open();
      error += error.empty() ? subject->free_passed() : "";
      const std::vector<std::uint64_t> left = segments_of(*machine->disk);
      error += error.empty() ? subject->open_group(group) : "";
      json += (json.empty() ? "[" : ",[") + std::to_string(left.empty() ? 0 : left.front()) + "," +
              (error.empty() ? std::to_string(subject->next(group)) : "null") + "," +
              json_quoted(subject->notices()) + "," + json_quoted(error) + "]";
    }
    const auto [found, is_new] = outcomes_.emplace("g" + group + json, counts_.size());
    if (is_new) {
      counts_.push_back(0);
    }
    ++counts_[found->second];
    stream_.state("{\"at\":\"" + name + " " + what +
                  "\",\"outcome\":" + std::to_string(found->second) + ",\"group\":\"" + group +
                  "\",\"openings\":[" + json + "],\"raw\":" + stream_.image(image) + "}");
  }

  static std::string payload_of(const Reading& reading) {
    std::string all = reading.error;
    for (const Record& record : reading.records) {
      all += record.payload;
    }
    return all;
  }

  // {"records":[[first,count,payload or null]],"end":N,"error":"","silent":"",
  // "lacks_slot":false,"positions":"","notices":""}
  std::string json_of(const Reading& reading) {
    std::string text = "{\"records\":[";
    for (const Record& record : reading.records) {
      std::uint32_t id = 0;
      if (!record.is_gap) {
        const auto [at, is_new] = payloads_.emplace(record.payload, nullptr);
        if (is_new) {
          at->second = std::make_shared<const std::string>(record.payload);
        }
        id = stream_.file(at->second);
      }
      text += (text.back() == '[' ? "[" : ",[") + std::to_string(record.first) + "," +
              std::to_string(record.count) + "," + (record.is_gap ? "null" : std::to_string(id)) +
              "]";
    }
    return text + "],\"end\":" + std::to_string(reading.end) +
           ",\"error\":" + json_quoted(reading.error) +
           ",\"silent\":" + json_quoted(reading.unannounced) +
           ",\"lacks_slot\":" + (reading.lacks_slot ? "true" : "false") +
           ",\"positions\":" + json_quoted(reading.positions) +
           ",\"notices\":" + json_quoted(reading.notices) + "}";
  }

  StateStream& stream_;
  const std::uint64_t sample_;
  const std::uint64_t part_;
  const std::uint64_t parts_;
  std::uint64_t seen_ = 0;
  SubjectOptions options_;
  Image whole_;
  Reading reading_;
  std::map<std::string, std::uint64_t> acknowledged_;
  std::uint64_t cases_ = 0;
  std::unordered_map<std::string, std::size_t> outcomes_;  // and their numbers
  std::vector<std::uint64_t> counts_;                      // cases of each
  std::unordered_map<std::string, std::shared_ptr<const std::string>> payloads_;
};

int run(std::uint64_t every, std::uint64_t sample, std::uint64_t part, std::uint64_t parts,
        bool compressed) {
  StateStream stream(stdout);
  Flips flips(stream, sample, part, parts);
  SubjectOptions options;
  options.segment_bytes = 24 << 10;
  options.compressed = compressed;
  // A seeded bug is for the readings, not for what they read.
  const char* const bug = std::getenv("FL_SEEDED_BUG");
  set_seeded_bug(Bug::none);
  if (!flips.make(options)) {
    return 1;
  }
  set_seeded_bug(bug == nullptr ? Bug::none : bug_named(bug));
  std::uint64_t bytes = 0;
  std::vector<std::string> names;
  for (const auto& [name, content] : flips.whole().files) {
    if (name != "lock") {
      names.push_back(name);
      bytes += content->size();
    }
  }
  std::fprintf(stderr, "a log of %llu bytes\n", static_cast<unsigned long long>(bytes));
  flips.send_whole();
  for (const std::string& name : names) {
    flips.flip(name, every);
    flips.cut(name, (every + 7) / 8);
    if (name.ends_with(".seg")) {
      flips.stale(name);
    }
  }
  flips.send_counts();
  return flips.end() ? 0 : 1;
}

}  // namespace
}  // namespace fl

int main(int argc, char** argv) {
  std::uint64_t every = 1;
  std::uint64_t sample = 500;
  std::uint64_t part = 0;
  std::uint64_t parts = 1;
  bool compressed = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view word = argv[i];
    char* rest = nullptr;
    const std::uint64_t number = std::strtoul(argv[i + 1], &rest, 10);
    if (word == "--part") {
      part = number;
      parts = *rest == '/' ? std::max(1ul, std::strtoul(rest + 1, nullptr, 10)) : 1;
    } else if (word == "--codec") {
      compressed = argv[i + 1] == std::string_view("zstd");
    } else {
      (word == "--every" ? every : sample) = std::max<std::uint64_t>(1, number);
    }
  }
  return fl::run(every, sample, part, parts, compressed);
}
