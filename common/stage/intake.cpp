#include "common/stage/intake.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/reject_line.h"

namespace fl {
namespace {

constexpr std::int64_t kQuietMs =
    1000;  // after a signal, an input that is silent for so long is over

}  // namespace

Intake::Slot::Slot(UniqueFd fd, std::string name, const Input::Settings& settings)
    : input(std::move(fd), std::move(name), settings), last_data_ms(monotonic_ms()) {}

Intake::Intake(const StageOptions& options, Settings settings)
    : options_(options), settings_(std::move(settings)) {
  if (settings_.text_source) {
    more_files_.assign(settings_.text.files.begin(), settings_.text.files.end());
    decompress_ = Decompress::of(settings_.text.decompress);
  }
}

// ---------------------------------------------------------------- opening

Intake::Slot& Intake::add_slot(UniqueFd fd, std::string name, const std::string& file) {
  Input::Settings settings;
  settings.limits = settings_.limits;
  settings.rules = settings_.rules;
  settings.rejected = reject_lines(settings_.rejects, settings_.limits,
                                   "--max-line (" + std::to_string(settings_.rules.max_line) + ")");
  settings.block_limit = settings_.block_limit;
  if (settings_.text_source) {
    settings.form = Input::Form::text;
    set_text(settings, name, file);
  } else if (options_.text) {
    settings.form = Input::Form::text;
  } else if (options_.stream) {
    settings.form = Input::Form::stream;
  }
  slots_.push_back(std::make_unique<Slot>(std::move(fd), std::move(name), settings));
  return *slots_.back();
}

// What is special about text of a source that reads text.
void Intake::set_text(Input::Settings& settings, const std::string& name,
                      const std::string& file) const {
  settings.file = file;
  if (!options_.text || settings_.text.decompress != "none") {
    settings.decompress = decompress_;
  }
  LineForm* const form = settings_.text.form.get();
  if (form == nullptr) {
    return;
  }
  settings.line_form = form;
  settings.rules.long_line = LongLine::reject;
  settings.rules.max_line = static_cast<std::uint32_t>(
      std::min<std::size_t>(form->longest_line(settings_.limits), UINT32_MAX));
  if (settings_.rejects != nullptr && settings_.rejects->keeps()) {
    settings.refused = reject_line(settings_.rejects, settings_.limits, name);
  }
}

Status Intake::open_path(const std::string& path) {
  if (is_unix_endpoint(path)) {
    Result<std::unique_ptr<WritersDoor>> door = WritersDoor::open(path, options_.until_end);
    if (!door) {
      return door.error();
    }
    doors_.push_back(std::move(*door));
    return {};
  }
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
  add_slot(std::move(fd), "'" + path + "'", path);
  return {};
}

Status Intake::open_next_file() {
  const std::string path = more_files_.front();
  more_files_.pop_front();
  return open_path(path);
}

Status Intake::open() {
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

// ---------------------------------------------------------------- connections

// Takes in writers that have connected.
void Intake::let_in(const PollSet& set) {
  for (auto& door : doors_) {
    while (std::optional<WritersDoor::Writer> writer = door->next(set)) {
      Slot& slot = add_slot(std::move(writer->fd), std::move(writer->name));
      slot.door = door.get();
    }
  }
}

// Connections that are over. The last block of the current one may still be in use; and after a
// signal a writer must not take a closed connection for the loss of what is not acknowledged yet.
void Intake::forget_ended() {
  if (stopping_) {
    return;
  }
  std::erase_if(slots_, [this](const auto& slot) {
    if (slot->door == nullptr || !slot->over || slot.get() == current_) {
      return false;
    }
    bytes_of_closed_ += slot->input.bytes_read();
    rejected_of_closed_ += slot->input.text().rejected();
    return true;
  });
}

// ---------------------------------------------------------------- waiting and hearing

void Intake::watch(PollSet& set, bool take) {
  if (!doors_.empty()) {
    forget_ended();
  }
  for (auto& door : doors_) {
    door->watch(set);
  }
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
    if (stopping_ && take && (!will_say(*slot) || slot->door != nullptr)) {
      set.wake_at(slot->last_data_ms + kQuietMs);
    }
  }
  stream_indexes_.clear();
  for (auto& stream : streams_) {
    AckClient& client = stream->client();
    stream_indexes_.push_back(client.is_open() ? set.add(client.fd(), client.events()) : -1);
    set.wake_at(stream->retry_ms());
  }
}

bool Intake::hear(const PollSet& set) {
  for (auto& slot : slots_) {
    slot->ready = slot->ready || set.revents(slot->index) != 0;
  }
  let_in(set);
  for (auto& stream : streams_) {
    stream->retry();
  }
  for (std::size_t i = 0; i < stream_indexes_.size(); ++i) {
    if (set.revents(stream_indexes_[i]) == 0) {
      continue;
    }
    hear_stream(*streams_[i]);
  }
  const bool died = died_;
  died_ = false;
  return died;
}

void Intake::hear_stream(Upstream& stream) {
  const bool was_early = stream.early();
  stream.handle();
  if (stream.early() && !was_early && !stopping_) {
    if (!stream.is_resumable()) {
      cut_short("the previous stage stopped before finishing (at least " +
                count_of(stream.read(), "event") + " received)");
    }
    died_ = true;
  }
}

// ---------------------------------------------------------------- taking in

Result<Intake::Got> Intake::next() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[(turn_ + i) % slots_.size()];
    if (slot.ready && !slot.over) {
      turn_ = (turn_ + i + (slots_.size() > 1 ? 1 : 0)) % slots_.size();
      return next_of(slot);
    }
  }
  return Got::nothing;
}

