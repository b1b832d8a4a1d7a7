// One turn after the other: events go down, acknowledgements come up, until all is done.
#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
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
  if (feed_ && feed_->hear(poll_)) {
    commit_all();
  }
  if (plan_.sink && (failed(plan_.sink->handle(poll_)) || failed(plan_.sink->progress()))) {
    return false;
  }
  if (output_) {
    if (failed(output_->handle(poll_))) {
      return false;
    }
    shake_hands();
  }
  if (feed_ && stopping_) {
    feed_->drain(can_take());
  }
  move();
  propagate();
  watch_reader();
  conclude();
  if (progress_->live()) {
    progress_->tick(figures());
  }
  if (metrics_ && metrics_->due(poll_)) {
    metrics_->publish(figures());
  }
  return !error_;
}

bool Runner::can_take() const {
  if (plan_.sink) {
    return plan_.sink->ready();
  }
  if (plan_.channel) {
    return plan_.channel->has_room();
  }
  return !output_->busy() && batch_ == nullptr;
}

void Runner::wait() {
  poll_.clear();
  signal_index_ = poll_.add(signal_fd_, POLLIN);
  if (feed_) {
    feed_->watch(poll_, can_take());
  }
  if (plan_.sink) {
    if (plan_.sink->wake_fd() >= 0) {
      poll_.add(plan_.sink->wake_fd(), plan_.sink->wake_events());
    }
    poll_.wake_at(plan_.sink->deadline_ms());
    plan_.sink->watch(poll_);
  }
  source_index_ = -1;
  if (plan_.source && !source_ended_ && source_waits_) {
    if (plan_.source->wait_fd() >= 0) {
      source_index_ = poll_.add(plan_.source->wait_fd(), POLLIN);
    }
    poll_.wake_at(plan_.source->deadline_ms());
  }
  if (output_) {
    output_->watch(poll_);
  }
  if (moved_) {
    poll_.wake_now();
  }
  poll_.wake_at(stop_deadline_ms_);
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
    if (std::exchange(signals_.reopen, false) && plan_.sink) {
      plan_.sink->reopen();
    }
    if (!stopping_ && signals_.stop > 0) {
      stopping_ = true;
      stop_deadline_ms_ = monotonic_ms() + plan_.options.grace.ms;
      if (plan_.source) {
        plan_.source->stop();
        source_ended_ = true;
      }
      if (feed_) {
        feed_->stop();
      }
    }
  }
  if (signals_.stop > 1) {
    done_ = true;
  } else if (stopping_ && monotonic_ms() >= stop_deadline_ms_) {
    if (feed_ && !feed_->over()) {
      feed_->end_all();  // read long enough; now the same time to make it safe
      stop_deadline_ms_ = monotonic_ms() + plan_.options.grace.ms;
    } else {
      log(LogLevel::warning, "not finished within --grace: stopping");
      done_ = true;
    }
  }
}

// What is said once about the reader; and a source with state sends nothing to one that does not
// acknowledge.
void Runner::shake_hands() {
  if (output_->was_shared() && !shared_said_) {
    shared_said_ = true;
    log(LogLevel::warning,
        "two readers share this stream (tee): only the one that came first acknowledges it; "
        "fl-channel replicate gives each its own");
  }
  const std::optional<std::string_view> rule = output_->rule();
  if (!rule) {
    return;
  }
  if (plan_.options.explain && !explained_) {
    explained_ = true;
    const bool replays = !plan_.text_source && (!plan_.source || has_state());
    log(LogLevel::info,
        "an event counts as delivered when it is: " + std::string(*rule) +
            (replays ? "" : " (this source cannot read again: best effort up to there)"));
  }
  if (waits_for_acks() && *rule == "handed on") {
    fail({ErrorClass::unavailable, "the reader of the stream does not acknowledge: nothing sent",
          "--ack=off counts what is handed over as delivered; --ack-wait waits longer for a slow "
          "starter behind tee or pv"});
  }
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
    bool progress = plan_.channel && send_from_channel();
    progress = write_batch() || progress;
    progress = (plan_.source ? produce() : take_in()) || progress;
    if (!progress) {
      // Nothing more right now: what is collected goes out (DESIGN 2: no timer).
      if (output_ && !output_->busy() && batch_ == nullptr && !output_->builder().empty()) {
        output_->flush_builder();
        failed(output_->pump());
      }
      return;
    }
  }
  moved_ = true;
}

bool Runner::send_from_channel() {
  if (output_->busy()) {
    return false;
  }
  if (std::exchange(channel_sending_, false)) {
    plan_.channel->pop();
  }
  Block* block = plan_.channel->front();
  if (block == nullptr || !output_->started()) {
    return false;
  }
  output_->send(*block);
  channel_sending_ = true;
  return true;
}

bool Runner::produce() {
  if (source_ended_ || output_->busy()) {
    return false;
  }
  if (waits_for_acks()) {
    if (!output_->rule()) {
      return false;  // no `at` yet
    }
    if (const std::uint64_t want = window_.want(false); want > 0) {
      output_->want(want);
    }
    if (window_.full()) {
      return false;
    }
  }
  if (source_waits_) {
    const std::int64_t deadline = plan_.source->deadline_ms();
    if (poll_.revents(source_index_) == 0 && (deadline < 0 || monotonic_ms() < deadline)) {
      return false;
    }
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
    ++produced_blocks_;
    if (has_state()) {
      window_.sent(produced_, builder.size());
    }
    output_->flush_builder();
    failed(output_->pump());
  }
  if (source_waits_ && waits_for_acks()) {
    if (const std::uint64_t want = window_.want(true); want > 0) {
      output_->want(want);
    }
  }
  return added > 0 || source_ended_ || *state == Source::State::more;
}

