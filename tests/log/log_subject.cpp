#include <algorithm>
#include <map>
#include <utility>

#include "common/log/log_cursor.h"
#include "common/log/log_reader.h"
#include "common/log/log_writer.h"
#include "common/log/retention.h"
#include "common/stream/container.h"
#include "tests/log/subject.h"

namespace fl {
namespace {

class LogSubject : public Subject {
 public:
  LogSubject(std::unique_ptr<LogFiles> files, const SubjectOptions& options)
      : files_(std::move(files)), options_(options) {}

  std::string open() override {
    LogWriter::Settings settings;
    settings.segment_bytes = options_.segment_bytes;
    settings.head_sync_bytes = options_.segment_bytes / 2;
    settings.codec = options_.compressed ? PayloadCodec::zstd : PayloadCodec::none;
    settings.notify = [this](const LogNotice& notice) { notices_ += notice.text + "\n"; };
    bool full = false;
    Result<std::unique_ptr<LogWriter>> opened = LogWriter::open(*files_, settings, full);
    if (!opened) {
      return full ? "full" : "open: " + opened.error().message;
    }
    writer_ = std::move(*opened);
    first_ = writer_->next_sequence();
    return "";
  }

  std::string put(std::string_view payload, std::uint32_t count) override {
    builder_.clear();
    builder_.add_encoded({}, payload, count);
    const std::uint64_t end = writer_->next_sequence() + count;
    const std::string table = end % 3 == 0 ? "at " + std::to_string(end) : std::string();
    return append([this, &table] { return writer_->append(builder_.block(), table); });
  }

  std::string set_positions() override {
    const std::string table = "at " + std::to_string(writer_->next_sequence());
    return append([this, &table] { return writer_->append_positions(table); });
  }

  std::string positions() override { return writer_->positions(); }

  std::string notices() override { return std::exchange(notices_, {}); }

  std::string begin_sync() override {
    sync_ = std::make_unique<LogWriter::Sync>(writer_->begin_sync(false));
    return "";
  }

  std::string end_sync() override {
    if (sync_ == nullptr) {
      return "";
    }
    const std::unique_ptr<LogWriter::Sync> sync = std::move(sync_);
    syncing_ = true;
    const Status done = writer_->run_sync(*sync);
    syncing_ = false;
    if (!done) {
      return "sync: " + done.error().message;
    }
    writer_->finish_sync(*sync);
    return "";
  }

  std::uint64_t acknowledged() override {
    return writer_ == nullptr ? 0 : writer_->safe_sequence() - first_;
  }

  std::string free_passed() override {
    RetentionSettings settings;
    settings.keeps_spare = options_.keeps_spare;
    const Result<LogUse> use = free_segments(*files_, writer_->segments(), settings);
    if (!use || use->sync_error) {
      return "free: " + (use ? *use->sync_error : use.error()).message;
    }
    writer_->forget_before(use->first);
    return "";
  }

  std::string close() override {
    for (auto& [name, group] : groups_) {
      if (Status synced = group.cursor->sync(); !synced) {
        return "cursor: " + synced.error().message;
      }
    }
    const Status closed = writer_->close();
    return closed ? "" : "close: " + closed.error().message;
  }

  std::string open_group(const std::string& name) override {
    LogReader::Settings settings;
    settings.notify = [this](const LogNotice& notice) { notices_ += notice.text + "\n"; };
    settings.join_bytes = std::min(settings.join_bytes, options_.join_bytes);
    Result<LogReader> reader = LogReader::open(*files_, settings);
    if (!reader) {
      return "reader: " + reader.error().message;
    }
    Group group;
    group.reader = std::make_unique<LogReader>(std::move(*reader));
    LogCursor::Settings cursor;
    cursor.group = name;
    cursor.log = group.reader->log();
    cursor.durable_sequence = group.reader->durable_sequence();
    const Result<std::uint64_t> oldest = group.reader->oldest();
    if (!oldest) {
      return "cursor: " + oldest.error().message;
    }
    cursor.oldest = *oldest;
    cursor.start = [&group] { return group.reader->oldest(); };
    cursor.notify = settings.notify;
    Result<LogCursor> opened = LogCursor::open(*files_, cursor);
    if (!opened) {
      return "cursor: " + opened.error().message;
    }
    group.cursor = std::make_unique<LogCursor>(std::move(*opened));
    group.reader->seek(group.cursor->next());
    groups_[name] = std::move(group);
    return "";
  }