Result<Intake::Got> Intake::next_of(Slot& slot) {
  Result<Input::Got> got = slot.input.next();
  if (!got) {
    if (got.error().kind != ErrorClass::input) {
      return got.error();
    }
    // Whole blocks count; the stage still ends in order, without passing on an `end`.
    if (slot.stream != nullptr && slot.input.was_cut() && slot.stream->ends_early()) {
      end_slot(slot, false);  // its writer stopped in the middle of a block: that is not damage
      return Got::moved;
    }
    if (slot.door != nullptr && slot.input.was_refused()) {
      return got.error();  // it would come again and again
    }
    log(got.error());
    if (slot.door == nullptr) {
      damaged(got.error().message);
    }
    slot.saw_whole = false;
    if (slot.stream != nullptr) {
      slot.stream->abandon();
      slot.stream = nullptr;
    }
    end_slot(slot, true);
    return more_files_.empty() ? Got::moved : to_next_file(slot);
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
      if ((options_.stream || (options_.need_end && !slot.input.saw_bytes())) && !slot.saw_stream &&
          !stopping_ && slot.door == nullptr) {
        // A writer that died before its header.
        const std::string reason = slot.input.name() + " held no stream (" +
                                   (options_.stream ? "--stream" : "--need-end") + ")";
        log(Error{ErrorClass::input, reason,
                  "the command before this one wrote nothing: look at its message; a sink and a "
                  "channel with --out write nothing into the pipe"});
        damaged(reason);
      }
      end_slot(slot, false);
      if (!more_files_.empty()) {
        return to_next_file(slot);
      }
      if (!slot.input.saw_bytes() && !options_.stream && slot.door == nullptr) {
        log(LogLevel::info, slot.input.name() + " was empty: 0 events");
      }
      return Got::moved;
  }
  return Got::nothing;
}

Result<Intake::Got> Intake::to_next_file(const Slot& slot) {
  bytes_of_closed_ += slot.input.bytes_read();
  rejected_of_closed_ += slot.input.text().rejected();
  current_ = nullptr;
  slots_.clear();
  if (Status status = open_next_file(); !status) {
    return status.error();
  }
  return Got::moved;
}

void Intake::take_block(Slot& slot) {
  current_ = &slot;
  ++blocks_;
  body_bytes_ += slot.input.body_bytes();
  if (stopping_) {
    slot.last_data_ms = monotonic_ms();
  }
  const std::uint64_t count = slot.input.block().count;
  block_at_ = slot.stream->read();
  ledger_.add(slot.stream, count, block_at_);
  slot.stream->count(count);
  if (slot.stream->has_positions() || slot.stream->first_number()) {
    hear_stream(*slot.stream);  // position and numbers of this block were sent before it
  }
  if (slot.input.text().long_lines() > 0 && !slot.long_said) {
    slot.long_said = true;
    const LongLine rule = settings_.rules.long_line;
    log(LogLevel::warning, "a line of " + slot.input.name() + " is longer than --max-line: " +
                               (rule == LongLine::split      ? "split"
                                : rule == LongLine::truncate ? "cut short"
                                                             : "rejected"));
  }
}

void Intake::begin(Slot& slot, std::unique_ptr<Upstream> stream) {
  if (slot.stream != nullptr) {
    finish(slot, *slot.stream);
  } else if (slot.door != nullptr) {
    slot.door->begun();
  }
  slot.last_data_ms = monotonic_ms();
  slot.stream = stream.get();
  first_number_ = options_.in.size() > 1 ? std::nullopt : stream->first_number();
  if (slot.door != nullptr) {
    stream->set_resumable();
  }
  if (stream->early() && !stream->failure()) {
    died_ = true;
    if (!stream->is_resumable()) {
      cut_short("the previous stage failed; see its message above");
    }
  }
  streams_.push_back(std::move(stream));
}

