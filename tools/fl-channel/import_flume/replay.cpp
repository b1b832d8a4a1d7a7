#include "tools/fl-channel/import_flume/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/random.h"
#include "common/base/text.h"

namespace fl::flume {
namespace {

constexpr int kRecordsInStep = 4096;

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  const std::string bytes = random_bytes(sizeof seed);
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(&seed));
  return seed;
}

}  // namespace

Replay::Replay(std::vector<FoundFiles> directories, std::optional<Checkpoint> checkpoint,
               std::uint64_t most, Complaint complain)
    : most_(most),
      complain_(std::move(complain)),
      has_checkpoint_(checkpoint.has_value()),
      known_files_(0, Mixed{random_seed()}),
      queue_(0, Mixed{random_seed()}),
      taken_(0, Mixed{random_seed()}),
      open_(0, Mixed{random_seed()}),
      being_taken_(0, Mixed{random_seed()}) {
  for (FoundFiles& files : directories) {
    for (const FoundFile& file : files) {
      known_files_.insert(file.number);
      newest_file_ = std::max(newest_file_, file.number);
    }
    lanes_.emplace_back().files = std::move(files);
  }
  is_complete_ = known_files_.size() == newest_file_;
  if (!checkpoint) {
    return;
  }
  order_ = checkpoint->order;
  // What is given back goes to the head of the queue.
  std::sort(checkpoint->takes.begin(), checkpoint->takes.end());
  for (auto& [transaction, pointers] : checkpoint->takes) {
    for (const Pointer pointer : pointers) {
      being_taken_.emplace(pointer, next_place_++);
    }
    held_ += pointers.size();
    open_[transaction].takes = std::move(pointers);
  }
  for (auto& [transaction, pointers] : checkpoint->puts) {
    held_ += pointers.size();
    open_[transaction].puts = std::move(pointers);
  }
  for (const Pointer pointer : checkpoint->queue) {
    queue_.emplace(pointer, next_place_++);
  }
}

// What the checkpoint knows of the file need not be read.
std::uint64_t Replay::start_of(const FoundFile& file) const {
  if (!has_checkpoint_) {
    return 0;
  }
  if (file.meta.order != 0 && file.meta.order <= order_) {
    return file.meta.position;
  }
  return file.meta.backup_order != 0 && file.meta.backup_order <= order_ ? file.meta.backup_position
                                                                         : 0;
}

Result<bool> Replay::advance(Lane& lane) {
  for (;;) {
    if (!lane.open) {
      if (lane.at == lane.files.size()) {
        return false;
      }
      const FoundFile& file = lane.files[lane.at++];
      Result<FileWindow> window = FileWindow::open(file.path);
      if (!window) {
        return window.error();
      }
      lane.open =
          std::make_unique<DataFile>(std::move(*window), file.number, start_of(file), complain_);
    }
    Result<bool> more = lane.open->next();
    if (!more || *more) {
      return more;
    }
    lane.open.reset();
  }
}

Status Replay::check_size() const {
  if (queue_.size() + taken_.size() + held_ <= most_) {
    return {};
  }
  return Error{
      ErrorClass::config,
      fmt::format("there are more than {} events in the channel and its open transactions", most_),
      "give --capacity the channel's capacity, or more"};
}

Result<bool> Replay::step() {
  for (int i = 0; i < kRecordsInStep; ++i) {
    Lane* first = nullptr;
    for (Lane& lane : lanes_) {
      if (!lane.has_record) {
        const Result<bool> more = advance(lane);
        if (!more) {
          return more;
        }
        lane.has_record = *more;
      }
      if (lane.has_record &&
          (first == nullptr || lane.open->record().order < first->open->record().order)) {
        first = &lane;
      }
    }
    if (first == nullptr) {
      return false;
    }
    first->has_record = false;
    if (Status applied = apply(*first); !applied) {
      return applied.error();
    }
  }
  return true;
}

Status Replay::apply(const Lane& lane) {
  const Record& record = lane.open->record();
  const Pointer pointer = lane.open->pointer();
  if (has_checkpoint_ && record.order <= order_) {
    if (lane.is_behind_checkpoint) {
      complain_(
          fmt::format("the record at {} of log-{} is damaged: it is after the "
                      "checkpoint and claims to be older",
                      offset_of(pointer), file_of(pointer)));
    }
    return {};
  }
  if (record.kind == Kind::put || record.kind == Kind::take) {
    Transaction& transaction = open_[record.transaction];
    if (record.kind == Kind::put) {
      transaction.puts.push_back(pointer);
    } else {
      transaction.takes.push_back(record.taken);
    }
    ++held_;
    return check_size();
  }
  const auto found = open_.find(record.transaction);
  if (found == open_.end()) {
    // What it commits may be in a file that Flume has removed.
    if (record.kind == Kind::commit && (is_complete_ || has_checkpoint_)) {
      complain_(fmt::format("the commit at {} of log-{} is of a transaction without a record",
                            offset_of(pointer), file_of(pointer)));
    }
    return {};
  }
  if (record.kind == Kind::commit) {
    commit(record, found->second);
  }
  held_ -= found->second.puts.size() + found->second.takes.size();
  open_.erase(found);
  return check_size();
}

void Replay::commit(const Record& record, const Transaction& transaction) {
  if (!record.commits_takes) {
    for (const Pointer pointer : transaction.puts) {
      if (taken_.erase(pointer) == 0) {
        queue_.emplace(pointer, next_place_++);
      }
    }
    return;
  }
  for (const Pointer pointer : transaction.takes) {
    // Flume removes a file when all of its events are taken.
    const bool may_come =
        known_files_.contains(file_of(pointer)) || is_complete_ || file_of(pointer) > newest_file_;
    if (queue_.erase(pointer) == 0 && being_taken_.erase(pointer) == 0 && may_come) {
      taken_.insert(pointer);
    }
  }
}

std::vector<Pointer> Replay::events() {
  if (!taken_.empty()) {
    complain_(count_of(taken_.size(), "taken event") +
              " are not in the files: these events are delivered again");
  }
  for (const auto& [number, transaction] : open_) {
    uncommitted_ += transaction.puts.size();
  }
  // Nobody committed the takes that are left: their events were never out of the queue, or return.
  for (const auto& [pointer, place] : being_taken_) {
    queue_.emplace(pointer, place);
  }
  std::vector<std::pair<std::uint64_t, Pointer>> places;
  places.reserve(queue_.size());
  for (const auto& [pointer, place] : queue_) {
    places.emplace_back(place, pointer);
  }
  queue_.clear();
  std::sort(places.begin(), places.end());
  std::vector<Pointer> events;
  events.reserve(places.size());
  for (const auto& [place, pointer] : places) {
    events.push_back(pointer);
  }
  return events;
}

}  // namespace fl::flume