  std::uint64_t next(const std::string& name) override { return groups_.at(name).cursor->next(); }

  std::string take(const std::string& name, Taken& taken) override {
    LogReader& reader = *groups_.at(name).reader;
    if (Result<bool> more = reader.refresh(); !more) {
      return "refresh: " + more.error().message;
    }
    // Bounded: each gap is after the one before.
    for (;;) {
      const Result<LogReader::Got> got = reader.next();
      if (!got) {
        return "take: " + got.error().message;
      }
      if (*got == LogReader::Got::nothing) {
        return "";
      }
      if (*got == LogReader::Got::block) {
        const Block& block = reader.block();
        taken.any = true;
        taken.first = reader.first();
        taken.count = static_cast<std::uint32_t>(reader.count());
        taken.payload.assign(reinterpret_cast<const char*>(block.data), block.size);
        // As a stage does, which writes the block where it is.
        Block framed = block;
        (void)frame_block(framed, Marker{0xA5, 0x5A, 0xFF});
        return "";
      }
      taken.gaps.push_back(std::to_string(reader.count()) + " at " +
                           std::to_string(reader.first()) + ": " + reader.why());
    }
  }

  std::string acknowledge(const std::string& name, std::uint64_t sequence) override {
    Group& group = groups_.at(name);
    if (Status moved = group.cursor->move(sequence); !moved) {
      return "cursor: " + moved.error().message;
    }
    const std::int64_t now = files_->now_ms();
    group.is_synced = false;
    if (now - group.synced_ms < kCursorSyncMs) {
      return "";
    }
    group.synced_ms = now;
    const Status synced = group.cursor->sync();
    group.is_synced = synced.ok();
    return synced ? "" : "cursor: " + synced.error().message;
  }

  bool is_synced(const std::string& name) override { return groups_.at(name).is_synced; }

 private:
  static constexpr std::int64_t kCursorSyncMs = 200;  // the disk's clock moves with each reading

  struct Group {
    std::unique_ptr<LogReader> reader;
    std::unique_ptr<LogCursor> cursor;
    std::int64_t synced_ms = 0;
    bool is_synced = false;
  };

  template <typename Append>
  std::string append(Append what) {
    // Bounded: a new segment takes any record.
    for (int i = 0; i < 3; ++i) {
      const Result<LogWriter::Append> done = what();
      if (!done) {
        return "append: " + done.error().message;
      }
      if (*done == LogWriter::Append::done) {
        return "";
      }
      if (*done == LogWriter::Append::full) {
        return "full";
      }
      if (syncing_) {
        return "later";
      }
      if (std::string ended = end_sync(); !ended.empty()) {
        return ended;
      }
      LogWriter::Sync sync = writer_->begin_sync(true);
      if (Status rolled = writer_->run_sync(sync); !rolled) {
        return "roll: " + rolled.error().message;
      }
      writer_->finish_sync(sync);
      if (sync.full) {
        return "full";
      }
    }
    return "append: no segment takes it";
  }

  std::unique_ptr<LogFiles> files_;
  SubjectOptions options_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<LogWriter::Sync> sync_;
  bool syncing_ = false;
  std::uint64_t first_ = 0;
  BlockBuilder builder_;
  std::map<std::string, Group> groups_;
  std::string notices_;
};

}  // namespace

std::unique_ptr<Subject> make_subject(std::unique_ptr<LogFiles> files,
                                      const SubjectOptions& options) {
  return std::make_unique<LogSubject>(std::move(files), options);
}

}  // namespace fl