// What goes wrong in a connection is logged: its writer sends the rest over the next.
void Intake::finish_connection(const Slot& slot, Upstream& stream) {
  stream.finish(false);
  if (stream.early()) {
    log(stream.read() > 0 ? LogLevel::warning : LogLevel::info,
        "a writer of " + slot.input.name() + " stopped before finishing (" +
            count_of(stream.read(), "event") + " received)");
  }
  if (stream.unconfirmed()) {
    log(LogLevel::warning, "a writer of " + slot.input.name() + " cannot be reached");
  }
}

void Intake::finish(Slot& slot, Upstream& stream) {
  if (slot.door != nullptr) {
    finish_connection(slot, stream);
    slot.saw_whole = !stream.early() && !stream.unconfirmed();
    return;
  }
  stream.finish(options_.need_end);
  if (const std::optional<Failure>& failure = stream.failure()) {
    log(LogLevel::error, "the previous stage failed: \"" + failure->message + "\" (status " +
                             std::to_string(failure->status) + ")");
    heard_ = heard_ ? heard_ : failure;
  } else if (stream.early()) {
    cut_short("the previous stage stopped before finishing (" + count_of(stream.read(), "event") +
              " received)");
  }
  if (stream.unconfirmed() && !options_.accept_unconfirmed) {
    cut_short("the end of the stream was not confirmed: its writer cannot be reached");
  }
  if (stream.unproved()) {
    const std::string reason = "the stream ended after " + count_of(stream.read(), "event") +
                               " without confirmation from its writer (--need-end)";
    log(LogLevel::error, reason);
    damaged(reason);
  }
}

void Intake::cut_short(std::string reason) {
  if (!outcome()) {
    log(LogLevel::warning, reason);
    cut_short_.emplace(static_cast<int>(ErrorClass::again), reason);
  }
}

void Intake::damaged(std::string reason) {
  if (!damage_) {
    damage_.emplace(static_cast<int>(ErrorClass::input), reason);
  }
}

StreamEnd Intake::outcome() const { return damage_ ? damage_ : heard_ ? heard_ : cut_short_; }

// `silent`: no judgement on a writer that has not said `end`.
void Intake::end_slot(Slot& slot, bool silent) {
  if (slot.over) {
    return;
  }
  slot.over = true;
  if (slot.stream != nullptr) {
    Upstream& stream = *slot.stream;
    slot.stream = nullptr;
    if (!silent || stream.complete()) {
      finish(slot, stream);
    }
  }
  if (slot.door != nullptr) {
    slot.door->left(slot.input.saw_bytes() ? std::optional(slot.saw_whole) : std::nullopt);
    if (!stopping_) {
      slot.input.close();  // its writer may have more to say, over another one
    }
  }
  if (const std::uint64_t rejected = slot.input.text().rejected(); rejected > 0) {
    const std::string reason = count_of(rejected, "line") + " of " + slot.input.name() +
                               " rejected: longer than --max-line";
    log(Error{ErrorClass::input, reason,
              "--reject FILE keeps such lines aside, --long-line split delivers them"});
    damaged(reason);
  }
}

// ---------------------------------------------------------------- stopping

void Intake::stop() {
  stopping_ = true;
  for (auto& door : doors_) {
    door->close();
  }
  if (!more_files_.empty()) {
    cut_short("stopped before '" + more_files_.front() + "' was read");
    more_files_.clear();
  }
  for (auto& slot : slots_) {
    slot->last_data_ms = monotonic_ms();
    if (!slot->over && !slot->input.is_pipe()) {
      if (slot->input.has_more()) {
        cut_short("stopped before the end of " + slot->input.name());
      }
      end_slot(*slot, false);  // a stage that produces stops at once
    }
  }
}

// Its writer is connected and will say when it has finished; --grace bounds the wait for that.
bool Intake::will_say(const Slot& slot) {
  return slot.stream != nullptr && slot.stream->client().is_open();
}

void Intake::drain(bool can_take) {
  const std::int64_t now = monotonic_ms();
  for (auto& slot : slots_) {
    const bool complete = slot->stream != nullptr && slot->stream->complete();
    // A writer over a connection may have nothing to say for long, and loses nothing.
    const bool silent = (!will_say(*slot) || slot->door != nullptr) && can_take && !slot->ready &&
                        now - slot->last_data_ms >= kQuietMs;
    if (complete || silent) {
      stop_reading(*slot);
    }
  }
}

void Intake::end_all() {
  for (auto& door : doors_) {
    door->close();
  }
  for (auto& slot : slots_) {
    stop_reading(*slot);
  }
}

