#include "common/stage/keep_sink.h"

#include <algorithm>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/stage/open_out.h"
#include "common/stage/stage_options.h"

namespace fl {
namespace {

constexpr std::size_t kBlockBytes = (64 << 10) - 64;  // what the smallest pipe takes whole
constexpr std::size_t kWaiting = 4;                   // blocks without an output yet
constexpr std::size_t kSpare = 16;

}  // namespace

KeepSink::KeepSink(Settings settings) : settings_(std::move(settings)) {}

Status KeepSink::open(const StageContext& context) {
  context_ = &context;
  const bool is_group = !settings_.members.empty();
  for (const std::vector<std::string>& words : settings_.members) {
    if (words.empty()) {
      return Error{ErrorClass::usage, "a sink is missing beside '+'", {}};
    }
  }
  const std::vector<std::string>& outs = context.stage->out;
  if (is_group && !outs.empty()) {
    return Error{ErrorClass::usage, "a group of sinks has no --out", {}};
  }
  const std::size_t count = is_group ? settings_.members.size() : outs.size();
  if (count == 0) {
    return Error{ErrorClass::usage, "no --out is given",
                 "name each output: --out >(fl-sink ...) --out FILE"};
  }
  if (Status status = check_distinct(outs); !status) {
    return status;
  }
  turn_.emplace(settings_.turn, count);
  if (context.dry_run) {
    return {};
  }
  places_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    Place& place = places_[i];
    if (is_group) {
      place.member.emplace(settings_.members[i]);
      place.name = place.member->name();
      continue;
    }
    place.name = outs[i];
    Result<Branch> branch = Branch::open(outs[i], context);
    if (!branch) {
      return branch.error();
    }
    place.branch.emplace(std::move(*branch));
  }
  introduce();
  return {};
}

// What is known of an output holds for the stage: the outputs of a group are used one by one.
std::string_view KeepSink::rule() const { return rule_; }

bool KeepSink::open_place(std::size_t index) {
  Place& place = places_[index];
  if (!place.member || place.is_over || place.member->is_running() ||
      looked_ms_ < turn_->free_at_ms(index)) {
    return false;
  }
  Result<UniqueFd> writer = place.member->start();
  if (writer) {
    Result<Branch> branch = Branch::open(std::move(*writer), place.name, *context_);
    if (branch) {
      place.branch.emplace(std::move(*branch));
      place.acked = 0;
      return true;
    }
    lose(index, branch.error().message);
  } else {
    lose(index, writer.error().message);
  }
  return false;
}

// A sink of a group is started before there are events until one has said its rule: the source may
// wait for that.
void KeepSink::introduce() {
  const bool is_open = std::any_of(places_.begin(), places_.end(),
                                   [](const Place& place) { return place.branch.has_value(); });
  if (!rule_.empty() || is_open) {
    return;
  }
  looked_ms_ = monotonic_ms();
  for (const std::size_t index : turn_->order()) {
    if (open_place(index)) {
      return;
    }
  }
}

void KeepSink::lose(std::size_t index, const std::string& why) {
  Place& place = places_[index];
  std::uint64_t events = 0;
  for (auto kept = place.sent.rbegin(); kept != place.sent.rend(); ++kept) {
    events += (*kept)->block.count();
    waiting_.push_front(*kept);
  }
  place.sent.clear();
  if (place.member && place.branch) {
    place.branch->output().remove_socket();  // its only reader is gone
  }
  place.branch.reset();
  moved_ += events;
  const bool again = place.member.has_value();
  place.is_over = !again;
  turn_->failed(index, monotonic_ms());
  log(LogLevel::warning, "output '" + place.name + "' failed: " + why +
                             (events == 0 ? ""
                                          : "; " + count_of(events, "event") +
                                                " that it has not acknowledged go to another one") +
                             (again ? "" : "; it is not used any more"));
}

