#include "common/stage/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/io/standard_fds.h"

namespace fl {
namespace {

constexpr std::size_t kFrame = 64;    // count, size and marker, generously
constexpr std::int64_t kLookMs = 50;  // doubled while nothing changes, up to
constexpr std::int64_t kMostLookMs = 1000;
constexpr std::int64_t kEmptyMs = 200;  // the time to connect after the last byte was taken
constexpr std::int64_t kLateMs = 100;   // after a first reader has heard of a failure

}  // namespace

Output::Output(UniqueFd fd, const Settings& settings)
    : settings_(settings), end_(std::move(fd)), marker_(random_marker()) {
  builder_.set_limit(block_limit());
  switch (end_.kind()) {
    case WriteEnd::Kind::file:
      reader_ = Reader::file;
      break;
    case WriteEnd::Kind::terminal:
    case WriteEnd::Kind::device:
      reader_ = Reader::none;
      break;
    default:
      reader_ = settings.ack ? Reader::unknown : Reader::foreign;
  }
}

std::size_t Output::block_limit() const {
  if (settings_.codec.codec != BlockCodec::null) {
    return kLargePipe - kFrame;
  }
  return (end_.pipe_size() != 0 ? end_.pipe_size() : kLargePipe) - kFrame;
}

Status Output::open() {
  if (reader_ == Reader::unknown) {
    Result<std::unique_ptr<AckServer>> server = AckServer::open();
    if (!server) {
      return server.error();
    }
    server_ = std::move(*server);
  }
  const bool readable = end_.kind() == WriteEnd::Kind::terminal;
  if (!readable && settings_.codec.codec != BlockCodec::null) {
    Result<std::unique_ptr<BlockCompressor>> compressor = open_compressor(settings_.codec);
    if (!compressor) {
      return compressor.error();
    }
    compressor_ = std::move(*compressor);
  }
  return {};
}

void Output::start() { write_header({}); }

void Output::start_failed(const Failure& failure) {
  told_in_header_ = true;
  if (server_) {
    server_->refuse();
  }
  const bool is_pipe = end_.kind() == WriteEnd::Kind::pipe || end_.kind() == WriteEnd::Kind::socket;
  if (is_pipe && !is_same_file(end_.fd(), STDERR_FILENO)) {
    write_header({{std::string(kKeyFailed), failure.text()}});
  }
}

void Output::write_header(Metadata more) {
  started_ = true;
  if (end_.kind() == WriteEnd::Kind::terminal) {
    return;
  }
  more.emplace_back(kKeyVersion, "1");
  if (server_) {
    more.emplace_back(kKeyStream, server_->stream_id());
    more.emplace_back(kKeyAck, server_->path());
  }
  if (server_ && number_) {
    more.emplace_back(kKeyLog, number_->log);
    more.emplace_back(kKeyFirst, std::to_string(number_->number));
  }
  header_ = container_header(
      event_metadata(std::move(more), block_codec_name(settings_.codec.codec)), marker_);
  pending_ = header_;
  queued_ = header_.size();
}

void Output::number(std::uint64_t n, const std::optional<EventNumber>& number) {
  if (!started_ || !server_) {
    number_ = number;
    return;
  }
  const bool goes_on = has_numbers_ && number_ && number && number->log == number_->log &&
                       number->number == number_->number + (n - number_at_);
  if (goes_on || (!number && (!has_numbers_ || !number_))) {
    return;
  }
  has_numbers_ = true;
  number_ = number;
  number_at_ = n;
  server_->number(n, number);
}

// The next block waits until its numbers are known below; the header never does.
bool Output::holds_back() const {
  return has_numbers_ && sent_blocks_ > 0 &&
         (reader_ == Reader::unknown ||
          (reader_ == Reader::acking && server_->has_unsent_numbers()));
}

void Output::flush_builder() {
  if (!builder_.empty()) {
    send(builder_.block());
    pending_is_builder_ = true;
  }
}

void Output::send(Block block) {
  if (compressor_ && !pack(block)) {
    return;
  }
  sent_ += block.count;
  ++sent_blocks_;
  if (end_.kind() == WriteEnd::Kind::terminal) {
    text_ = readable(block);
    pending_ = text_;
  } else {
    pending_ = frame_block(block, marker_);
  }
  queued_ += pending_.size();
  if (reader_ != Reader::acking && reader_ != Reader::file) {
    marks_.push_back({queued_, sent_});
    if (marks_.size() > 4096 && reader_ == Reader::unknown) {
      marks_.erase(marks_.begin() + 1, marks_.end() - 2048);  // coarser, still true
    }
  }
}

// The block's events become packed ones.
bool Output::pack(Block& block) {
  const std::string_view events(reinterpret_cast<const char*>(block.data), block.size);
  if (Status status = compressor_->compress(events, packed_); !status) {
    kept_error_ = status.error();
    return false;
  }
  block.data = packed_.data();
  block.size = packed_.size();
  return true;
}

std::string Output::readable(const Block& block) const {
  std::string out;
  EventLimits any{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
  Event event;
  const char* why = nullptr;
  const std::uint8_t* p = block.data;
  while (p != nullptr && p != block.data + block.size &&
         (p = scan_event(p, block.data + block.size, any, event, why)) != nullptr) {
    std::string headers;
    for (const auto& [key, value] : headers_of(event)) {
      headers += (headers.empty() ? "" : ", ") + key + "=" + value;
    }
    out += printable("{" + headers + "} " + std::string(event.body())) + "\n";
  }
  return out;
}

Status Output::pump() {
  if (kept_error_) {
    return *kept_error_;
  }
  while (!pending_.empty() && !holds_back()) {
    const std::ptrdiff_t n = end_.write_some(pending_.data(), pending_.size());
    if (n < 0) {
      pending_ = {};
      if (n == -EPIPE || n == -ECONNRESET) {
        reader_went();
        break;
      }
      return system_error("cannot write the output", static_cast<int>(-n));
    }
    written_ += static_cast<std::uint64_t>(n);
    pending_.remove_prefix(static_cast<std::size_t>(n));
    if (!pending_.empty() && n == 0) {
      if (!was_full_) {
        was_full_ = true;
        end_.grow(kLargePipe);
        if (end_.pipe_size() != 0) {
          builder_limit_pending_ = block_limit();
        }
      }
      return {};
    }
  }
  if (!pending_.empty()) {
    return {};
  }
  if (pending_is_builder_) {
    pending_is_builder_ = false;
    builder_.clear();
  }
  if (builder_limit_pending_ != 0) {
    builder_.set_limit(builder_limit_pending_);
    builder_limit_pending_ = 0;
  }
  return {};
}

// It may have sent `enough` before it closed: its last words count.
void Output::reader_went() {
  pending_ = {};
  closed_early_ = true;
  hear_now();
}

// Twice: a reader that came and went may not even be accepted yet.
void Output::hear_now() {
  for (int round = 0; round < 2 && server_; ++round) {
    PollSet now;
    server_->watch(now);
    now.wake_now();
    now.wait();
    server_->handle(now, sent_);
  }
}

// A reader that takes bytes out of a pipe wakes nobody: the pipe is polled, less and less often
// while nothing is taken. Once the pipe is empty, only a short time is left to wait.
std::int64_t Output::next_look_ms() {
  const std::size_t unread = end_.unread();
  if (unread == 0 || unread != looked_unread_) {
    look_ms_ = 0;
  }
  looked_unread_ = unread;
  look_ms_ = std::clamp(2 * look_ms_, kLookMs, kMostLookMs);
  return monotonic_ms() + look_ms_;
}

void Output::watch(PollSet& set) {
  index_ = -1;
  if (!closed_ && !closed_early_ && end_) {
    index_ = set.add(end_.fd(), busy() && !holds_back() ? POLLOUT : 0);
    const bool looking = started_ && server_ && reader_ == Reader::unknown;
    const bool handing = reader_ == Reader::foreign && safe_ < sent_;
    if (looking || handing || empty_ms_ >= 0) {
      set.wake_at(next_look_ms());
    }
    set.wake_at(tell_until_ms_);
  }
  if (server_) {
    server_->watch(set);
  }
  syncer_.watch(set);
}

Status Output::handle(const PollSet& set) {
  if (server_) {
    server_->handle(set, sent_);
  }
  if (Status status = pump(); !status) {
    return status;
  }
  // POLLHUP is a socket's; a pipe's writer gets POLLERR.
  if (!closed_ && (set.revents(index_) & (POLLERR | POLLHUP)) != 0 &&
      end_.kind() != WriteEnd::Kind::file) {
    reader_went();
  }
  check_reader();
  return {};
}

void Output::check_reader() {
  if (server_ && server_->had_reader()) {
    reader_ = Reader::acking;
    marks_.clear();
    return;
  }
  if (reader_ != Reader::unknown || !started_ || closed_) {
    return;
  }
  // The header was taken, yet nobody has connected: after a while that is a foreign reader. While
  // it lies untouched a slow starter may still come.
  const bool taken = written_ >= header_.size() + end_.unread();
  const std::int64_t now = monotonic_ms();
  if (!taken) {
    taken_ms_ = -1;
  } else if (taken_ms_ < 0) {
    taken_ms_ = now;
  } else if (now - taken_ms_ >= settings_.ack_wait_ms) {
    reader_ = Reader::foreign;
    server_->give_up_numbers();
  }
}

std::uint64_t Output::handed_on() {
  const std::uint64_t taken =
      end_ ? written_ - std::min<std::uint64_t>(written_, end_.unread()) : 0;
  // What was left in a socket is lost with its reader, and was not taken.
  if (end_.kind() == WriteEnd::Kind::socket && end_.reader_closed()) {
    return safe_;
  }
  while (!marks_.empty() && marks_.front().bytes <= taken) {
    safe_ = marks_.front().events;
    marks_.pop_front();
  }
  return safe_;
}

std::uint64_t Output::acked() {
  switch (reader_) {
    case Reader::acking:
      safe_ = std::max(safe_, server_->acked());
      break;
    case Reader::foreign:
      if (!closed_ && !closed_early_) {
        handed_on();
      }
      break;
    case Reader::file:
      sync_wanted();
      break;
    case Reader::none:
      if (!busy()) {
        safe_ = sent_;
        marks_.clear();
      }
      break;
    default:
      break;
  }
  return safe_;
}

std::optional<Guarantee> Output::guarantee() const {
  constexpr Guarantee kHandedOn{Level::none, "handed on"};
  switch (reader_) {
    case Reader::acking:
      return server_->guarantee();
    case Reader::foreign:
      return kHandedOn;
    case Reader::file:
      return Guarantee{Level::durable, "written and synced"};
    case Reader::none:
      return end_.kind() == WriteEnd::Kind::terminal ? Guarantee{Level::printed, "printed"}
                                                     : kHandedOn;
    default:
      return std::nullopt;
  }
}

void Output::want(std::uint64_t n) {
  wanted_ = std::max(wanted_, n);
  if (server_) {
    server_->want(n);
  } else {
    sync_wanted();
  }
}

// A file is synced as soon as it holds what is wanted.
void Output::sync_wanted() {
  if (reader_ != Reader::file || closed_) {
    return;
  }
  if (const std::optional<Status> result = syncer_.take()) {
    take_synced(*result);
  }
  if (!busy() && wanted_ > safe_ && sent_ >= wanted_) {
    start_sync();
  }
}

// All that was written, unless a sync runs or one has failed: that is reported, and trying again
// would succeed and lie (the page cache drops its dirty mark).
void Output::start_sync() {
  if (!syncer_.busy() && !kept_error_) {
    syncing_ = sent_;
    syncing_bytes_ = written_;
    syncer_.start([this] { return end_.sync(); });
  }
}

void Output::take_synced(const Status& result) {
  if (!result) {
    kept_error_ = result.error();
  } else {
    safe_ = std::max(safe_, syncing_);
    synced_bytes_ = syncing_bytes_;
  }
}

void Output::say_end() {
  if (server_ && !last_word_said_) {
    server_->end(sent_);
    last_word_said_ = true;
  }
}

void Output::close_now() {
  if (reader_ == Reader::foreign) {
    safe_ = std::max(safe_, handed_on());
  }
  if (syncer_.busy()) {
    take_synced(syncer_.wait());  // it uses the descriptor
  }
  end_.close();
  closed_ = true;
  tell_until_ms_ = -1;
}

Status Output::close(const StreamEnd& outcome, bool hurry) {
  if (closed_ || busy()) {
    return {};
  }
  if (closed_early_) {
    close_now();
    return {};
  }
  if (outcome) {
    close_failed(*outcome, hurry);
    return {};
  }
  return close_whole(hurry);
}

void Output::close_failed(const Failure& failure, bool hurry) {
  sync_wanted();  // a file's events are as good as those of a stream that ends well
  if (syncer_.busy() && !hurry) {
    return;
  }
  if (server_ && !told_in_header_ && !last_word_said_) {
    server_->fail(failure);
    last_word_said_ = said_failure_ = true;
    tell_until_ms_ = monotonic_ms() + settings_.ack_wait_ms;
  }
  const bool can_hear =
      server_ && !told_in_header_ && (reader_ == Reader::unknown || reader_ == Reader::acking);
  if (!can_hear || hurry || server_->last_word_sent() || end_.reader_closed() ||
      monotonic_ms() >= tell_until_ms_) {
    close_now();
  }
}

void Output::tell_late_readers() {
  const std::int64_t until = monotonic_ms() + kLateMs;
  while (said_failure_ && server_->had_reader() && monotonic_ms() < until) {
    PollSet set;
    server_->watch(set);
    set.wake_at(until);
    set.wait();
    server_->handle(set, sent_);
  }
}

Status Output::close_whole(bool hurry) {
  if (reader_ == Reader::file) {
    sync_wanted();
    if (kept_error_) {
      return *kept_error_;
    }
    if (synced_bytes_ < written_) {
      start_sync();
      return {};
    }
  }
  if (reader_ == Reader::acking || reader_ == Reader::file || reader_ == Reader::none) {
    say_end();
    close_now();
    return {};
  }
  if (end_.reader_closed()) {
    reader_went();  // since the last poll it may have connected, asked for no more and closed
    check_reader();
    close_now();
    return {};
  }
  // Nobody has connected: `end` waits for a reader that does, the pipe stays open until it is
  // empty.
  say_end();
  const std::int64_t now = monotonic_ms();
  // Told to stop with nothing sent: a reader that starts slowly gets the same time to receive
  // `end`, but none that never takes the header.
  const bool is_untaken = (!hurry || sent_ > 0) && end_.unread() != 0;
  // When it was taken is known only as well as it is looked for.
  const bool has_time = empty_ms_ < 0 || is_untaken || was_untaken_;
  was_untaken_ = is_untaken;
  if (has_time) {
    empty_ms_ = now;
  } else if (now - empty_ms_ >= kEmptyMs || !server_) {
    if (server_) {  // it may have come while there was no descriptor for it
      server_->try_again_now();
      hear_now();
      check_reader();
    }
    if (reader_ != Reader::acking) {
      reader_ = Reader::foreign;
      close_now();
    }
  }
  return {};
}

void Output::remove_socket() {
  if (server_) {
    server_->remove();
  }
}

}  // namespace fl
