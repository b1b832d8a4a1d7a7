// The spooldir source reads: the checks of a file before anything of it is sent, then its lines.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/stream/unpacker.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {
namespace {

/// Files read and not wholly acknowledged; each costs about 200 bytes.
constexpr std::size_t kMaxInFlight = 1 << 16;
constexpr std::int64_t kFullWaitMs = 50;
/// Where nothing tells whether a file is complete.
constexpr std::int64_t kUnknownAgeMs = 5'000;
constexpr std::int64_t kFirstDelayMs = 20;
constexpr std::int64_t kLastDelayMs = 60'000;
/// Of a text that is checked before it is read, between two looks at signals.
constexpr std::size_t kCheckSlice = 1 << 20;
constexpr std::size_t kHead = 4 << 10;

}  // namespace

// ---------------------------------------------------------------- before a file is read

Result<const LocalDir*> SpooldirSource::directory_of(std::string_view path,
                                                     std::optional<LocalDir>& opened,
                                                     int* number) const {
  const std::string_view parent = parent_of(path);
  if (parent.empty()) {
    return &*root_;
  }
  auto directory = root_->below(parent, LocalDir::Missing::fail, number);
  if (!directory) {
    return directory.error();
  }
  opened.emplace(std::move(*directory));
  return &*opened;
}