Status KeepSink::deliver(const Batch& batch) {
  Kept* open = nullptr;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Event& event = batch[i];
    const bool fits = open != nullptr && (open->block.size() + event.size <= kBlockBytes &&
                                          open->block.count() < BlockBuilder::kMaxCount);
    if (!fits) {
      std::unique_ptr<Kept> kept;
      if (spare_.empty()) {
        kept = std::make_unique<Kept>();
      } else {
        kept = std::move(spare_.back());
        spare_.pop_back();
      }
      open = kept.get();
      waiting_.push_back(open);
      kept_.push_back(std::move(kept));
    }
    open->block.add_encoded({}, event.bytes());
    kept_bytes_ += event.size;
  }
  assign();
  if (kept_bytes_ >= settings_.capacity / 4 * 3 && !want_open_) {
    want_open_ = true;
    want_all();
  }
  return {};
}

bool KeepSink::ready() const {
  return waiting_.size() < kWaiting && kept_bytes_ < settings_.capacity;
}

// Gives the first waiting block to output `index`, if that takes it now.
bool KeepSink::give(std::size_t index) {
  Place& place = places_[index];
  place.branch->pump();
  if (!place.branch->is_live() || place.branch->is_closed() || place.branch->output().busy()) {
    return false;
  }
  Kept& kept = *waiting_.front();
  waiting_.pop_front();
  place.branch->output().send(kept.block.block());
  kept.end = place.branch->output().sent();
  place.sent.push_back(&kept);
  place.branch->pump();
  turn_->used(index);
  ++given_;
  return true;
}

void KeepSink::assign() {
  looked_ms_ = monotonic_ms();
  while (!waiting_.empty()) {
    bool given = false;
    for (const std::size_t index : turn_->order()) {
      Place& place = places_[index];
      if (!place.branch) {
        (void)open_place(index);
      }
      if (!place.branch || !place.branch->is_live()) {
        continue;
      }
      given = give(index);
      // The active one of a failover group is waited for, however slow it is.
      if (given || settings_.turn.policy == Turn::Policy::failover) {
        break;
      }
    }
    if (!given) {
      return;
    }
  }
}

// What output `index` has said since the last time.
void KeepSink::hear(std::size_t index) {
  Place& place = places_[index];
  if (place.branch) {
    Output& output = place.branch->output();
    const std::uint64_t acked = output.acked();
    if (acked > place.acked) {
      place.acked = acked;
      turn_->worked(index);
    }
    while (!place.sent.empty() && place.sent.front()->end <= acked) {
      place.sent.front()->safe = true;
      place.sent.pop_front();
    }
    if (const std::optional<std::string_view> rule = output.rule()) {
      rule_ = *rule;
    }
  }
  std::optional<int> status = place.member ? place.member->ended() : std::nullopt;
  if (!place.branch) {
    return;
  }
  if (place.member && !status && place.branch->state() == Branch::State::lost) {
    status = place.member->stop();  // its status says more than its closed pipe
  }
  const bool closed = place.branch->is_closed() && place.sent.empty();
  if (place.branch->state() == Branch::State::enough) {
    place.wants_no_more = true;
    if (place.sent.empty()) {
      place.branch.reset();
    } else {
      lose(index, "it asks for no more");
    }
    place.is_over = true;
  } else if (status && !closed) {
    lose(index, "it ended with status " + std::to_string(*status));
    if (*status == static_cast<int>(ErrorClass::usage)) {
      broken_ = {ErrorClass::usage, "'" + place.name + "' is not what fl-sink takes", {}};
    } else if (*status == static_cast<int>(ErrorClass::config)) {
      log(LogLevel::error,
          "output '" + place.name + "' can never work as it is: not used any more");
      place.is_over = true;
    }
  } else if (place.branch->state() == Branch::State::lost) {
    lose(index, place.branch->why());
  }
}

