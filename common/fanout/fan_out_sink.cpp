#include "common/fanout/fan_out_sink.h"

#include <algorithm>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/stage_options.h"
#include "common/io/poll_set.h"
#include "common/stage/open_out.h"

namespace fl {
namespace {

// What waits for one output besides the block that is being written.
constexpr std::size_t kQueueBytes = 1 << 20;
constexpr std::size_t kSpareBuilders = 8;

}  // namespace

Status FanOutSink::open(const StageContext& context) {
  const std::vector<std::string>& outs = context.stage->out;
  if (outs.empty() || outs.size() > kMaxOutputs) {
    return Error{ErrorClass::usage,
                 outs.empty() ? "no --out is given" : "more than 64 outputs are given",
                 "name each output: --out >(fl-sink ...) --out FILE"};
  }
  if (Status status = selector_->open(outs.size()); !status) {
    return status;
  }
  if (Status status = check_distinct(outs); !status) {
    return status;
  }
  if (context.dry_run) {
    return {};
  }
  lanes_.reserve(outs.size());
  for (const std::string& out : outs) {
    Result<NamedOutput> branch = NamedOutput::open(out, context);
    if (!branch) {
      return branch.error();
    }
    lanes_.emplace_back(std::move(*branch));
    lanes_.back().is_optional = (selector_->only_optional() >> (lanes_.size() - 1) & 1) != 0;
  }
  return {};
}

std::optional<Guarantee> FanOutSink::guarantee() const {
  if (lanes_.empty()) {
    return std::nullopt;  // a dry run opens no outputs
  }
  std::optional<std::optional<Guarantee>> weakest;
  for (const Lane& lane : lanes_) {
    if (!lane.is_optional) {
      const std::optional<Guarantee> its = lane.branch.output().guarantee();
      weakest = weakest ? weaker(*weakest, its) : its;
    }
  }
  return weakest.value_or(Guarantee{Level::none, "handed on"});
}

bool FanOutSink::is_full(const Lane& lane) const { return lane.bytes >= kQueueBytes; }

bool FanOutSink::ready() const {
  const std::int64_t now = monotonic_ms();
  return std::none_of(lanes_.begin(), lanes_.end(), [&](const Lane& lane) {
    return lane.branch.is_live() && is_full(lane) &&
           (!lane.is_optional || lane.full_since_ms < 0 || now < lane.full_since_ms + patience_.ms);
  });
}

std::int64_t FanOutSink::deadline_ms() const {
  std::int64_t next = -1;
  const std::int64_t now = monotonic_ms();
  if (over_since_ms_ >= 0 && over_since_ms_ + patience_.ms > now) {
    next = over_since_ms_ + patience_.ms;
  }
  for (const Lane& lane : lanes_) {
    const std::int64_t over = lane.full_since_ms + patience_.ms;
    if (lane.is_optional && lane.branch.is_live() && lane.full_since_ms >= 0 && over > now &&
        (next < 0 || over < next)) {
      next = over;
    }
  }
  return next;
}

// Events that an optional output never gets.
void FanOutSink::miss(Lane& lane, std::uint64_t events) {
  if (!lane.is_optional) {
    return;  // its loss ends the stage
  }
  if (lane.missed == 0 && events > 0 && !lane.gone_said) {
    log(LogLevel::warning, "optional output '" + lane.branch.name() +
                               "' is too slow: it misses some events, which are counted");
  }
  lane.missed += events;
}

// From now on the stage does without this optional output.
void FanOutSink::part_with(Lane& lane) {
  lane.gone_said = true;
  StageOutput& output = lane.branch.output();
  lane.unconfirmed = output.sent() - output.acked();
  for (std::size_t i = lane.sending ? 1 : 0; i < lane.full.size(); ++i) {
    miss(lane, lane.full[i].count());
  }
}

void FanOutSink::add(Lane& lane, const Event& event) {
  // The block that is being written does not grow.
  const bool can_grow = lane.full.size() > (lane.sending ? 1u : 0u);
  if (!can_grow || !lane.full.back().fits(event.size)) {
    if (spare_.empty()) {
      lane.full.emplace_back();
    } else {
      lane.full.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
    lane.full.back().set_limit(lane.branch.output().block_limit());
  }
  lane.full.back().add_encoded({}, event.bytes());
  lane.bytes += event.size;
}

Status FanOutSink::deliver(const Batch& batch) {
  for (Lane& lane : lanes_) {
    lane.keep.assign(lane.is_optional ? 0 : batch.size(), false);
    lane.kept = 0;
  }
  OutputSet open = 0;
  for (std::size_t k = 0; k < lanes_.size(); ++k) {
    Lane& lane = lanes_[k];
    // A required one has room, or ready() was false.
    if (lane.branch.is_live() && (!lane.is_optional || !is_full(lane))) {
      open |= OutputSet{1} << k;
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Selector::Route route = selector_->route(batch[i]);
    OutputSet all = route.required | route.optional;
    for (std::size_t k = 0; all != 0; ++k, all >>= 1) {
      if ((all & 1) == 0) {
        continue;
      }
      Lane& lane = lanes_[k];
      if ((open >> k & 1) != 0) {
        add(lane, batch[i]);
        if (!lane.is_optional) {
          lane.keep[i] = true;
          ++lane.kept;
        }
      } else if (lane.branch.state() != NamedOutput::State::enough) {
        miss(lane, 1);
      }
    }
  }
  delivered_ += batch.size();
  for (Lane& lane : lanes_) {
    if (!lane.is_optional) {
      lane.counts.add(batch.size(), lane.kept, lane.keep);
    }
    pump(lane);
  }
  update_safe();
  return {};
}

void FanOutSink::pump(Lane& lane) {
  StageOutput& output = lane.branch.output();
  lane.branch.pump();
  while (lane.branch.is_live() && !output.busy() && !lane.full.empty()) {
    BlockBuilder& front = lane.full.front();
    if (!lane.sending) {
      if (is_failing_) {
        break;
      }
      output.send(front.block());
      lane.sending = true;
      lane.branch.pump();
      continue;
    }
    lane.sending = false;
    lane.bytes -= front.size();
    front.clear();
    if (spare_.size() < kSpareBuilders) {
      spare_.push_back(std::move(front));
    }
    lane.full.pop_front();
  }
  // An optional output is waited for a while, then does without what it cannot take.
  if (!is_full(lane)) {
    lane.full_since_ms = -1;
  } else if (lane.full_since_ms < 0) {
    lane.full_since_ms = monotonic_ms();
  }
}

void FanOutSink::update_safe() {
  std::uint64_t safe = delivered_;
  for (Lane& lane : lanes_) {
    if (!lane.is_optional && lane.branch.state() != NamedOutput::State::enough) {
      safe = std::min(safe, lane.counts.safe_inputs(lane.branch.output().acked()));
    }
  }
  safe_ = std::max(safe_, safe);
}

Status FanOutSink::commit(std::uint64_t) {
  for (Lane& lane : lanes_) {
    if (lane.branch.is_live() && !lane.is_optional) {
      lane.branch.output().want(lane.counts.outputs());
    }
  }
  update_safe();
  return {};
}

void FanOutSink::watch(PollSet& set, bool) {
  for (Lane& lane : lanes_) {
    if (lane.branch.is_live()) {
      lane.branch.output().watch(set);
    }
  }
}

Status FanOutSink::handle(const PollSet& set) {
  Status first;
  for (Lane& lane : lanes_) {
    lane.branch.handle(set);
    pump(lane);
    if (Status status = look_after(lane); !status && first) {
      first = status;
    }
  }
  update_safe();
  return first;
}

// Logs what is new about an output, each once.
Status FanOutSink::look_after(Lane& lane) {
  if (lane.branch.output().was_shared() && !shared_said_) {
    shared_said_ = true;
    log(LogLevel::warning, "two readers share output '" + lane.branch.name() +
                               "' (tee): only the first one acknowledges it");
  }
  if (lane.branch.state() != NamedOutput::State::lost || lane.gone_said) {
    return {};
  }
  const std::string text = "output '" + lane.branch.name() + "' is lost: " + lane.branch.why();
  if (!lane.is_optional) {
    lane.gone_said = true;
    return Error{ErrorClass::again, text, {}};
  }
  part_with(lane);
  log(LogLevel::warning, "optional " + text + "; continuing without it");
  return {};
}

Result<bool> FanOutSink::input_over(const StreamEnd& outcome) {
  const std::int64_t now = monotonic_ms();
  if (over_since_ms_ < 0) {
    over_since_ms_ = now;
  }
  bool closed = true;
  bool required_closed = true;
  for (Lane& lane : lanes_) {
    pump(lane);
    const bool is_closed =
        !(lane.branch.is_live() && !lane.full.empty()) && lane.branch.close(outcome);
    closed = closed && is_closed;
    required_closed = required_closed && (is_closed || lane.is_optional);
  }
  update_safe();
  if (!closed && required_closed && now >= over_since_ms_ + patience_.ms) {
    for (Lane& lane : lanes_) {
      if (lane.is_optional && lane.branch.is_live() && !lane.branch.is_closed() &&
          !lane.gone_said) {
        part_with(lane);
      }
    }
    return true;
  }
  return closed;
}

void FanOutSink::no_more_comes() {
  for (Lane& lane : lanes_) {
    if (lane.branch.is_live() && lane.full.empty() && !lane.branch.is_closed()) {
      lane.branch.output().last();
    }
  }
}

// What waits for an output is not sent any more; a block that it has half is.
bool FanOutSink::tell_failure(const Failure& failure) {
  is_failing_ = true;
  bool told = true;
  for (Lane& lane : lanes_) {
    pump(lane);
    told = lane.branch.close(failure) && told;
  }
  return told;
}

// A reader that has not heard `end` must not take a missing socket for it.
void FanOutSink::remove_sockets() {
  for (Lane& lane : lanes_) {
    if (!lane.gone_said) {
      lane.branch.output().remove_socket();
    }
  }
}

bool FanOutSink::reader_closed() const {
  return !lanes_.empty() && std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.branch.state() == NamedOutput::State::enough;
  });
}

Status FanOutSink::close() {
  for (Lane& lane : lanes_) {
    if (lane.missed == 0 && lane.unconfirmed == 0) {
      continue;
    }
    const std::string unconfirmed =
        count_of(lane.unconfirmed, "event") + " that it had not acknowledged";
    log(LogLevel::warning,
        "optional output '" + lane.branch.name() + "' missed " +
            (lane.missed == 0 ? "perhaps " + unconfirmed
                              : count_of(lane.missed, "event") +
                                    (lane.unconfirmed == 0 ? "" : ", and perhaps " + unconfirmed)));
  }
  return {};
}

void FanOutSink::figures(FigureList& out) const {
  std::uint64_t missed = 0;
  std::uint64_t unconfirmed = 0;
  for (const Lane& lane : lanes_) {
    missed += lane.missed;
    unconfirmed += lane.unconfirmed;
  }
  out.gauge("outputs", "Outputs.", lanes_.size()).said("outputs");
  out.counter("events_missed_total", "Events that optional outputs missed.", missed)
      .said_if_any("missed by optional ones");
  out.counter("events_unconfirmed_total",
              "Events that optional outputs got and had not acknowledged when they were lost.",
              unconfirmed)
      .said_if_any("perhaps missed by optional ones");
}

}  // namespace fl
