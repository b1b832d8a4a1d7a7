#include "common/stage/kept_output.h"

#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

namespace fl {
KeptOutput::KeptOutput(std::string path, const OutputSettings& settings)
    : settings_(settings), dialer_(std::move(path)), builder_(KeptBlocks::kBlockBytes) {}

std::size_t KeptOutput::block_limit() const { return KeptBlocks::kBlockBytes; }

// What can never work is found before there is a reader.
Status KeptOutput::open() {
  if (settings_.codec.codec == BlockCodec::null) {
    return {};
  }
  const Result<std::unique_ptr<BlockCompressor>> compressor = open_compressor(settings_.codec);
  return compressor ? Status() : Status(compressor.error());
}

// ---------------------------------------------------------------- in

void KeptOutput::send(Block block) {
  kept_.add(block, KeptBlocks::kBlockBytes);
  if (const std::uint64_t n = kept_.wanted_for_room(settings_.keep_bytes); n > 0) {
    want(n);
  }
}

void KeptOutput::flush_builder() {
  if (!builder_.empty()) {
    send(builder_.block());
    builder_.clear();
  }
}

// ---------------------------------------------------------------- the reader

// It acknowledges, or never will.
bool KeptOutput::has_joined() const {
  return stream_ && (!settings_.ack || stream_->reader() == Reader::acking);
}

void KeptOutput::say_away() {
  if (dialer_.is_patient() && !away_said_) {
    away_said_ = true;
    log(LogLevel::info, "waits for a reader of 'unix:" + dialer_.path() + "': " + dialer_.why());
  }
}

Status KeptOutput::connect() {
  if (stream_ || !started_ || closed_ || monotonic_ms() < dialer_.next_ms()) {
    return {};
  }
  UniqueFd fd = dialer_.dial();
  if (!fd) {
    say_away();
    return {};
  }
  auto stream = std::make_unique<Output>(
      std::move(fd), OutputSettings{settings_.ack, OutputSettings::kNever, settings_.codec});
  if (Status status = stream->open(); !status) {
    if (!was_connected_) {
      return status;
    }
    dialer_.lost(status.error().message);  // descriptors may be free again later
    say_away();
    return {};
  }
  was_connected_ = true;
  stream_ = std::move(stream);
  stream_from_ = kept_.safe();
  const std::optional<EventNumber> number = numbers_.of(stream_from_);
  stream_->number(0, number || stream_from_ > 0 ? number : first_number_);
  stream_->start();
  silent_ms_ = settings_.ack ? monotonic_ms() + settings_.ack_wait_ms : -1;
  return {};
}

void KeptOutput::drop_stream() {
  past_blocks_ += stream_->sent_blocks();
  past_bytes_ += stream_->sent_bytes();
  past_written_ += stream_->written_bytes();
  stream_->remove_socket();  // the reader of this stream is gone
  stream_.reset();
  silent_ms_ = -1;
}

void KeptOutput::drop_connection(const std::string& why) {
  const bool had_joined = has_joined();
  const std::uint64_t events = kept_.take_back(0);
  if (had_joined) {
    log(events > 0 ? LogLevel::warning : LogLevel::info,
        "the reader of 'unix:" + dialer_.path() + "' has gone (" + why + ")" +
            (events == 0 ? ""
                         : "; " + count_of(events, "event") + " that it has not acknowledged " +
                               (events == 1 ? "is" : "are") + " sent to the next one"));
    away_said_ = false;
  }
  drop_stream();
  dialer_.lost(why);
  say_away();
}

// What the reader has said, and whether it is still there.
void KeptOutput::hear() {
  if (!stream_) {
    return;
  }
  if (kept_.acked(0, stream_->acked(), stream_->busy())) {
    dialer_.worked();
  }
  if (const std::optional<Guarantee> its = stream_->guarantee()) {
    at_ = to_line(*its);
  }
  if (has_joined()) {
    if (std::exchange(away_said_, false)) {
      log(LogLevel::info, "'unix:" + dialer_.path() + "' has a reader");
    }
    silent_ms_ = -1;
  } else if (silent_ms_ >= 0 && monotonic_ms() >= silent_ms_) {
    silent_ms_ = -1;
    log(LogLevel::warning,
        "the reader of 'unix:" + dialer_.path() +
            "' does not acknowledge so far: events are kept until it does (--ack=off is for "
            "readers that never do)");
  }
  if (ending_ && stream_->closed() && kept_.empty()) {
    closed_ = true;  // it has everything and has heard the end: it may go
    return;
  }
  if (stream_->enough()) {
    drop_connection("it asks for no more");
  } else if (stream_->closed_early() || stream_->reader_lost()) {
    drop_connection("it closed the connection");
  }
}

// ---------------------------------------------------------------- out

void KeptOutput::ask() {
  if (stream_) {
    if (const std::uint64_t n = kept_.wanted(0); n > 0) {
      stream_->want(n);
    }
  }
}

void KeptOutput::want(std::uint64_t n) {
  kept_.want(n);
  ask();
}

void KeptOutput::last() {
  if (stream_ && kept_.waiting() == 0 && !stream_->busy() && !stream_->closed()) {
    stream_->last();
  }
}

void KeptOutput::number(std::uint64_t n, const std::optional<EventNumber>& number) {
  if (started_) {
    numbers_.mark(n, number);
  } else {
    first_number_ = number;
  }
}

// Those of the next `count` events that the stream gets.
void KeptOutput::say_numbers(std::uint64_t count) {
  numbers_.forget(kept_.safe());
  const std::uint64_t end = stream_from_ + stream_->sent() + count;
  for (std::uint64_t at = end - count; at < end; at = numbers_.next_mark(at)) {
    stream_->number(at - stream_from_, numbers_.of(at));
  }
}

// Gives blocks to the stream as long as it takes them.
Status KeptOutput::fill() {
  while (stream_) {
    if (Status status = stream_->pump(); !status) {
      if (status.error().kind != ErrorClass::io) {
        return status;
      }
      drop_connection(status.error().message);
      break;
    }
    if (stream_->closed_early()) {
      hear();
      break;
    }
    if (stream_->busy() || stream_->closed() || kept_.waiting() == 0) {
      break;
    }
    const Block block = kept_.give(0);
    say_numbers(block.count);
    stream_->send(block);
    ask();
  }
  return {};
}

Status KeptOutput::pump() {
  if (closed_) {
    return {};
  }
  if (Status status = connect(); !status) {
    return status;
  }
  return fill();
}

void KeptOutput::watch(PollSet& set) {
  if (stream_) {
    stream_->watch(set);
    set.wake_at(silent_ms_);
  } else if (started_ && !closed_) {
    set.wake_at(dialer_.next_ms());
  }
}

Status KeptOutput::handle(const PollSet& set) {
  if (stream_) {
    if (Status status = stream_->handle(set); !status) {
      if (status.error().kind != ErrorClass::io) {
        return status;
      }
      drop_connection(status.error().message);
    }
    hear();
  }
  if (Status status = pump(); !status) {
    return status;
  }
  return end();
}

// ---------------------------------------------------------------- the end

Status KeptOutput::close(const StreamEnd& outcome, bool hurry) {
  is_failing_ = outcome.has_value();
  hurry_ = hurry;
  ending_ = true;
  return end();
}

Status KeptOutput::end() {
  if (!ending_ || closed_) {
    return {};
  }
  hear();
  if (kept_.empty() && (is_failing_ || (hurry_ && !has_joined()))) {
    close_silently();
    return {};
  }
  if (is_failing_) {
    want(kept_.events());
    return {};
  }
  if (!has_joined() || kept_.waiting() > 0 || stream_->busy()) {
    return {};
  }
  if (!stream_->closed()) {
    if (Status status = stream_->close({}, hurry_); !status) {
      return status;
    }
    hear();
  }
  return {};
}

void KeptOutput::close_silently() {
  if (stream_) {
    stream_->close_silently();
  }
  closed_ = true;
}

void KeptOutput::remove_socket() {
  if (stream_) {
    stream_->remove_socket();
  }
}

// ---------------------------------------------------------------- figures

std::uint64_t KeptOutput::sent_blocks() const {
  return past_blocks_ + (stream_ ? stream_->sent_blocks() : 0);
}

std::uint64_t KeptOutput::sent_bytes() const {
  return past_bytes_ + (stream_ ? stream_->sent_bytes() : 0);
}

std::uint64_t KeptOutput::written_bytes() const {
  return past_written_ + (stream_ ? stream_->written_bytes() : 0);
}

std::optional<Guarantee> KeptOutput::guarantee() const {
  return at_.empty() ? std::nullopt : std::optional(parse_guarantee(at_));
}

}  // namespace fl
