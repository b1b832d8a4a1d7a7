#include "common/log/head_file.h"

#include <cerrno>

#include "common/log/log_error.h"
#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr const char* kNewHead = "head.tmp";

std::string_view view(const SlotBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Error later_version(const LogFiles& files, const std::string& name) {
  return {ErrorClass::config,
          "'" + files.path() + "/" + name + "' was written by a later version of fl",
          "use that version, or a newer one"};
}

Result<HeadFile> HeadFile::open(LogFiles& files, LogFiles::Open how) {
  HeadFile head(files);
  head.how_ = how;
  if (Status status = head.read(); !status) {
    return status.error();
  }
  return head;
}

Status HeadFile::read() {
  if (!file_) {
    const int opened = uninterrupted([&] { return files_->open(kHeadName, how_, file_); });
    if (opened == -ENOENT) {
      return {};
    }
    if (opened != 0) {
      return log_error(*files_, "open", kHeadName, opened);
    }
  }
  std::string bytes;
  std::string before;
  HeadSlot found;
  Decoded how = Decoded::damaged;
  bool lacks_slot = false;
  // One that is just being written is another one when it is read again.
  do {
    before = std::move(bytes);
    if (const std::int64_t n = read_fully(*file_, bytes, kHeadBytes, 0); n < 0) {
      return log_error(*files_, "read", kHeadName, n);
    }
    how = newest_slot(bytes, kHeadSlotDistance, found);
    lacks_slot = how == Decoded::ok && has_lost_slot(bytes, kHeadSlotDistance, found.counter) &&
                 !seeded(Bug::lost_slot_ignored);
  } while (lacks_slot && bytes != before);
  switch (how) {
    case Decoded::other_version:
      return later_version(*files_, kHeadName);
    case Decoded::damaged:
      if (state_ == State::missing) {
        state_ = State::damaged;
      }
      break;
    case Decoded::ok:
      if (slot_.counter != 0 && found.log != slot_.log) {
        return Error{ErrorClass::again, "'" + files_->path() + "' holds another log now",
                     "start again to use that one"};
      }
      // A recreated head counts from 1 again; what is durable only grows.
      if (state_ != State::ok || found.counter > slot_.counter ||
          found.durable_sequence > slot_.durable_sequence) {
        slot_ = found;
      }
      state_ = State::ok;
      lacks_slot_ = lacks_slot;
      break;
  }
  return {};
}

void HeadFile::assume(const HeadSlot& slot) {
  slot_ = slot;
  state_ = State::ok;
}

Result<bool> HeadFile::refresh() {
  const State before = state_;
  const std::uint64_t counter = slot_.counter;
  const auto is_newer = [&] {
    return state_ == State::ok && (before != State::ok || slot_.counter != counter);
  };
  if (Status status = read(); !status) {
    return status.error();
  }
  if (!is_newer() && how_ == LogFiles::Open::read) {
    file_.reset();  // another file may have its name by now
    if (Status status = read(); !status) {
      return status.error();
    }
  }
  return is_newer();
}

Status HeadFile::publish(HeadSlot slot, bool* full) {
  slot.counter = next_counter(slot_.counter, is_synced_);
  const std::uint64_t where =
      seeded(Bug::one_slot) ? 0 : slot_offset(slot.counter, kHeadSlotDistance);
  if (const int written = write_fully(*file_, view(encode(slot)), where); written != 0) {
    if (full != nullptr) {
      *full = is_full(written);
    }
    return log_error(*files_, "write", kHeadName, written);
  }
  slot_ = slot;
  is_synced_ = false;
  return {};
}

Status HeadFile::sync() {
  if (const int synced = sync_fully(*file_); synced != 0) {
    return log_error(*files_, "sync", kHeadName, synced);
  }
  is_synced_ = true;
  return {};
}

Status HeadFile::create(HeadSlot slot, bool& full) {
  slot.counter = slot_.counter + 1;
  std::string bytes(kHeadBytes, '\0');
  bytes.replace(slot_offset(slot.counter, kHeadSlotDistance), kSlotBytes, view(encode(slot)));
  std::unique_ptr<LogFile> file;
  int result = uninterrupted([&] { return files_->open(kNewHead, LogFiles::Open::create, file); });
  if (result == 0) {
    result = write_fully(*file, bytes, 0);
  }
  if (result == 0) {
    const int synced = sync_fully(*file);
    if (synced != 0) {
      return log_error(*files_, "make", kHeadName, synced);
    }
    result = uninterrupted([&] { return files_->rename(kNewHead, kHeadName); });
  }
  if (result != 0) {
    (void)files_->unlink(kNewHead);  // what was written of it takes room
    full = is_full(result);
    return log_error(*files_, "make", kHeadName, result);
  }
  file_ = std::move(file);
  slot_ = slot;
  is_synced_ = true;
  state_ = State::ok;
  return {};
}

}  // namespace fl
