#include "common/stage/feed.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

namespace fl {
namespace {

constexpr std::int64_t kQuietMs = 1000;  // DESIGN 9: after a signal, an input silent for so long

}  // namespace

Feed::Slot::Slot(UniqueFd fd, std::string name, const Input::Settings& settings)
    : input(std::move(fd), std::move(name), settings), last_data_ms(monotonic_ms()) {}

Feed::Feed(const StageOptions& options, Settings settings)
    : options_(options), settings_(std::move(settings)) {
  if (settings_.text_source) {
    more_files_.assign(settings_.files.begin(), settings_.files.end());
  }
}

// ---------------------------------------------------------------- opening

void Feed::add_slot(UniqueFd fd, std::string name) {
  Input::Settings settings;
  settings.limits = settings_.limits;
  settings.rules = settings_.rules;
  settings.block_limit = settings_.block_limit;
  if (settings_.text_source || options_.text) {
    settings.form = Input::Form::text;
  } else if (options_.stream) {
    settings.form = Input::Form::stream;
  }
  slots_.push_back(std::make_unique<Slot>(std::move(fd), std::move(name), settings));
}

Status Feed::open_path(const std::string& path) {
  if (path == "-") {
    add_slot(UniqueFd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)), "stdin");
    return {};
  }
  // A named pipe is opened without waiting for its writer, so that several can be waited for.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd) {
    return system_error("cannot open '" + path + "'", errno);
  }
  struct stat info {};
  if (fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Error{ErrorClass::config, "cannot read '" + path + "': it is a directory", {}};
  }
  add_slot(std::move(fd), "'" + path + "'");
  return {};
}

Status Feed::open_next_file() {
  const std::string path = more_files_.front();
  more_files_.pop_front();
  return open_path(path);
}

Status Feed::open() {
  if (!more_files_.empty()) {
    return open_next_file();
  }
  if (options_.in.empty()) {
    add_slot(UniqueFd(STDIN_FILENO), "stdin");
  }
  for (const std::string& path : options_.in) {
    if (Status status = open_path(path); !status) {
      return status;
    }
  }
  return {};
}

// ---------------------------------------------------------------- waiting and hearing

void Feed::watch(PollSet& set, bool take) {
  for (auto& slot : slots_) {
    slot->index = -1;
    if (slot->over) {
      continue;
    }
    if (take && slot->ready) {
      set.wake_now();
    } else if (take) {
      slot->index = set.add(slot->input.fd(), POLLIN);
    }
    if (stopping_ && take) {
      set.wake_at(slot->last_data_ms + kQuietMs);
    }
  }
  stream_indexes_.clear();
  for (auto& stream : streams_) {
    AckClient& client = stream->client();
    stream_indexes_.push_back(client.is_open() ? set.add(client.fd(), client.events()) : -1);
  }
}

bool Feed::hear(const PollSet& set) {
  for (auto& slot : slots_) {
    slot->ready = slot->ready || set.revents(slot->index) != 0;
  }
  for (std::size_t i = 0; i < stream_indexes_.size(); ++i) {
    if (set.revents(stream_indexes_[i]) == 0) {
      continue;
    }
    Upstream& stream = *streams_[i];
    const bool was_early = stream.early();
    stream.handle();
    if (stream.early() && !was_early && !stopping_) {
      if (!early_) {
        log(LogLevel::warning,
            "upstream ended early after " + count_of(stream.read(), "event") + " or more");
      }
      early_ = true;
      died_ = true;
    }
  }
  const bool died = died_;
  died_ = false;
  return died;
}

// ---------------------------------------------------------------- taking in

Result<Feed::Got> Feed::next() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[(turn_ + i) % slots_.size()];
    if (slot.ready && !slot.over) {
      turn_ = (turn_ + i + (slots_.size() > 1 ? 1 : 0)) % slots_.size();
      return next_of(slot);
    }
  }
  return Got::nothing;
}

Result<Feed::Got> Feed::next_of(Slot& slot) {
  Result<Input::Got> got = slot.input.next();
  if (!got) {
    if (got.error().kind != ErrorClass::input) {
      return got.error();
    }
    // Whole blocks count; the stage still ends in order, without passing on an `end`.
    log(got.error());
    damaged_ = true;
    early_ = true;
    if (slot.stream != nullptr) {
      slot.stream->abandon();
      slot.stream = nullptr;
    }
    end_slot(slot, true);
    return Got::moved;
  }
  switch (*got) {
    case Input::Got::nothing:
      slot.ready = false;
      return Got::moved;
    case Input::Got::text:
      begin(slot, std::make_unique<Upstream>());
      return Got::begun;
    case Input::Got::header:
      slot.saw_stream = true;
      begin(slot, std::make_unique<Upstream>(slot.input.header(), slot.input.fd()));
      return Got::begun;
    case Input::Got::block:
      take_block(slot);
      return Got::block;
    case Input::Got::end:
      if (options_.stream && !slot.saw_stream && !stopping_) {
        log(LogLevel::error, slot.input.name() + " held no stream (--stream)");
        damaged_ = true;  // a writer that died before its header: no `end` is passed on
        early_ = true;
      }
      end_slot(slot, false);
      if (!more_files_.empty()) {
        bytes_of_closed_ += slot.input.bytes_read();
        rejected_of_closed_ += slot.input.text().rejected();
        current_ = nullptr;
        slots_.clear();
        if (Status status = open_next_file(); !status) {
          return status.error();
        }
      } else if (!slot.input.saw_bytes() && !options_.stream) {
        log(LogLevel::info, slot.input.name() + " was empty: 0 events");
      }
      return Got::moved;
  }
  return Got::nothing;
}