// After a signal. The writer of a stream says when it has finished; text is over when none is left.
void Intake::stop_reading(Slot& slot) {
  if (slot.over) {
    return;
  }
  const bool is_stream = slot.input.form() == Input::Form::stream;
  const bool complete = slot.stream != nullptr && slot.stream->complete();
  const std::int64_t quiet_ms = monotonic_ms() - slot.last_data_ms;
  const bool flows = quiet_ms < std::min(kQuietMs, options_.grace.ms) || slot.input.has_more();
  if ((is_stream ? !complete : flows) && slot.door == nullptr) {
    cut_short("stopped reading " + slot.input.name() + " before its writer had finished");
  }
  end_slot(slot, true);
}

// More writers may come.
bool Intake::is_listening() const {
  return std::any_of(doors_.begin(), doors_.end(),
                     [](const auto& door) { return !door->is_over(); });
}

bool Intake::over() const {
  return !is_listening() &&
         std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->over; });
}

bool Intake::no_more_comes() const {
  return more_files_.empty() && !is_listening() &&
         std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) {
           return slot->over || (slot->stream != nullptr && slot->stream->no_more_comes());
         });
}

std::uint64_t Intake::bytes() const {
  std::uint64_t bytes = bytes_of_closed_;
  for (const auto& slot : slots_) {
    bytes += slot->input.bytes_read();
  }
  return bytes;
}

std::uint64_t Intake::rejected_lines() const {
  std::uint64_t lines = rejected_of_closed_;
  for (const auto& slot : slots_) {
    lines += slot->input.text().rejected();
  }
  return lines;
}

// ---------------------------------------------------------------- talking to the writers

void Intake::ack(std::uint64_t n) {
  ledger_.ack(n, [](Upstream* stream, std::uint64_t acked) { stream->ack(acked); });
  std::erase_if(streams_, [](const auto& stream) { return stream->settled(); });
  stream_indexes_.clear();  // they belonged to the list as it was
}

void Intake::at(const Guarantee& guarantee) {
  for (auto& stream : streams_) {
    stream->at(guarantee);
  }
}

void Intake::resume(const std::function<std::optional<std::vector<Position>>()>& kept) {
  for (auto& stream : streams_) {
    if (stream->knows_rule()) {
      continue;
    }
    if (std::optional<std::vector<Position>> positions = kept()) {
      stream->resume(std::move(*positions));
      has_positions_ = true;
    }
  }
}

std::optional<PositionQueue::Entry> Intake::take_position() {
  if (has_positions_) {
    for (auto& stream : streams_) {
      if (std::optional<PositionQueue::Entry> entry = stream->take_position()) {
        entry->events = ledger_.position(stream.get(), entry->events);
        return entry;
      }
    }
  }
  return std::nullopt;
}

bool Intake::has_position() const {
  return has_positions_ && std::any_of(streams_.begin(), streams_.end(),
                                       [](const auto& stream) { return stream->has_position(); });
}

// Events of several inputs come in any order.
std::optional<EventNumber> Intake::number(std::size_t i) const {
  Upstream* const stream = current_->stream;
  return stream == nullptr || !stream->first_number() || options_.in.size() > 1
             ? std::nullopt
             : stream->number(block_at_ + i);
}

std::size_t Intake::next_number(std::size_t i) const {
  Upstream* const stream = current_->stream;
  const std::uint64_t next = stream == nullptr ? UINT64_MAX : stream->next_number(block_at_ + i);
  return static_cast<std::size_t>(next == UINT64_MAX ? next : next - block_at_);
}

void Intake::enough() {
  for (auto& stream : streams_) {
    stream->enough();
  }
}

std::uint64_t Intake::take_want() {
  std::uint64_t wanted = 0;
  for (auto& stream : streams_) {
    if (const std::uint64_t want = stream->take_want(); want > 0) {
      wanted = std::max(wanted, ledger_.position(stream.get(), want));
    }
  }
  return wanted;
}

void Intake::flush(std::int64_t ms) {
  const std::int64_t deadline = monotonic_ms() + ms;
  while (monotonic_ms() < deadline) {
    PollSet set;
    bool has_unsaid = false;
    for (auto& stream : streams_) {
      set.wake_at(stream->retry_ms());
      has_unsaid = has_unsaid || stream->retry_ms() >= 0 || stream->client().has_unsent();
      if (stream->client().has_unsent()) {
        set.add(stream->client().fd(), POLLOUT);
      }
    }
    if (!has_unsaid) {
      return;
    }
    set.wake_at(deadline);
    set.wait();
    for (auto& stream : streams_) {
      stream->retry();
      stream->client().handle();
    }
  }
}

}  // namespace fl
