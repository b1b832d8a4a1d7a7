#include "common/fanout/group_sink.h"

#include <algorithm>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/stage_options.h"
#include "common/fanout/child_options.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/stage/open_out.h"

namespace fl {
namespace {

constexpr std::size_t kWaiting = 4;     // blocks without an output yet
constexpr std::int64_t kLastMs = 3000;  // for the ends of all processes together

}  // namespace

GroupSink::GroupSink(Settings settings) : settings_(std::move(settings)) {}

Status GroupSink::open(const StageContext& context) {
  context_ = &context;
  if (settings_.capacity < kLeastCapacity) {
    return Error{
        ErrorClass::usage, "--capacity is less than 1MiB",
        "a sink makes events safe in portions, and waits for the next when the capacity is "
        "used up"};
  }
  const std::vector<std::string>& outs = context.stage->out;
  if (is_group() && !outs.empty()) {
    return Error{ErrorClass::usage, "a group of sinks has no --out", {}};
  }
  const std::size_t count = is_group() ? settings_.members.size() : outs.size();
  if (count == 0 || count > KeptBlocks::kMaxOutputs) {
    return Error{ErrorClass::usage,
                 count == 0 ? "no --out is given" : "more than 64 outputs are given",
                 "name each output: --out >(fl-sink ...) --out FILE"};
  }
  order_.emplace(settings_.turn, count);
  kept_ = KeptBlocks(count);
  destinations_.reserve(count);
  return is_group() ? open_members() : open_outs(outs);
}

Status GroupSink::open_members() {
  std::vector<ChildSink> members;
  for (const std::vector<std::string>& words : settings_.members) {
    if (words.empty()) {
      return Error{ErrorClass::usage, "a sink is missing beside '+'", {}};
    }
    members.emplace_back(words, member_options(*context_, words));
  }
  if (Status status = ChildSink::check(members); !status) {
    return status;
  }
  if (context_->dry_run) {
    return ChildSink::try_out(members);
  }
  for (ChildSink& member : members) {
    Destination& destination = destinations_.emplace_back();
    destination.name = member.name();
    destination.member.emplace(std::move(member));
  }
  start_first_child();
  return {};
}

Status GroupSink::open_outs(const std::vector<std::string>& outs) {
  if (Status status = check_distinct(outs); !status || context_->dry_run) {
    return status;
  }
  for (const std::string& out : outs) {
    if (is_unix_endpoint(out)) {
      Result<std::string> path = unix_path(out);
      if (!path) {
        return path.error();
      }
      Destination& destination = destinations_.emplace_back();
      destination.name = out;
      destination.dialer.emplace(std::move(*path));
      continue;
    }
    Result<NamedOutput> branch = NamedOutput::open(out, *context_);
    if (!branch) {
      return branch.error();
    }
    Destination& destination = destinations_.emplace_back();
    destination.name = out;
    destination.branch.emplace(std::move(*branch));
  }
  return {};
}

// What is known of an output holds for the stage: the outputs of a group are used one by one.
std::optional<Guarantee> GroupSink::guarantee() const {
  return at_.empty() ? std::nullopt : std::optional(parse_guarantee(at_));
}

bool GroupSink::connect(Destination& destination) const {
  UnixDialer& dialer = *destination.dialer;
  if (destination.branch || looked_ms_ < dialer.next_ms()) {
    return false;
  }
  UniqueFd fd = dialer.dial();
  if (!fd) {
    return false;
  }
  Result<NamedOutput> branch =
      NamedOutput::open(std::move(fd), destination.name,
                        {context_->stage->ack == "on", OutputSettings::kNever, context_->codec});
  if (!branch) {
    dialer.lost(branch.error().message);
    return false;
  }
  destination.branch.emplace(std::move(*branch));
  return true;
}

// Connects to readers that listen before there are events: a source may wait for one.
void GroupSink::connect_all() {
  for (Destination& destination : destinations_) {
    if (destination.dialer) {
      (void)connect(destination);
    }
  }
}

bool GroupSink::open_destination(std::size_t index) {
  Destination& destination = destinations_[index];
  if (destination.dialer) {
    return connect(destination);
  }
  if (!destination.member || destination.is_over || destination.branch ||
      destination.member->is_running() || looked_ms_ < order_->free_at_ms(index)) {
    return false;
  }
  Result<UniqueFd> writer = destination.member->start();
  if (!writer) {
    output_failed(index, writer.error().message);
    return false;
  }
  Result<NamedOutput> branch = NamedOutput::open(
      std::move(*writer), destination.name, {true, context_->stage->ack_wait.ms, context_->codec});
  if (!branch) {
    destination.member->end();
    output_failed(index, branch.error().message);
    return false;
  }
  destination.branch.emplace(std::move(*branch));
  return true;
}

// Sinks of a group are started before there are events, until one has reported its rule: the source
// may wait for that.
void GroupSink::start_first_child() {
  const bool is_open =
      std::any_of(destinations_.begin(), destinations_.end(),
                  [](const Destination& destination) { return destination.branch.has_value(); });
  if (!at_.empty() || is_open) {
    return;
  }
  looked_ms_ = monotonic_ms();
  for (const std::size_t index : order_->order()) {
    if (open_destination(index)) {
      return;
    }
  }
}

void GroupSink::output_failed(std::size_t index, const std::string& why) {
  Destination& destination = destinations_[index];
  const std::uint64_t events = kept_.take_back(index);
  const bool again = destination.member || destination.dialer;
  // An endpoint that rejects every connection is tried every second: no line for each.
  const bool is_refused =
      destination.dialer && destination.branch->output().reader() == StageOutput::Reader::unknown;
  log(is_refused ? LogLevel::debug : LogLevel::warning,
      "output '" + destination.name + "' failed: " + why +
          (events == 0 ? ""
                       : "; " + count_of(events, "event") + " that it has not acknowledged " +
                             (events == 1 ? "goes" : "go") + " to another one") +
          (again ? "" : "; it is no longer used"));
  if (again && destination.branch) {
    destination.branch->output().remove_socket();  // its only reader is gone
  }
  destination.branch.reset();
  destination.has_failed = true;
  destination.is_over = !again;
  moved_ += events;
  if (destination.dialer) {
    destination.dialer->lost(why);
  } else {
    order_->failed(index, monotonic_ms());
  }
  // Where time without progress counts, the next one must not wait until its file is complete.
  if (is_group() && events > 0 && context_->stage->give_up_after.ms > 0) {
    ask_all(kept_.events());
  }
}

Status GroupSink::deliver(const Batch& batch) {
  kept_.add(batch, KeptBlocks::kBlockBytes);
  took();
  return {};
}

void GroupSink::deliver(const Block& block) {
  kept_.add(block, KeptBlocks::kBlockBytes);
  took();
}

void GroupSink::took() {
  assign();
  if (const std::uint64_t n = kept_.wanted_for_room(settings_.capacity); n > 0) {
    ask_all(n);
  }
}

bool GroupSink::has_outputs_left() const {
  return std::any_of(destinations_.begin(), destinations_.end(),
                     [](const Destination& destination) { return !destination.is_over; });
}

bool GroupSink::ready() const {
  return kept_.waiting() < kWaiting && !kept_.is_full(settings_.capacity);
}

// Gives the first waiting block to output `index`, if that takes it now.
bool GroupSink::give(std::size_t index) {
  Destination& destination = destinations_[index];
  destination.branch->pump();
  if (!destination.branch->is_live() || destination.branch->is_closed() ||
      destination.branch->output().busy() ||
      (settings_.needs_ack && !destination.branch->output().guarantee())) {
    return false;
  }
  destination.branch->output().send(kept_.give(index));
  destination.branch->pump();
  ask(index);
  order_->used(index);
  return true;
}

void GroupSink::assign() {
  looked_ms_ = monotonic_ms();
  const bool is_failover = settings_.turn.policy == OutputOrder::Policy::failover;
  while (kept_.waiting() > 0 && !is_failing_) {
    bool given = false;
    for (const std::size_t index : order_->order()) {
      Destination& destination = destinations_[index];
      if (!destination.branch) {
        (void)open_destination(index);
      }
      if (destination.branch && destination.branch->is_live()) {
        given = give(index);
      }
      // The active one of a failover group is waited for, however slow it is, and one that ends
      // until what it holds may go first.
      if (given || (is_failover && destination.branch && !destination.is_over)) {
        break;
      }
    }
    if (!given) {
      return;
    }
  }
}

// Takes in what output `index` has sent since the last time.
void GroupSink::hear(std::size_t index) {
  Destination& destination = destinations_[index];
  std::optional<int> status = destination.member ? destination.member->ended() : std::nullopt;
  if (!destination.branch) {
    return;
  }
  if (status && destination.branch->is_live()) {
    PollSet now;  // its last words
    destination.branch->output().watch(now);
    now.wake_now();
    now.wait();
    destination.branch->handle(now);
  }
  StageOutput& output = destination.branch->output();
  const std::uint64_t safe = kept_.safe();
  if (kept_.acked(index, output.acked(), output.busy())) {
    order_->worked(index);
    if (destination.dialer) {
      destination.dialer->worked();
    }
  }
  if (kept_.safe() > safe) {
    safe_since_ms_ = monotonic_ms();
    for (Destination& each : destinations_) {
      each.has_failed = false;
    }
  }
  if (const std::optional<Guarantee> its = output.guarantee()) {
    if (settings_.needs_ack && its->level == Level::none) {
      if (!destination.is_over) {
        output_failed(index, "it does not acknowledge");
      }
      if (!has_outputs_left() && kept_.empty()) {
        broken_ = {ErrorClass::unavailable, "no output acknowledges: nothing sent",
                   "--ack=off accepts events as delivered once they are written"};
      }
      return;
    }
    at_ = to_line(*its);
  }
  check_output(index, status);
}

// Decides what happens to it after that. `status`: its process has ended.
void GroupSink::check_output(std::size_t index, std::optional<int> status) {
  const Destination& destination = destinations_[index];
  if (destination.is_over || is_failing_) {
    return;
  }
  if (!destination.dialer) {
    check_child(index, status);
  } else if (!destination.branch->is_live()) {
    const bool is_enough = destination.branch->state() == NamedOutput::State::enough;
    output_failed(index,
                  is_enough ? "it asks for no more" : std::string(destination.branch->why()));
  }
}

void GroupSink::check_child(std::size_t index, std::optional<int> status) {
  Destination& destination = destinations_[index];
  NamedOutput& branch = *destination.branch;
  if (branch.state() == NamedOutput::State::enough) {
    destination.wants_no_more = true;
    destination.is_over = true;
    if (kept_.holds(index)) {
      output_failed(index, "it asks for no more");
      destination.is_over = true;
    } else {
      branch.output().close_silently();
    }
    return;
  }
  if (status && (!branch.is_live() || !branch.is_closed() || kept_.holds(index))) {
    if (*status == static_cast<int>(ErrorClass::input)) {
      kept_.refuse(index);
    }
    output_failed(index, "it ended with status " + std::to_string(*status));
    if (*status == static_cast<int>(ErrorClass::usage)) {
      broken_ = {ErrorClass::usage, "'" + destination.name + "' is not what fl-sink takes",
                 kPlusHint};
    } else if (*status == static_cast<int>(ErrorClass::config)) {
      log(LogLevel::error,
          "output '" + destination.name + "' can never work as it is: no longer used");
      destination.is_over = true;
    }
    return;
  }
  if (branch.state() != NamedOutput::State::lost) {
    return;
  }
  if (destination.member && destination.member->is_running()) {
    branch.output().close_silently();
    destination.member->end();
  } else {
    output_failed(index, std::string(branch.why()));
  }
}

void GroupSink::hear_all() {
  for (std::size_t i = 0; i < destinations_.size(); ++i) {
    hear(i);
  }
}

// Asks an output that holds requested events to make them safe.
void GroupSink::ask(std::size_t index) {
  Destination& destination = destinations_[index];
  if (destination.branch && destination.branch->is_live()) {
    if (const std::uint64_t n = kept_.wanted(index); n > 0) {
      destination.branch->output().want(n);
    }
  }
}

void GroupSink::ask_all(std::uint64_t n) {
  kept_.want(n);
  for (std::size_t i = 0; i < destinations_.size(); ++i) {
    ask(i);
  }
}

Status GroupSink::commit(std::uint64_t n) {
  ask_all(n);
  hear_all();
  return {};
}

void GroupSink::watch(PollSet& set, bool) {
  for (Destination& destination : destinations_) {
    if (destination.branch) {
      destination.branch->output().watch(set);
    }
    if (destination.member) {
      destination.member->watch(set);
    }
  }
}

Status GroupSink::handle(const PollSet& set) {
  for (Destination& destination : destinations_) {
    if (destination.branch) {
      destination.branch->handle(set);
    }
  }
  hear_all();
  if (is_failing_) {
    return {};
  }
  if (Status status = check_left(); !status) {
    return status;
  }
  start_first_child();
  assign();
  connect_all();
  return {};
}

// An error if what is kept will not be taken.
Status GroupSink::check_left() const {
  if (broken_) {
    return *broken_;
  }
  std::uint64_t left = 0;
  for (std::size_t i = 0; i < destinations_.size(); ++i) {
    left |= std::uint64_t{destinations_[i].is_over ? 0U : 1U} << i;
  }
  if (left == 0 && !reader_closed() && (is_group() || !kept_.empty())) {
    return Error{is_group() ? ErrorClass::config : ErrorClass::again, "no output is left", {}};
  }
  if (kept_.is_refused_by(left)) {
    return Error{ErrorClass::input,
                 std::string("an event is refused by ") +
                     (destinations_.size() == 1 ? "the sink" : "every sink") +
                     " of the group, which says why",
                 "--reject FILE keeps such events and continues"};
  }
  const std::int64_t give_up = give_up_at_ms();
  if (give_up >= 0 && monotonic_ms() >= give_up) {
    return Error{ErrorClass::unavailable, "no sink of the group works",
                 "--grace waits longer for one"};
  }
  return {};
}

std::optional<Error> GroupSink::missing() const {
  const bool none_works =
      std::all_of(destinations_.begin(), destinations_.end(),
                  [](const Destination& each) { return each.is_over || each.has_failed; });
  if (!is_group() || kept_.empty() || !none_works) {
    return std::nullopt;
  }
  return Error{ErrorClass::unavailable, "no sink of the group works"};
}

// One that runs again may be busy with something that takes long.
bool GroupSink::all_have_failed() const {
  return std::all_of(
      destinations_.begin(), destinations_.end(), [](const Destination& destination) {
        return destination.is_over || (destination.has_failed && !destination.branch);
      });
}

// When to give up a group none of whose sinks works; -1: not now.
std::int64_t GroupSink::give_up_at_ms() const {
  if (!is_group() || over_since_ms_ < 0 || kept_.empty() || stop_requested() ||
      !all_have_failed()) {
    return -1;
  }
  return std::max(over_since_ms_, safe_since_ms_) + context_->grace_ms;
}

std::int64_t GroupSink::deadline_ms() const {
  std::int64_t next = give_up_at_ms();
  const auto sooner = [&next](std::int64_t at) { next = next < 0 ? at : std::min(next, at); };
  for (const Destination& destination : destinations_) {
    if (destination.dialer && !destination.branch) {
      sooner(destination.dialer->next_ms());
    }
  }
  if (kept_.waiting() > 0 || at_.empty()) {
    for (std::size_t i = 0; i < destinations_.size(); ++i) {
      const Destination& destination = destinations_[i];
      const std::int64_t at = order_->free_at_ms(i);
      // One that was free at the last look was passed over: time does not change that.
      if (destination.member && !destination.is_over && !destination.branch && at > looked_ms_) {
        sooner(at);
      }
    }
  }
  return next;
}

Result<bool> GroupSink::input_over(const StreamEnd& outcome) {
  if (over_since_ms_ < 0) {
    over_since_ms_ = monotonic_ms();
    ask_all(kept_.events());
  }
  // Outputs stay open until nothing is kept: what one of them loses at last goes to another.
  if (!kept_.empty()) {
    hear_all();
    if (!kept_.empty()) {
      return false;
    }
  }
  bool over = true;
  for (Destination& destination : destinations_) {
    const bool is_deaf = destination.dialer &&
                         (outcome || (destination.branch && destination.branch->output().reader() ==
                                                                StageOutput::Reader::unknown));
    if (destination.branch && ((destination.member && outcome) || is_deaf)) {
      // The status of a member is judged here, and a reader at an endpoint gets no failure.
      destination.branch->output().close_silently();
    } else if (destination.branch && !destination.branch->is_closed()) {
      over = destination.branch->close(outcome) && over;
    }
    if (destination.member && destination.member->is_running()) {
      over = false;
    }
  }
  return over;
}

void GroupSink::no_more_comes() {
  if (over_since_ms_ < 0) {
    over_since_ms_ = monotonic_ms();
    ask_all(kept_.events());
  }
  for (Destination& destination : destinations_) {
    if (kept_.waiting() == 0 && destination.branch && destination.branch->is_live() &&
        !destination.branch->is_closed()) {
      destination.branch->output().last();
    }
  }
}

bool GroupSink::tell_failure(const Failure& failure) {
  is_failing_ = true;
  bool told = true;
  for (Destination& destination : destinations_) {
    if (destination.branch && destination.dialer) {
      destination.branch->output().close_silently();
    } else if (destination.branch && !destination.member && !destination.branch->is_closed()) {
      destination.branch->pump();
      told = destination.branch->close(failure) && told;
    }
  }
  return told;
}

void GroupSink::remove_sockets() {
  for (Destination& destination : destinations_) {
    if (destination.branch) {
      destination.branch->output().remove_socket();
    }
  }
}

bool GroupSink::reader_closed() const {
  return !destinations_.empty() && kept_.empty() &&
         std::all_of(destinations_.begin(), destinations_.end(),
                     [](const Destination& destination) { return destination.wants_no_more; });
}

// All sinks of a group see the end of their input at the same time, and end together.
Status GroupSink::close() {
  for (Destination& destination : destinations_) {
    if (destination.member && destination.branch) {
      destination.branch->output().close_silently();
      destination.branch->output().remove_socket();
      destination.member->end();
    }
  }
  const std::int64_t deadline = monotonic_ms() + kLastMs;
  for (Destination& destination : destinations_) {
    while (destination.member && destination.member->is_running() && !destination.member->ended() &&
           monotonic_ms() < deadline) {
      PollSet set;
      for (const Destination& each : destinations_) {
        if (each.member) {
          each.member->watch(set);
        }
      }
      set.wake_at(deadline);
      set.wait();
    }
  }
  return {};
}

void GroupSink::reopen() {
  for (const Destination& destination : destinations_) {
    if (destination.member && destination.branch && destination.branch->output().guarantee()) {
      destination.member->hang_up();  // it runs: before that the signal would end it
    }
  }
}

void GroupSink::figures(FigureList& out) const {
  const auto used =
      std::count_if(destinations_.begin(), destinations_.end(), [](const Destination& destination) {
        return destination.branch && destination.branch->is_live();
      });
  out.gauge("outputs", "Outputs, or sinks of the group.", destinations_.size()).said("outputs");
  out.gauge("outputs_in_use", "Those that take events now.", static_cast<std::uint64_t>(used))
      .said("in use");
  out.gauge("bytes_kept", "Events in memory that are not acknowledged.", kept_.bytes());
  out.counter("events_given_again_total",
              "Events that were sent to another output because theirs was lost.", moved_)
      .said_if_any("given again");
}

}  // namespace fl
