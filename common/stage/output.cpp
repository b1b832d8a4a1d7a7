#include "common/stage/output.h"

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"

namespace fl {
namespace {

constexpr std::size_t kLargePipe = 256 << 10;  // more gains nothing (performance.md 11)
constexpr std::size_t kFrame = 64;             // count, size and marker, generously
constexpr std::int64_t kLookMs = 50;
constexpr std::int64_t kEmptyMs =
    200;  // DESIGN 3: the time to connect after the last byte was taken

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

Result<std::unique_ptr<Output>> Output::open(UniqueFd fd, const Settings& settings) {
  std::unique_ptr<Output> output(new Output(std::move(fd), settings));
  if (output->reader_ == Reader::unknown) {
    Result<std::unique_ptr<AckServer>> server = AckServer::open();
    if (!server) {
      return server.error();
    }
    output->server_ = std::move(*server);
  }
  const bool readable = output->end_.kind() == WriteEnd::Kind::terminal;
  if (!readable && settings.codec.codec != BlockCodec::null) {
    Result<std::unique_ptr<BlockCompressor>> compressor = open_compressor(settings.codec);
    if (!compressor) {
      return compressor.error();
    }
    output->compressor_ = std::move(*compressor);
  }
  return output;
}

void Output::start() {
  started_ = true;
  if (end_.kind() == WriteEnd::Kind::terminal) {
    return;
  }
  Metadata more{{std::string(kKeyVersion), "1"}};
  if (server_) {
    more.emplace_back(kKeyStream, server_->stream_id());
    more.emplace_back(kKeyAck, server_->path());
  }
  header_ = container_header(
      event_metadata(std::move(more), block_codec_name(settings_.codec.codec)), marker_);
  pending_ = header_;
  queued_ = header_.size();
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
  if (reader_ != Reader::acking) {
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
  while (!pending_.empty()) {
    const std::ptrdiff_t n = end_.write_some(pending_.data(), pending_.size());
    if (n < 0) {
      pending_ = {};
      if (n == -EPIPE) {
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

// It may have said `enough` on its way out: its last words count.
void Output::reader_went() {
  pending_ = {};
  closed_early_ = true;
  // Twice: a reader that came and went may not even be accepted yet.
  for (int round = 0; round < 2 && server_; ++round) {
    PollSet now;
    server_->watch(now);
    now.wake_now();
    now.wait();
    server_->handle(now, sent_);
  }
}

void Output::watch(PollSet& set) {
  index_ = -1;
  if (!closed_ && !closed_early_ && end_) {
    index_ = set.add(end_.fd(), busy() ? POLLOUT : 0);
    const bool looking = started_ && server_ && reader_ == Reader::unknown;
    const bool handing = reader_ == Reader::foreign && safe_ < sent_;
    if (looking || handing || empty_ms_ >= 0) {
      set.wake_at(monotonic_ms() + kLookMs);
    }
  }
  if (server_) {
    server_->watch(set);
  }
}

Status Output::handle(const PollSet& set) {
  if (server_) {
    server_->handle(set, sent_);
  }
  if (Status status = pump(); !status) {
    return status;
  }
  if (!closed_ && (set.revents(index_) & POLLERR) != 0 && end_.kind() != WriteEnd::Kind::file) {
    reader_went();
  }
  judge();
  return {};
}

void Output::judge() {
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
  const bool taken = written_ >= header_.size() && written_ - end_.unread() >= header_.size();
  const std::int64_t now = monotonic_ms();
  if (!taken) {
    taken_ms_ = -1;
  } else if (taken_ms_ < 0) {
    taken_ms_ = now;
  } else if (now - taken_ms_ >= settings_.ack_wait_ms) {
    reader_ = Reader::foreign;
  }
}

std::uint64_t Output::handed_on() {
  const std::uint64_t taken =
      end_ ? written_ - std::min<std::uint64_t>(written_, end_.unread()) : 0;
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

std::optional<std::string_view> Output::rule() const {
  switch (reader_) {
    case Reader::acking:
      return server_->rule();
    case Reader::foreign:
      return "handed on";
    case Reader::file:
      return "written and synced";
    case Reader::none:
      return end_.kind() == WriteEnd::Kind::terminal ? "printed" : "handed on";
    default:
      return std::nullopt;
  }
}

void Output::want(std::uint64_t n) {
  if (server_) {
    server_->want(n);
  } else {
    wanted_ = std::max(wanted_, n);
    sync_wanted();
  }
}

// A file is synced as soon as it holds what is wanted.
void Output::sync_wanted() {
  if (reader_ != Reader::file || closed_ || busy() || kept_error_ || wanted_ <= safe_ ||
      sent_ < wanted_) {
    return;
  }
  // A failed sync is told once; trying again would succeed and lie (reliability.md 10 A.6).
  if (Status status = end_.sync(); !status) {
    kept_error_ = status.error();
  } else {
    safe_ = sent_;
    marks_.clear();
  }
}

void Output::close_now(bool clean) {
  if (server_ && clean && !end_said_) {
    server_->end(sent_);
    end_said_ = true;
  }
  if (reader_ == Reader::foreign || (reader_ == Reader::unknown && clean)) {
    safe_ = std::max(safe_, handed_on());
  }
  end_.close();
  closed_ = true;
}

Status Output::close(bool clean, bool hurry) {
  if (closed_ || busy()) {
    return {};
  }
  if (closed_early_) {
    close_now(false);
    return {};
  }
  if (reader_ == Reader::file) {
    if (Status status = end_.sync(); !status) {
      return status;
    }
    safe_ = sent_;
    marks_.clear();
  }
  if (reader_ == Reader::acking || reader_ == Reader::file || reader_ == Reader::none || !clean) {
    close_now(clean);
    return {};
  }
  if (end_.reader_closed()) {
    closed_early_ = true;
    close_now(false);
    return {};
  }
  // Nobody has connected: `end` waits for whoever does, the pipe stays open until it is empty.
  if (server_ && !end_said_) {
    server_->end(sent_);
    end_said_ = true;
  }
  const std::int64_t now = monotonic_ms();
  // Told to stop with nothing sent: a reader that starts slowly gets the same time to hear `end`,
  // but none that never takes the header.
  const bool waits_until_taken = !hurry || sent_ > 0;
  if (empty_ms_ < 0 || (waits_until_taken && end_.unread() != 0)) {
    empty_ms_ = now;
  } else if (now - empty_ms_ >= kEmptyMs || !server_) {
    reader_ = Reader::foreign;
    close_now(clean);
  }
  return {};
}

void Output::remove_socket() {
  if (server_) {
    server_->remove();
  }
}

}  // namespace fl
