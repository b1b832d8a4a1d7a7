// One turn after the other: events go down, acknowledgements come up, until all is done.
#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/stage/interceptor_run.h"
#include "common/stage/runner_state.h"

namespace fl {
namespace {

constexpr int kRounds = 16;  // blocks moved between two looks at signals and acks

}  // namespace

// One round. False: an error ends the stage.
bool Runner::step() {
  wait();
  hear_signals();
  if (done_) {
    return true;
  }
  if (intake_ && intake_->hear(poll_)) {
    commit_all();
  }
  each_component([this](Component& component, bool) {
    if (!error_) {
      failed(component.handle(poll_));
    }
  });
  if (error_) {
    return false;
  }
  if (output_) {
    start_take();
    if (failed(output_->handle(poll_))) {
      return false;
    }
    shake_hands();
  }
  if (intake_ && stopping_) {
    intake_->drain(can_take());
  }
  move();
  propagate();
  watch_reader();
  tell_last();
  end_if_finished();
  if (give_up_.is_on() && !done_ && !error_) {
    watch_clock();
  }
  if (progress_->live()) {
    progress_->tick(figures());
  }
  if (metrics_ && metrics_->due(poll_)) {
    metrics_->publish(figures());
  }
  return !error_;
}

bool Runner::can_take() const {
  if (rejects_.syncing()) {
    return false;
  }
  if (plan_.sink) {
    return plan_.sink->ready();
  }
  if (put() != nullptr) {
    return put()->ready();
  }
  return !holds_block();
}

void Runner::wait() {
  poll_.clear();
  signal_index_ = poll_.add(signal_fd_, POLLIN);
  if (intake_) {
    intake_->watch(poll_, can_take());
  }
  each_component([this](Component& component, bool room) {
    component.watch(poll_, room);
    if (&component != plan_.source.get()) {
      poll_.wake_at(component.deadline_ms());
    }
  });
  if (output_) {
    output_->watch(poll_);
  }
  rejects_.watch(poll_);
  if (moved_) {
    poll_.wake_now();
  }
  poll_.wake_at(stop_deadline_ms_);
  poll_.wake_at(give_up_.deadline_ms());
  poll_.wake_at(progress_->deadline_ms());
  if (metrics_) {
    metrics_->watch(poll_);
  }
  poll_.wait();
}

void Runner::hear_signals() {
  if (poll_.revents(signal_index_) != 0) {
    take_signals(signals_);
    if (std::exchange(signals_.report, false)) {
      progress_->report(figures());
    }
    if (std::exchange(signals_.reopen, false)) {
      each_component([](Component& component, bool) { component.reopen(); });
      rejects_.reopen();
    }
    if (!stopping_ && signals_.stop > 0) {
      stopping_ = true;
      stop_deadline_ms_ = monotonic_ms() + plan_.options.grace.ms;
      if (plan_.source) {
        plan_.source->stop();
        source_ended_ = true;
      }
      if (take() != nullptr) {
        take()->stop();
        take_stopped_ = !take()->traits().drains_on_stop;
        source_ended_ = true;
      }
      if (intake_) {
        intake_->stop();
      }
    }
  }
  if (signals_.stop > 1) {
    done_ = true;
  } else if (stopping_ && monotonic_ms() >= stop_deadline_ms_) {
    if (intake_ && !intake_->over()) {
      intake_->end_all();  // read long enough; now the same time to make it safe
      stop_deadline_ms_ = monotonic_ms() + plan_.options.grace.ms;
    } else {
      log(LogLevel::warning, "not finished within --grace: stopping");
      done_ = true;
    }
  }
}

// What is reported once about the reader; and a source with state sends nothing to one that does
// not acknowledge.
void Runner::shake_hands() {
  if (output_->was_shared() && !shared_said_) {
    shared_said_ = true;
    log(LogLevel::warning,
        "two readers share this stream (tee): only the first one acknowledges it; fl-channel "
        "replicate gives each its own");
  }
  const std::optional<Guarantee> guarantee = output_->guarantee();
  if (!guarantee) {
    return;
  }
  if (!intake_ || plan_.text_source) {
    explain(*guarantee);
  }
  if (waits_for_acks() && guarantee->level == Level::none) {
    fail(
        {ErrorClass::unavailable, "the reader of the stream does not acknowledge: nothing sent",
         "--ack=off accepts events as delivered once they are written; --ack-wait waits longer for "
         "a reader that starts slowly after tee or pv"});
    return;
  }
  if (plan_.source && waits_for_acks() && failed(plan_.source->acknowledged_by(*guarantee))) {
    return;
  }
  resume_source();
}

// What a log holds goes out, whatever comes in and whenever it does. Its header says where it
// begins.
void Runner::start_take() {
  if (!has_log() || !output_ || output_->started() || !take()->has_begun()) {
    return;
  }
  if (waits_for_acks()) {
    output_->number(0, take()->number());
  }
  output_->start();
}

Resumable* Runner::resumable() const {
  return plan_.source ? static_cast<Resumable*>(plan_.source.get())
                      : static_cast<Resumable*>(has_log() ? take() : nullptr);
}

// Once the reader has said what it acknowledges, it has said which positions it keeps, too.
void Runner::resume_source() {
  Resumable* const source = resumable();
  if (source == nullptr || !waits_for_acks() || std::exchange(resumed_, true)) {
    return;
  }
  const std::optional<std::vector<Position>> kept = output_->kept_positions();
  std::string name = source->position_name();
  if (!kept || name.empty()) {
    return;
  }
  std::optional<std::string> place;
  for (const Position& position : *kept) {
    if (position.source == name) {
      place = position.place;
    }
  }
  position_name_ = std::move(name);
  failed(source->resume(place));
}

void Runner::explain(const Guarantee& guarantee) {
  if (!plan_.options.explain || std::exchange(explained_, true)) {
    return;
  }
  const bool replays = !plan_.text_source && (!plan_.source || has_state());
  log(LogLevel::info,
      "an event counts as delivered when it is: " + std::string(guarantee.text) +
          (replays ? "" : " (this source cannot read again: best effort up to there)"));
}

// ---------------------------------------------------------------- moving blocks

void Runner::move() {
  moved_ = false;
  for (int round = 0; round < kRounds; ++round) {
    if (output_ && failed(output_->pump())) {
      return;
    }
    if (error_ || (output_ && (output_->closed_early() || output_->enough()))) {
      return;
    }
    bool progress = take() != nullptr && hand_out();
    progress = write_batch() || progress;
    progress = (plan_.source ? produce() : intake_ && take_in()) || progress;
    if (!progress) {
      // Nothing more right now: what is collected goes out.
      if (output_ && !holds_block() && !output_->builder().empty()) {
        output_->flush_builder();
        failed(output_->pump());
      }
      return;
    }
  }
  moved_ = true;
}

// False: what would go out now waits for the hand-shake or for room in the window.
bool Runner::may_send() {
  if (!waits_for_acks()) {
    return true;
  }
  if (!output_->guarantee()) {
    return false;  // no `at` yet
  }
  if (const std::uint64_t want = window_.want(false); want > 0) {
    output_->want(want);
  }
  return !window_.full();
}

// A block of the channel goes out.
bool Runner::hand_out() {
  if (output_->busy()) {
    return false;
  }
  if (std::exchange(handing_out_, false)) {
    take()->pop();
  }
  if (take_stopped_ || !output_->started() || !may_send()) {
    return false;
  }
  Block* block = take()->front();
  if (block == nullptr) {
    return false;
  }
  const std::uint64_t sent = output_->sent() + block->count;
  pass_positions(sent);
  if (!position_name_.empty()) {
    if (std::optional<std::string> place = take()->position()) {
      output_->position(sent, {position_name_, std::move(*place)});
    }
  }
  hand_out_numbers(block->count);
  output_->send(*block);
  handing_out_ = true;
  if (has_state()) {
    window_.sent(output_->sent(), block->size);
  }
  return true;
}

bool Runner::produce() {
  if (source_ended_ || rejects_.syncing() || output_->busy() || !may_send() ||
      (source_waits_ && !plan_.source->ready())) {
    return false;
  }
  BlockBuilder& builder = output_->builder();
  if (has_state()) {
    builder.set_limit(static_cast<std::size_t>(std::min<std::uint64_t>(
        output_->block_limit(), std::max<std::uint64_t>(window_.room(), 1))));
  }
  Result<Source::State> state = plan_.source->produce(builder);
  if (!state) {
    fail(state.error());
    return false;
  }
  source_ended_ = *state == Source::State::end;
  source_waits_ = *state == Source::State::wait;
  const std::uint64_t added = builder.count();
  if (added > 0) {
    produced_ += added;
    produced_bytes_ += builder.size();
    produced_bodies_ += builder.body_bytes();
    ++produced_blocks_;
    if (has_state()) {
      window_.sent(produced_, builder.size());
    }
    if (!position_name_.empty()) {
      produced_place_ = plan_.source->position();
      pass_produced_place();
    }
    output_->flush_builder();
    failed(output_->pump());
  }
  if (source_waits_ && waits_for_acks() && plan_.source->needs_acks()) {
    if (const std::uint64_t want = window_.want(true); want > 0) {
      output_->want(want);
    }
  }
  return added > 0 || source_ended_ || *state == Source::State::more;
}

// The place of the events produced so far goes on once those rejected on the way are on disk.
void Runner::pass_produced_place() {
  if (produced_place_ && rejects_synced()) {
    output_->position(produced_, {position_name_, std::move(*produced_place_)});
    produced_place_.reset();
  }
}

bool Runner::take_in() {
  if (!can_take()) {
    return false;
  }
  Result<Intake::Got> got = intake_->next();
  if (!got) {
    fail(got.error());
    return false;
  }
  if (*got == Intake::Got::begun && output_ && !output_->started() && !has_log()) {
    if (plan_.keeps_numbers) {
      output_->number(0, intake_->first_number());
    }
    output_->start();
  }
  if (*got == Intake::Got::block) {
    failed(take_block());
  }
  return *got != Intake::Got::nothing;
}

Status Runner::take_block() {
  const Block block = intake_->block();
  if (plan_.sink) {
    return plan_.sink->deliver(intake_->batch());
  }
  if (put() != nullptr) {
    pass_numbers(nullptr);
    const Status status = take_positions();
    return status ? put()->put(block) : status;
  }
  if (!plan_.interceptors.empty()) {
    Batch& batch = intake_->batch();
    for (auto& interceptor : plan_.interceptors) {
      if (Status status = run_interceptor(*interceptor, batch, context_); !status) {
        return status;
      }
    }
    dropped_ += batch.dropped();
    pass_numbers(&batch);
    map_.add(batch.inputs(), batch.size() - batch.dropped(), batch.keep(), batch.done());
    if (Status status = take_positions(); !status) {
      return status;
    }
    if (!batch.unchanged() || !output_->builder().empty()) {
      batch_ = &batch;
      batch_next_ = 0;
      write_batch();
      return {};
    }
  } else {
    map_.add(block.count, block.count);
    if (Status status = take_positions(); !status) {
      return status;
    }
  }
  output_->send(block);
  return output_->pump();
}

// True: what was rejected is on disk. False: not yet, or that failed. Until then nothing new is
// taken in or produced.
bool Runner::rejects_synced() {
  const Result<bool> synced = rejects_.synced();
  if (!synced) {
    fail(synced.error());
    return false;
  }
  return *synced;
}

// Positions that the events taken in have reached go on before these events do, but after what was
// rejected among them is on disk. All that was taken in must be in map_.
Status Runner::take_positions() {
  while (intake_->has_position() && rejects_synced()) {
    std::optional<PositionQueue::Entry> entry = intake_->take_position();
    if (put_keeps_positions_) {
      if (Status status = put()->position(entry->events, entry->position); !status) {
        return status;
      }
    } else if (put() != nullptr) {
      positions_.add(entry->events, std::move(entry->position));
    } else {
      output_->position(map_.outputs_for(entry->events), entry->position);
    }
  }
  if (take() != nullptr) {
    pass_positions(output_->sent());
  }
  return {};
}

// The numbers of the block that was taken in, in which a dead letter leaves a gap. Before it is in
// map_, or put.
void Runner::pass_numbers(const Batch* batch) {
  if (!plan_.keeps_numbers) {
    return;
  }
  const std::size_t count = intake_->block().count;
  std::uint64_t out = put() != nullptr ? intake_->total() - count : map_.outputs();
  const auto say = [&](const std::optional<EventNumber>& number) {
    put() != nullptr ? numbers_.mark(out, number) : output_->number(out, number);
  };
  if (batch != nullptr && batch->size() != count) {
    say(std::nullopt);
    return;
  }
  const bool is_whole = batch == nullptr || batch->dropped() == 0;
  for (std::size_t i = 0; i < count; i = is_whole ? intake_->next_number(i) : i + 1) {
    if (is_whole) {
      say(intake_->number(i));
      out += std::min(intake_->next_number(i), count) - i;
    } else if (batch->kept(i)) {
      say(intake_->number(i));
      ++out;
    }
  }
}

// Those of the next `count` events of a channel: its own, or what came in with them.
void Runner::hand_out_numbers(std::uint64_t count) {
  const std::uint64_t sent = output_->sent();
  if (has_log()) {
    if (waits_for_acks()) {
      output_->number(sent, take()->number());
    }
  } else if (plan_.keeps_numbers) {
    numbers_.forget(sent);
    for (std::uint64_t at = sent; at < sent + count; at = numbers_.next_mark(at)) {
      output_->number(at, numbers_.of(at));
    }
  }
}

// Those that the first `n` events of a channel reach.
void Runner::pass_positions(std::uint64_t n) {
  while (std::optional<PositionQueue::Entry> entry = positions_.take(n)) {
    output_->position(entry->events, entry->position);
  }
}

// Copies the rest of the batch, with its edits, into the output. True if something moved.
bool Runner::write_batch() {
  if (batch_ == nullptr || output_->busy()) {
    return false;
  }
  BlockBuilder& builder = output_->builder();
  const Batch& batch = *batch_;
  const std::size_t size = batch.size();
  std::size_t i = batch_next_;
  while (i < size) {
    if (!batch.kept(i)) {
      ++i;
      continue;
    }
    const std::string_view prefix = batch.prefix(i);
    std::string_view bytes = batch[i].bytes();
    if (!builder.fits(prefix.size() + bytes.size())) {
      output_->flush_builder();
      if (failed(output_->pump())) {
        return false;
      }
      if (output_->busy() || output_->closed_early()) {
        batch_next_ = i;
        return true;
      }
      continue;
    }
    std::uint64_t count = 1;
    ++i;
    if (prefix.empty()) {  // neighbours that stay as they are go in one piece
      while (i < size && batch.kept(i) && batch.prefix(i).empty() &&
             batch[i].bytes().data() == bytes.data() + bytes.size() &&
             builder.fits_run(bytes.size() + batch[i].size, count + 1)) {
        bytes = {bytes.data(), bytes.size() + batch[i].size};
        ++count;
        ++i;
      }
    }
    builder.add_encoded(prefix, bytes, count);
  }
  batch_ = nullptr;
  return true;
}

// ---------------------------------------------------------------- acknowledgements

void Runner::propagate() {
  // What was rejected counts as delivered only when it is on disk.
  const bool may_acknowledge = rejects_synced();
  if (plan_.source || take() != nullptr) {
    const std::uint64_t acked = output_->acked();
    pass_produced_place();
    if (acked > source_acked_ && may_acknowledge) {
      source_acked_ = acked;
      window_.acked(acked);
      moved_ = true;  // the window may have room again
      failed(plan_.source ? plan_.source->acked(acked) : take()->acked(acked));
    }
  }
  if (!intake_) {
    return;
  }
  // First, since what is safe at once must be reported at once: nothing else may wake us.
  if (const std::uint64_t want = intake_->take_want(); want > 0) {
    ask_for(want);
  }
  std::optional<Guarantee> guarantee;
  std::uint64_t safe = 0;
  if (plan_.sink) {
    guarantee = plan_.sink->guarantee();
    safe = plan_.sink->safe();
  } else if (put() != nullptr && put()->traits().acks_at_put) {
    guarantee = put()->guarantee();
    safe = put()->safe();
  } else {
    guarantee = output_->guarantee();
    safe = put() != nullptr ? output_->acked() : map_.safe_inputs(output_->acked());
  }
  if (guarantee) {
    intake_->resume([this] { return kept_positions(); });
    intake_->at(*guarantee);
    explain(*guarantee);
  }
  if (!may_acknowledge) {
    return;
  }
  if (!error_ && failed(take_positions())) {  // one that came late, though no event follows
    return;
  }
  intake_->ack(safe);
}

// By the reader that makes our events durable; a fan-out does not pass them on.
std::optional<std::vector<Position>> Runner::kept_positions() const {
  if (put_keeps_positions_) {
    return put()->positions();
  }
  const bool is_next_stage = output_ && !(put() != nullptr && put()->traits().acks_at_put);
  return is_next_stage ? output_->kept_positions() : std::nullopt;
}

// The first n events that came in are to be made safe.
void Runner::ask_for(std::uint64_t n) {
  if (error_) {
    return;  // a sync that has failed would be tried again
  }
  asked_ = std::max(asked_, n);
  if (plan_.sink) {
    failed(plan_.sink->commit(n));
    return;
  }
  if (put() != nullptr) {
    failed(put()->commit(n));
  }
  if (output_ && output_->started() && !(put() != nullptr && put()->traits().acks_at_put)) {
    output_->want(put() != nullptr ? intake_->total() : map_.outputs());
  }
}

void Runner::commit_all() { ask_for(intake_->total()); }

// ---------------------------------------------------------------- the end

// Events are taken in or produced that are not written yet.
bool Runner::in_hand() const {
  if (take() != nullptr) {
    return output_->busy() || !(take()->over() || take_stopped_);
  }
  return output_->busy() || (plan_.source ? produced_ : map_.outputs()) > output_->sent();
}

void Runner::watch_reader() {
  if (!plan_.sink && !output_) {
    return;
  }
  if (plan_.sink ? plan_.sink->reader_closed() : output_->enough()) {
    quiet_end_ = true;
    if (intake_) {
      intake_->enough();
    }
    done_ = true;
    return;
  }
  if (plan_.sink || output_->closed() || (!output_->closed_early() && !output_->reader_lost())) {
    return;
  }
  if (stopping_ && output_->acked() == output_->sent() && !in_hand()) {
    done_ = true;  // it has stopped as we have, and has everything
    return;
  }
  // No `enough` upstream: a reader that never connected may be `head`, but as well a stage that was
  // killed before it could, with events in its hands.
  fail({ErrorClass::again, "the next stage stopped before everything was stored", {}});
}

// The reader of our stream may wait for better times as long as more may come: tell it when not.
void Runner::tell_last() {
  if (error_ || !intake_ || !intake_->no_more_comes()) {
    return;
  }
  if (plan_.sink) {
    plan_.sink->no_more_comes();
  } else if (output_ && output_->started() && !holds_block() && output_->builder().empty() &&
             (take() == nullptr || take()->front() == nullptr)) {
    output_->last();
  }
}

// What may still go wrong goes wrong before the stages below learn that all is well: a source that
// keeps state gets the acknowledgements for everything, and brings its state up to date. False: not
// yet, or it went wrong.
bool Runner::settle() {
  if (settled_) {
    return true;
  }
  if (!rejects_synced()) {
    return false;
  }
  if (has_state()) {
    output_->last();
    output_->want(output_->sent());
  }
  propagate();
  if (error_ || (has_state() && output_->acked() < output_->sent())) {
    return false;
  }
  settled_ = true;
  return !failed(close_components());
}

// Sources and channels, which have a say in how the stream ends.
Status Runner::close_components() {
  Status first;
  const auto close = [&first](auto* component) {
    if (component != nullptr) {
      if (Status status = component->close(); !status && first) {
        first = status;
      }
    }
  };
  close(plan_.source.get());
  close(put());
  close(take());
  return first;
}

// The put half has everything, safe by its rule; the take half knows that no more comes.
bool Runner::end_put() {
  if (put_ended_) {
    return true;
  }
  const Result<bool> ended = put()->input_over();
  if (!ended) {
    fail(ended.error());
    return false;
  }
  if (*ended && take() != nullptr) {
    take()->put_over();
    moved_ = true;
  }
  put_ended_ = *ended;
  return put_ended_;
}

void Runner::end_if_finished() {
  if (done_ || error_ || (reads() && !input_over())) {
    return;
  }
  if (plan_.source && !source_ended_) {
    return;
  }
  if (put() != nullptr && !end_put()) {
    return;
  }
  if (take() == nullptr && put() != nullptr) {
    done_ = settle();
    return;
  }
  if (plan_.sink) {
    if (!final_commit_ && plan_.sink->ready()) {
      final_commit_ = true;
      commit_all();
    }
    if (final_commit_) {
      if (!settle()) {
        return;
      }
      const Result<bool> finished = plan_.sink->input_over(intake_->outcome());
      if (!finished) {
        fail(finished.error());
        return;
      }
      if (*finished && plan_.sink->safe() >= intake_->total() && rejects_synced()) {
        propagate();
        done_ = !error_;
      }
    }
    return;
  }
  if (!output_->started()) {
    output_->start();  // an empty input is an empty stream
    moved_ = true;
    return;
  }
  if (holds_block() || (take() != nullptr && !take_stopped_ && !take()->over())) {
    return;
  }
  if (!output_->builder().empty()) {
    output_->flush_builder();
    moved_ = true;
    return;
  }
  if (!output_->closed()) {
    if (!settle()) {
      return;
    }
    // A reader has its time to hear of a failure, unless told twice to stop (tell_failure()).
    const StreamEnd outcome = intake_ ? intake_->outcome() : StreamEnd();
    const bool hurry = outcome ? signals_.stop > 1 : stopping_;
    if (failed(output_->close(outcome, hurry)) || !output_->closed()) {
      return;
    }
    propagate();
  }
  if (output_->enough()) {  // heard while the stream was closed
    watch_reader();
    return;
  }
  done_ = output_->acked() >= output_->sent() || output_->reader() != StageOutput::Reader::acking ||
          output_->reader_lost();
}

}  // namespace fl