Result<UniqueFd> SpooldirSource::open_file(std::string_view path) const {
  std::optional<LocalDir> opened;
  const auto directory = directory_of(path, opened);
  if (!directory) {
    return directory.error();
  }
  UniqueFd fd(::openat((*directory)->fd(), std::string(base_name(path)).c_str(),
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    return system_error(ErrorClass::io, "cannot open '" + absolute(path) + "'", errno);
  }
  return fd;
}

/// Opens file.path. False: it is gone, not ours or cannot be opened, and that was logged.
bool SpooldirSource::open_candidate(Candidate& file) {
  int number = 0;
  const auto directory = directory_of(file.path, file.directory, &number);
  if (directory) {
    file.fd.reset(::openat((*directory)->fd(), std::string(base_name(file.path)).c_str(),
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    number = file.fd && ::fstat(file.fd.get(), &file.info) == 0 ? 0 : errno;
  }
  if (number == ENOENT) {
    log(LogLevel::warning, "'" + absolute(file.path) + "' went away before it was read");
    return false;
  }
  if (number != 0 || !directory) {
    fail(file.path, number == 0
                        ? directory.error()
                        : system_error("cannot open '" + absolute(file.path) + "'", number));
    return false;
  }
  if (!S_ISREG(file.info.st_mode)) {
    log(LogLevel::warning, "skipped '" + absolute(file.path) + "': it is not a regular file");
    return false;
  }
  return true;
}

/// True: it is left for later.
bool SpooldirSource::is_unfinished(const Candidate& file) {
  const Writers writers = find_writers(file.fd.get());
  const std::int64_t least =
      min_age_ >= 0 ? min_age_ : (writers == Writers::unknown ? kUnknownAgeMs : 0);
  const std::int64_t age = least > 0 ? age_ms(file.info) : 0;
  if (writers != Writers::some && age >= least) {
    unfinished_.erase(file.path);
    return false;
  }
  Unfinished& state = unfinished_[file.path];
  if (writers == Writers::some) {
    // The kernel tells us that a file is closed a moment before the writer counts as gone, so its
    // event is not enough.
    state.delay_ms = std::clamp(2 * state.delay_ms, kFirstDelayMs, kLastDelayMs);
    state.due_ms = monotonic_ms() + state.delay_ms;
  } else {
    state.due_ms = monotonic_ms() + least - age;
  }
  return true;
}

/// True: an earlier run has delivered the file; all that was missing is its new name.
bool SpooldirSource::settle_delivered(const Candidate& file) {
  const Identity* const record = ledger_->unsettled(file.path);
  if (record == nullptr) {
    return false;
  }
  Identity now = Identity::of(file.info);
  if (now.inode != record->inode) {
    if (Status status = ledger_->remove_unsettled(file.path); !status) {
      log(status.error());
    }
    return false;  // another file
  }
  if (now.size != record->size || now.mtime_ns != record->mtime_ns) {
    fail(file.path, changed(file.path, "after it was delivered"));
    return true;
  }
  Status status = complete(file.path, now);
  if (status) {
    status = ledger_->remove_unsettled(file.path);
  }
  if (!status) {
    fail(file.path, status.error());
  }
  return true;
}

/// What can be known now of the renaming that comes when all is delivered.
Status SpooldirSource::check_target(const Candidate& file) const {
  const std::string name(base_name(file.path));
  const std::string target = name + options_.file_suffix;
  if ((renames() || marks()) && target.size() > NAME_MAX) {
    return Error{ErrorClass::io,
                 "cannot read '" + absolute(file.path) + "': its name with '" +
                     options_.file_suffix + "' would have " + std::to_string(target.size()) +
                     " bytes, more than the " + std::to_string(NAME_MAX) + " that are possible",
                 "rename it, or choose a shorter --file-suffix"};
  }
  if (marks()) {
    return {};
  }
  const int directory = (file.directory ? *file.directory : *root_).fd();
  if (const int number = rename_refusal(directory, file.info); number != 0) {
    Error error = system_error("cannot read '" + absolute(file.path) + "': " +
                                   (renames() ? "renaming" : "deleting") + " it is not allowed",
                               number);
    error.hint = "--tracking-policy tracker_dir leaves delivered files as they are";
    return error;
  }
  struct stat taken {};
  if (renames() && ::fstatat(directory, target.c_str(), &taken, AT_SYMLINK_NOFOLLOW) == 0) {
    return name_taken(file.path);
  }
  return {};
}

TextForm SpooldirSource::form(Compression compression) const {
  return {compression, charset_,
          options_.decode_error_policy == "REPLACE"  ? TextForm::Malformed::replace
          : options_.decode_error_policy == "IGNORE" ? TextForm::Malformed::ignore
                                                     : TextForm::Malformed::fail};
}

Status SpooldirSource::read_head(Candidate& file) const {
  file.head.resize(kHead);
  const ssize_t size = ::pread(file.fd.get(), file.head.data(), file.head.size(), 0);
  if (size < 0) {
    return system_error(ErrorClass::io, "cannot read '" + absolute(file.path) + "'", errno);
  }
  file.head.resize(static_cast<std::size_t>(size));
  return {};
}

/// How the file is to be read. Class input: its bytes are not what the options say.
Result<TextForm> SpooldirSource::form_of(const Candidate& file) const {
  if (any_bytes_ && options_.decompress == "none") {
    return form(Compression::none);
  }
  const auto chosen = Decompress::of(options_.decompress)
                          .choose(file.head, base_name(file.path), "'" + absolute(file.path) + "'");
  if (!chosen) {
    return chosen.error();
  }
  return form(*chosen);
}

/// Class input for what is not text.
Status SpooldirSource::check_text(const Candidate& file, const TextForm& form) const {
  std::string decoded;
  if (!form.plain()) {
    auto fd = UniqueFd(::fcntl(file.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) {
      return system_error(ErrorClass::io, "cannot read '" + absolute(file.path) + "'", errno);
    }
    auto text = SpoolText::open(std::move(fd), absolute(file.path), form);
    if (!text) {
      return text.error();
    }
    decoded.resize(kHead);
    const auto size = text->read(reinterpret_cast<std::uint8_t*>(decoded.data()), decoded.size());
    if (!size) {
      return size.error();
    }
    decoded.resize(*size);
  }
  if (any_bytes_) {
    return {};
  }
  const std::string_view bytes = form.plain() ? file.head : decoded;
  const std::string refused = "cannot read '" + absolute(file.path) + "' as text: ";
  if (form.charset.empty() && (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff"))) {
    const bool wide = bytes.starts_with(std::string_view("\xff\xfe\0\0", 4));
    const std::string charset = wide ? "UTF-32" : "UTF-16";
    return Error{ErrorClass::input, refused + "it is " + charset,
                 "--input-charset " + charset + " turns it into UTF-8"};
  }
  if (compression_of_bytes(bytes) != Compression::none) {
    return Error{ErrorClass::input, refused + "it is compressed twice", "unpack it first"};
  }
  if (!check_text_start(bytes, rules_.delimiter)) {
    return Error{ErrorClass::input, refused + "it has control characters",
                 "--decompress reads compressed files, --input-charset other encodings; iconv(1) "
                 "and zcat(1) make text beforehand"};
  }
  return {};
}

void SpooldirSource::make_headers(const std::string& path) {
  Headers headers;
  const auto add = [&](const std::string& key, std::string_view value) {
    std::string text = utf8_escaped(value);
    if (text.size() > limits_.value_bytes) {
      log(LogLevel::warning, "the header '" + key + "' is left out of the events of '" +
                                 absolute(path) + "': its value is too long");
      return;
    }
    headers.emplace_back(utf8_escaped(key), std::move(text));
  };
  if (options_.file_header) {
    add(options_.file_header_key, absolute(path));
  }
  if (options_.basename_header) {
    add(options_.basename_header_key, base_name(path));
  }
  map_.clear();
  if (!headers.empty()) {
    append_map(map_, headers);
  }
}

/// Takes the next file off the queue and begins to read it, or says why not.
void SpooldirSource::open_next() {
  const std::string path = std::move(queue_.front().path);
  queue_.pop_front();
  known_.erase(path);
  Candidate file;
  file.path = path;
  if (!open_candidate(file) || is_unfinished(file) || settle_delivered(file) || settle_kept(file)) {
    return;
  }
  Status status = check_target(file);
  if (status) {
    status = read_head(file);
  }
  if (!status) {
    fail(path, status.error());
    return;
  }
  const auto form = form_of(file);
  if (!form) {
    fail(path, form.error());
    return;
  }
  if (status = check_text(file, *form); !status) {
    fail(path, status.error());
    return;
  }
  begin(std::move(file), *form);
}

void SpooldirSource::begin(Candidate candidate, const TextForm& form) {
  InFlight file;
  file.path = std::move(candidate.path);
  file.identity = Identity::of(candidate.info);
  file.name = SpoolPlace::name_of(candidate.info);
  file.compression = form.compression;
  file.first = file.end = produced_;
  if (begun_ && begun_->file == utf8_escaped(absolute(file.path))) {
    const bool same = begun_->size < 0 || (begun_->size == file.identity.size &&
                                           begun_->mtime_ns == file.identity.mtime_ns);
    if (!same ||
        (form.plain() && begun_->offset > static_cast<std::uint64_t>(file.identity.size))) {
      log(LogLevel::warning, "'" + absolute(file.path) +
                                 "' has changed since an earlier run began it; reading it from the "
                                 "start");
    } else if (begun_->text != form.name()) {
      log(LogLevel::warning, "'" + absolute(file.path) +
                                 "' was begun with another --decompress or --input-charset; it is "
                                 "read from its start");
    } else {
      file.start_offset = begun_->offset;
      tracked_ = file.path;
    }
    begun_.reset();
  }
  file.start_offset = std::max(file.start_offset, kept_offset(file, form));
  known_.insert(file.path);
  in_flight_.push_back(std::move(file));
  reading_ = true;
  rejected_before_ = lines_->rejected();
  auto text = SpoolText::open(std::move(candidate.fd), absolute(in_flight_.back().path), form);
  if (!text) {
    fail_in_flight(in_flight_.back(), text.error());
    return;
  }
  if (form.plain()) {
    lines_start(std::move(*text));
  } else {
    check_.emplace(std::move(*text));
  }
}

void SpooldirSource::lines_start(SpoolText text) {
  InFlight& file = in_flight_.back();
  first_event_ = file.start_offset == 0;
  make_headers(file.path);
  if (Status status = lines_->start(std::move(text), file.start_offset); !status) {
    fail_in_flight(file, status.error());
  }
}

/// Decodes a part of the text that is going to be read: of a damaged or cut file nothing is sent,
/// since every run would send it again.
void SpooldirSource::check_slice() {
  std::uint8_t passed[16 << 10];
  for (std::size_t done = 0; done < kCheckSlice;) {
    const auto got = check_->read(passed, sizeof passed);
    if (!got) {
      check_.reset();
      fail_in_flight(in_flight_.back(), got.error());
      return;
    }
    done += *got;
    if (*got < sizeof passed) {
      malformed_ += check_->malformed();
      if (Status status = check_->seek(0); !status) {
        fail_in_flight(in_flight_.back(), status.error());
      }
      SpoolText text = std::move(*check_);
      check_.reset();
      lines_start(std::move(text));
      return;
    }
  }
}

// ---------------------------------------------------------------- reading

/// The end of the file has been reached, or it failed.
Status SpooldirSource::finish_reading() {
  InFlight& file = in_flight_.back();
  file.read = true;
  reading_ = false;
  struct stat info {};
  if (!file.failed &&
      (::fstat(lines_->fd(), &info) != 0 || !(Identity::of(info) == file.identity))) {
    fail_in_flight(file, changed(file.path, "while it was read"));
  }
  if (!file.failed && lines_->has_mark() && !std::exchange(mark_said_, true)) {
    log(LogLevel::info, "'" + absolute(file.path) +
                            "' begins with a byte order mark of UTF-8: such marks are left out");
  }
  lines_->stop();
  if (!file.failed && file.incomplete) {
    const std::uint64_t lines = lines_->rejected() - rejected_before_;
    fail_in_flight(file,
                   {ErrorClass::input,
                    "'" + absolute(file.path) + "' stays: " + count_of(lines, "line") + " of it " +
                        (lines == 1 ? "is" : "are") + " longer than --max-line (" +
                        std::to_string(rules_.max_line) + ") and not delivered",
                    "--reject FILE keeps such lines aside, --long-line split delivers them"});
  }
  return settle();
}

/// Of a position that a durable stage below keeps, more files would not fit.
bool SpooldirSource::is_full() const {
  return in_flight_.size() >= kMaxInFlight || (has_positions_ && !in_flight_.empty() &&
                                               in_flight_.size() + kept_.size() >= kMaxSpoolPlaces);
}

Result<Source::State> SpooldirSource::produce(BlockBuilder& out) {
  waits_for_files_ = false;
  for (;;) {
    while (!reading_) {
      if (is_full()) {
        wake_at_ms_ = monotonic_ms() + kFullWaitMs;
        return State::wait;
      }
      if (Status status = look_for_files(); !status) {
        return status.error();
      }
      if (dry_run_) {
        return State::end;
      }
      if (queue_.empty()) {
        if (more_to_scan_) {
          continue;
        }
        if (unfinished_.empty()) {
          kept_.clear();  // what was not there is settled or gone
        }
        if (options_.once) {
          return State::end;
        }
        waits_for_files_ = true;
        wake_at_ms_ = next_look_ms();
        return State::wait;
      }
      open_next();
    }
    wake_at_ms_ = -1;
    InFlight& file = in_flight_.back();
    if (check_) {
      check_slice();
      if (check_) {
        return State::more;
      }
    }
    const LineFile::Next next = file.failed ? LineFile::Next::end : lines_->peek();
    file.incomplete = lines_->rejected() > rejected_before_;
    if (next == LineFile::Next::event ||
        (next == LineFile::Next::end && first_event_ && lines_->at_start() && !file.failed)) {
      const std::string_view body =
          next == LineFile::Next::event ? lines_->body() : std::string_view();
      if (!out.fits(BlockBuilder::event_size(map_, body))) {
        checkpoints_.push_back({produced_, lines_->offset()});
        return State::more;
      }
      out.add(map_, body);
      if (next == LineFile::Next::event) {
        lines_->accept();
      }
      first_event_ = false;
      ++produced_;
      ++file.end;
      continue;
    }
    if (next == LineFile::Next::failed) {
      if (lines_->reject_failed()) {
        return lines_->error();
      }
      fail_in_flight(file, lines_->error());
    }
    if (Status status = finish_reading(); !status) {
      return status.error();
    }
  }
}

}  // namespace fl
