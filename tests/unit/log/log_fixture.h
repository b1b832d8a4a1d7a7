// A log in a directory of its own, with numbered events, for unit tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/event/event.h"
#include "common/log/log_cursor.h"
#include "common/log/log_reader.h"
#include "common/log/log_writer.h"
#include "tests/support/temp_dir.h"

namespace fl::test {

class LogTest : public ::testing::Test {
 protected:
  LogTest() { reopen_files(); }

  void reopen_files() {
    auto files = open_log_files(dir_.path() + "/log", true);
    ASSERT_TRUE(files.ok()) << files.error().message;
    files_ = std::move(*files);
  }

  LogNotify notify() {
    return [this](const LogNotice& notice) { notices_.push_back(notice); };
  }
  std::string notices() const {
    std::string all;
    for (const LogNotice& notice : notices_) {
      all += notice.text + "\n";
    }
    return all;
  }

  /// The event with this number in it; number % 7 == 0: a long one.
  static std::string body_of(std::uint64_t number) {
    return std::to_string(number) + std::string(number % 7 == 0 ? 300 : number % 5, '.');
  }

  std::unique_ptr<LogWriter> open_writer(std::uint64_t segment_bytes = 64 << 20) {
    LogWriter::Settings settings;
    settings.segment_bytes = segment_bytes;
    settings.codec = codec_;
    settings.notify = notify();
    bool full = false;
    auto writer = LogWriter::open(*files_, settings, full);
    EXPECT_TRUE(writer.ok()) << writer.error().message;
    return writer.ok() ? std::move(*writer) : nullptr;
  }

  /// One block with the next `count` numbers, and positions if any are given.
  static void put(LogWriter& writer, std::uint64_t count, std::string_view positions = {}) {
    std::string bytes(Block::kBefore, ' ');
    for (std::uint64_t i = 0; i < count; ++i) {
      append_event(bytes, {}, body_of(writer.next_sequence() + i));
    }
    const std::size_t size = bytes.size() - Block::kBefore;
    bytes.append(Block::kAfter, ' ');
    const Block block{reinterpret_cast<std::uint8_t*>(bytes.data()) + Block::kBefore, size, count};
    for (int i = 0; i < 2; ++i) {
      const auto done = writer.append(block, positions);
      ASSERT_TRUE(done.ok()) << done.error().message;
      if (*done == LogWriter::Append::done) {
        return;
      }
      ASSERT_EQ(*done, LogWriter::Append::roll);
      sync(writer, true);
    }
    FAIL() << "the new segment has no room";
  }

  static void sync(LogWriter& writer, bool rolls = false) {
    LogWriter::Sync sync = writer.begin_sync(rolls);
    const Status status = writer.run_sync(sync);
    ASSERT_TRUE(status.ok()) << status.error().message;
    writer.finish_sync(sync);
  }

  LogReader open_reader(std::size_t join_bytes = 64 << 10) {
    LogReader::Settings settings;
    settings.join_bytes = join_bytes;
    settings.notify = notify();
    auto reader = LogReader::open(*files_, settings);
    EXPECT_TRUE(reader.ok()) << reader.error().message;
    return std::move(*reader);
  }

  /// What the reader hands out now: "0-99 100-149 gap 150-151 ..."; a wrong body is named. A frame
  /// is put around each block, as by an output.
  static std::string take(LogReader& reader) {
    std::string text;
    std::uint64_t from = UINT64_MAX;
    std::uint64_t to = 0;
    const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
    const auto flush = [&] {
      if (from != UINT64_MAX) {
        add(std::to_string(from) + "-" + std::to_string(to - 1));
      }
      from = UINT64_MAX;
    };
    for (;;) {
      const auto got = reader.next();
      if (!got.ok()) {
        return text + " " + got.error().message;
      }
      if (*got == LogReader::Got::nothing) {
        flush();
        return text;
      }
      if (*got == LogReader::Got::gap) {
        flush();
        add("gap " + std::to_string(reader.first()) + "-" +
            std::to_string(reader.first() + reader.count() - 1));
        continue;
      }
      Block& block = reader.block();
      const std::uint8_t* at = block.data;
      for (std::uint64_t i = 0; i < block.count; ++i) {
        Event event;
        const char* why = nullptr;
        at = scan_event(at, block.data + block.size, EventLimits(), event, why);
        if (at == nullptr) {
          return text + " no event at " + std::to_string(reader.first() + i);
        }
        if (event.body() != body_of(reader.first() + i)) {
          add("wrong " + std::to_string(reader.first() + i));
        }
      }
      if (at != block.data + block.size) {
        return text + " bytes behind the last event";
      }
      std::fill_n(block.data - Block::kBefore, Block::kBefore, std::uint8_t{0xee});
      std::fill_n(block.data + block.size, Block::kAfter, std::uint8_t{0xee});
      if (from == UINT64_MAX) {
        from = reader.first();
      } else if (reader.first() != to) {
        return text + " out of order";
      }
      to = reader.first() + block.count;
    }
  }

  std::string take_all(std::uint64_t from = 0) {
    LogReader reader = open_reader();
    reader.seek(from);
    return take(reader);
  }

  std::string path(const std::string& name) const { return dir_.path() + "/log/" + name; }
  std::string content(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void set_content(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string segments() {
    std::string text;
    const auto firsts = *list_segments(*files_);
    for (const std::uint64_t first : firsts) {
      text += (text.empty() ? "" : " ") + std::to_string(first);
    }
    return text;
  }

  // In memory if there is such a place: what is tested here does not depend on a disk.
  TempDir dir_{std::filesystem::is_directory("/dev/shm") ? std::filesystem::path("/dev/shm")
                                                         : std::filesystem::temp_directory_path()};
  std::unique_ptr<LogFiles> files_;
  PayloadCodec codec_ = PayloadCodec::none;
  std::vector<LogNotice> notices_;
};

}  // namespace fl::test