void KeepSink::forget_safe() {
  while (!kept_.empty() && kept_.front()->safe) {
    std::unique_ptr<Kept> kept = std::move(kept_.front());
    kept_.pop_front();
    safe_ += kept->block.count();
    kept_bytes_ -= kept->block.size();
    kept->block.clear();
    kept->safe = false;
    if (spare_.size() < kSpare) {
      spare_.push_back(std::move(kept));
    }
    want_open_ = false;
  }
}

void KeepSink::want_all() {
  wanted_ = given_;
  for (Place& place : places_) {
    if (place.branch && place.branch->is_live()) {
      place.branch->output().want(place.branch->output().sent());
    }
  }
}

Status KeepSink::commit(std::uint64_t) {
  want_all();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    hear(i);
  }
  forget_safe();
  return {};
}

void KeepSink::watch(PollSet& set) {
  for (Place& place : places_) {
    if (place.branch) {
      place.branch->output().watch(set);
    }
    if (place.member) {
      place.member->watch(set);
    }
  }
}

Status KeepSink::handle(const PollSet& set) {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].branch) {
      places_[i].branch->handle(set);
    }
    hear(i);
  }
  if (broken_) {
    return *broken_;
  }
  forget_safe();
  introduce();
  assign();
  const bool is_group = !settings_.members.empty();
  if (!any_left() && !reader_closed() && (is_group || !kept_.empty())) {
    return Error{is_group ? ErrorClass::config : ErrorClass::again, "no output is left", {}};
  }
  return {};
}

bool KeepSink::any_left() const {
  return std::any_of(places_.begin(), places_.end(),
                     [](const Place& place) { return !place.is_over; });
}

std::int64_t KeepSink::deadline_ms() const {
  std::int64_t next = -1;
  if (!waiting_.empty() || rule_.empty()) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const Place& place = places_[i];
      const std::int64_t at = turn_->free_at_ms(i);
      // Who was free at the last look was passed over: time does not change that.
      if (place.member && !place.is_over && !place.branch && at > looked_ms_) {
        next = next < 0 ? at : std::min(next, at);
      }
    }
  }
  return next;
}

Result<bool> KeepSink::input_over(bool whole) {
  // Outputs stay open until nothing is kept: what one of them loses at last goes to another.
  if (!kept_.empty()) {
    if (given_ != wanted_) {
      want_all();
    }
    for (std::size_t i = 0; i < places_.size(); ++i) {
      hear(i);
    }
    forget_safe();
    if (!kept_.empty()) {
      return false;
    }
  }
  bool over = true;
  for (Place& place : places_) {
    if (place.branch) {
      over = place.branch->close(whole) && over;
    }
    if (place.member && place.member->is_running()) {
      over = false;
    }
  }
  return over;
}

bool KeepSink::reader_closed() const {
  return !places_.empty() && kept_.empty() &&
         std::all_of(places_.begin(), places_.end(),
                     [](const Place& place) { return place.wants_no_more; });
}

Status KeepSink::close() {
  for (Place& place : places_) {
    if (place.branch && kept_.empty()) {
      place.branch->output().remove_socket();
    }
    place.branch.reset();  // its reader sees the end of its input first
    if (place.member) {
      place.member->stop();
    }
  }
  return {};
}

void KeepSink::figures(FigureList& out) const {
  const auto used = std::count_if(places_.begin(), places_.end(), [](const Place& place) {
    return place.branch && place.branch->is_live();
  });
  out.gauge("outputs", "Outputs, or sinks of the group.", places_.size()).said("outputs");
  out.gauge("outputs_in_use", "Those that take events now.", static_cast<std::uint64_t>(used))
      .said("in use");
  out.gauge("bytes_kept", "Events in memory that are not acknowledged.", kept_bytes_);
  out.counter("events_given_again_total",
              "Events that went to another output because theirs was lost.", moved_)
      .said_if_any("given again");
}

}  // namespace fl