void Feed::take_block(Slot& slot) {
  current_ = &slot;
  ++blocks_;
  if (stopping_) {
    slot.last_data_ms = monotonic_ms();
  }
  const std::uint64_t count = slot.input.block().count;
  ledger_.add(slot.stream, count, slot.stream->read());
  slot.stream->count(count);
  if (slot.input.text().long_lines() > 0 && !slot.long_said) {
    slot.long_said = true;
    const LongLine rule = settings_.rules.long_line;
    log(LogLevel::warning, "a line of " + slot.input.name() + " is longer than --max-line: " +
                               (rule == LongLine::split      ? "split"
                                : rule == LongLine::truncate ? "cut short"
                                                             : "rejected"));
  }
}

void Feed::begin(Slot& slot, std::unique_ptr<Upstream> stream) {
  if (slot.stream != nullptr) {
    finish(*slot.stream);
  }
  slot.last_data_ms = monotonic_ms();
  slot.stream = stream.get();
  if (stream->early() && !early_) {
    early_ = true;
    died_ = true;
    log(LogLevel::warning, "the writer of the stream has died");
  }
  streams_.push_back(std::move(stream));
}

void Feed::finish(Upstream& stream) {
  stream.finish(options_.need_end);
  if (stream.early()) {
    if (!early_) {
      log(LogLevel::warning, "upstream ended early after " + count_of(stream.read(), "event"));
    }
    early_ = true;
  }
  if (stream.unproved()) {
    log(LogLevel::error, "the stream ended after " + count_of(stream.read(), "event") +
                             " without a word of its writer (--need-end)");
    damaged_ = true;
    early_ = true;
  }
}

// `silent`: no judgement on a writer that has not said `end`.
void Feed::end_slot(Slot& slot, bool silent) {
  if (slot.over) {
    return;
  }
  slot.over = true;
  if (slot.stream != nullptr) {
    Upstream& stream = *slot.stream;
    slot.stream = nullptr;
    if (!silent || stream.complete()) {
      finish(stream);
    }
  }
  if (const std::uint64_t rejected = slot.input.text().rejected(); rejected > 0) {
    rejected_ = true;
    log(LogLevel::error, count_of(rejected, "line") + " of " + slot.input.name() +
                             " rejected: longer than --max-line");
  }
}

// ---------------------------------------------------------------- stopping

void Feed::stop() {
  stopping_ = true;
  more_files_.clear();
  for (auto& slot : slots_) {
    slot->last_data_ms = monotonic_ms();
    if (!slot->input.is_pipe()) {
      end_slot(*slot, false);  // a stage that produces stops at once
    }
  }
}

void Feed::drain(bool can_take) {
  const std::int64_t now = monotonic_ms();
  for (auto& slot : slots_) {
    const bool complete = slot->stream != nullptr && slot->stream->complete();
    const bool silent = can_take && !slot->ready && now - slot->last_data_ms >= kQuietMs;
    if (complete || silent) {
      end_slot(*slot, true);
    }
  }
}

void Feed::end_all() {
  for (auto& slot : slots_) {
    end_slot(*slot, true);
  }
}

bool Feed::over() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->over; });
}

std::uint64_t Feed::bytes() const {
  std::uint64_t bytes = bytes_of_closed_;
  for (const auto& slot : slots_) {
    bytes += slot->input.bytes_read();
  }
  return bytes;
}

std::uint64_t Feed::rejected_lines() const {
  std::uint64_t lines = rejected_of_closed_;
  for (const auto& slot : slots_) {
    lines += slot->input.text().rejected();
  }
  return lines;
}

// ---------------------------------------------------------------- talking to the writers

void Feed::ack(std::uint64_t n) {
  ledger_.ack(n, [](Upstream* stream, std::uint64_t acked) { stream->ack(acked); });
  std::erase_if(streams_, [](const auto& stream) { return stream->settled(); });
  stream_indexes_.clear();  // they belonged to the list as it was
}

void Feed::at(std::string_view rule) {
  for (auto& stream : streams_) {
    stream->at(rule);
  }
}

void Feed::enough() {
  for (auto& stream : streams_) {
    stream->enough();
  }
}

std::uint64_t Feed::take_want() {
  std::uint64_t wanted = 0;
  for (auto& stream : streams_) {
    if (const std::uint64_t want = stream->take_want(); want > 0) {
      wanted = std::max(wanted, ledger_.position(stream.get(), want));
    }
  }
  return wanted;
}

void Feed::flush(std::int64_t ms) {
  const std::int64_t deadline = monotonic_ms() + ms;
  while (monotonic_ms() < deadline) {
    PollSet set;
    for (auto& stream : streams_) {
      if (stream->client().has_unsent()) {
        set.add(stream->client().fd(), POLLOUT);
      }
    }
    if (set.empty()) {
      return;
    }
    set.wake_at(deadline);
    set.wait();
    for (auto& stream : streams_) {
      stream->client().handle();
    }
  }
}

}  // namespace fl