bool Runner::take_in() {
  if (!can_take()) {
    return false;
  }
  Result<Feed::Got> got = feed_->next();
  if (!got) {
    fail(got.error());
    return false;
  }
  if (*got == Feed::Got::begun && output_ && !output_->started()) {
    output_->start();
  }
  if (*got == Feed::Got::block) {
    failed(take_block());
  }
  return *got != Feed::Got::nothing;
}

Status Runner::take_block() {
  const Block block = feed_->block();
  if (plan_.sink) {
    return plan_.sink->deliver(feed_->batch());
  }
  if (plan_.channel) {
    map_.add(block.count, block.count);
    return plan_.channel->put(block);
  }
  if (!plan_.interceptors.empty()) {
    Batch& batch = feed_->batch();
    for (auto& interceptor : plan_.interceptors) {
      if (Status status = interceptor->process(batch); !status) {
        return status;
      }
    }
    dropped_ += batch.dropped();
    map_.add(batch.inputs(), batch.size() - batch.dropped(), batch.keep(), batch.done());
    if (!batch.unchanged() || !output_->builder().empty()) {
      batch_ = &batch;
      batch_next_ = 0;
      write_batch();
      return {};
    }
  } else {
    map_.add(block.count, block.count);
  }
  output_->send(block);
  return output_->pump();
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
  if (plan_.source) {
    const std::uint64_t acked = output_->acked();
    if (acked > source_acked_) {
      source_acked_ = acked;
      window_.acked(acked);
      moved_ = true;  // the window may have room again
      failed(plan_.source->acked(acked));
    }
    return;
  }
  // First, since what is safe at once must be told at once: nothing else may wake us.
  if (const std::uint64_t want = feed_->take_want(); want > 0) {
    if (plan_.sink) {
      failed(plan_.sink->commit(want));
    } else {
      output_->want(map_.outputs());
    }
  }
  const bool at_put = plan_.channel && plan_.channel->acks_at_put();
  std::optional<std::string_view> rule;
  std::uint64_t safe = 0;
  if (plan_.sink) {
    if (const std::string_view sink_rule = plan_.sink->rule(); !sink_rule.empty()) {
      rule = sink_rule;
    }
    safe = plan_.sink->safe();
  } else {
    const std::uint64_t acked = output_->acked();
    rule = at_put ? "held in memory" : output_->rule();
    safe = at_put ? feed_->total() : map_.safe_inputs(acked);
  }
  if (rule) {
    feed_->at(*rule);
  }
  if (failed(rejects_.sync())) {
    return;  // what was rejected counts as delivered only when it is on disk
  }
  feed_->ack(safe);
}

void Runner::commit_all() {
  if (plan_.sink) {
    failed(plan_.sink->commit(feed_->total()));
  } else if (output_ && output_->started()) {
    output_->want(map_.outputs());
  }
}

// ---------------------------------------------------------------- the end

// Events are taken in or produced that are not written yet.
bool Runner::in_hand() const {
  return output_->busy() || (plan_.source ? produced_ : map_.outputs()) > output_->sent();
}

void Runner::watch_reader() {
  if (plan_.sink ? plan_.sink->reader_closed() : output_->enough()) {
    quiet_end_ = true;
    if (feed_) {
      feed_->enough();
    }
    done_ = true;
    return;
  }
  if (plan_.sink || output_->closed() || (!output_->closed_early() && !output_->reader_lost())) {
    return;
  }
  if (stopping_ && output_->acked() == output_->sent() && !in_hand()) {
    done_ = true;  // it has stopped as we do, and has everything
    return;
  }
  // No `enough` upstream: a reader that never connected may be `head`, but as well a stage that was
  // killed before it could, with events in its hands.
  fail({ErrorClass::again, "the reader of the stream closed early", {}});
}

void Runner::conclude() {
  if (done_ || error_ || !input_over()) {
    return;
  }
  if (plan_.sink) {
    if (!final_commit_ && plan_.sink->ready()) {
      final_commit_ = true;
      commit_all();
    }
    if (final_commit_) {
      const Result<bool> finished = plan_.sink->input_over(!feed_->early());
      if (!finished) {
        fail(finished.error());
        return;
      }
      done_ = *finished && plan_.sink->safe() >= feed_->total();
    }
    return;
  }
  if (!output_->started()) {
    output_->start();  // an empty input is an empty stream
    moved_ = true;
    return;
  }
  if (output_->busy() || batch_ != nullptr || channel_sending_ ||
      (plan_.channel && plan_.channel->front() != nullptr)) {
    return;
  }
  if (!output_->builder().empty()) {
    output_->flush_builder();
    moved_ = true;
    return;
  }
  if (!output_->closed()) {
    const bool whole = feed_ ? !feed_->early() : plan_.source->whole();
    if (failed(output_->close(whole, stopping_)) || !output_->closed()) {
      return;
    }
    propagate();
  }
  done_ = output_->acked() >= output_->sent() || output_->reader() != Output::Reader::acking ||
          output_->reader_lost();
}

}  // namespace fl
