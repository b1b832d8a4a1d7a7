// What fl-channel import-flume makes of data files, whole and damaged.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "common/base/log.h"
#include "tests/support/flume_channel.h"
#include "tests/support/temp_dir.h"
#include "tools/fl-channel/import_flume/flume_source.h"
#include "tools/fl-channel/import_flume/md5.h"

namespace fl {
namespace {

using test::FlumeLog;
using Bodies = std::vector<std::string>;

struct Imported {
  Bodies bodies;
  Status opened;
  Status produced;
  Status closed;

  bool fine() const { return opened.ok() && produced.ok() && closed.ok(); }
};

Imported import(const flume::ImportOptions& options) {
  Imported out;
  flume::FlumeSource source(options);
  out.opened = source.open({});
  if (!out.opened) {
    return out;
  }
  BlockBuilder block;
  for (auto state = Source::State::more; state != Source::State::end;) {
    block.clear();
    Result<Source::State> made = source.produce(block);
    if (!made) {
      out.produced = made.error();
      return out;
    }
    state = *made;
    const Block view = block.block();
    const std::uint8_t* at = view.data;
    for (std::uint64_t i = 0; i < view.count; ++i) {
      Event event;
      const char* why = nullptr;
      at = scan_event(at, view.data + view.size, {}, event, why);
      if (at == nullptr) {
        ADD_FAILURE() << why;
        return out;
      }
      out.bodies.emplace_back(event.body());
    }
  }
  out.closed = source.close();
  return out;
}

class ImportFlume : public ::testing::Test {
 protected:
  void SetUp() override { set_log("test", LogLevel::error, LogFormat::text); }
  std::string make(const std::string& name) {
    std::filesystem::create_directory(dir_.path() + "/" + name);
    return dir_.path() + "/" + name;
  }
  Imported read(const FlumeLog& log) {
    log.write(dir_.path());
    return import({{dir_.path()}, "", 1000});
  }

  const TempDir dir_;
};

TEST_F(ImportFlume, CommittedAndUntakenInOrder) {
  FlumeLog log(1);
  const auto a = log.put(1, 1, "a", {{"k", "v"}});
  log.put(2, 2, "second");
  const auto b = log.put(1, 3, "b");
  log.commit(2, 4);
  log.commit(1, 5);
  log.put(3, 6, "rolled back");
  log.rollback(3, 7);
  log.take(4, 8, a);
  log.commit(4, 9, true);
  log.take(5, 10, b);
  log.rollback(5, 11);
  log.take(6, 12, b);
  log.put(7, 13, "open");
  const Imported got = read(log);
  EXPECT_TRUE(got.fine());
  EXPECT_EQ(got.bodies, (Bodies{"second", "b"}));
}

TEST_F(ImportFlume, TwoDirectoriesAreMergedByTheOrderOfTheirRecords) {
  FlumeLog one(1);
  FlumeLog two(2);
  FlumeLog three(3);
  const auto a = one.put(1, 1, "a");
  two.put(2, 2, "b");
  two.commit(2, 3);
  one.commit(1, 4);
  two.take(4, 5, a);
  two.commit(4, 6, true);
  three.put(5, 7, "c");
  three.commit(5, 8);
  const std::string first = make("first");
  const std::string second = make("second");
  one.write(first);
  three.write(first);
  two.write(second);
  const Imported got = import({{first, second}, "", 1000});
  EXPECT_TRUE(got.fine());
  EXPECT_EQ(got.bodies, (Bodies{"b", "c"}));
  EXPECT_FALSE(import({{first, first}, "", 1000}).opened.ok()) << "one directory twice";
}

TEST_F(ImportFlume, ATakeThatIsReadBeforeItsPutCounts) {
  FlumeLog puts(1);
  FlumeLog takes(2);
  const auto a = puts.put(1, 5, "a");
  puts.put(1, 5, "b");
  puts.commit(1, 6);
  takes.take(2, 1, a);
  takes.commit(2, 2, true);
  const std::string first = make("first");
  const std::string second = make("second");
  puts.write(first);
  takes.write(second);
  const Imported got = import({{first, second}, "", 1000});
  EXPECT_TRUE(got.fine());
  EXPECT_EQ(got.bodies, (Bodies{"b"}));
}

TEST_F(ImportFlume, EventsOfRemovedFilesAreNotMissed) {
  FlumeLog log(7);
  log.take(1, 1, std::uint64_t{3} << 32);
  log.commit(1, 2, true);
  log.commit(9, 3);
  log.put(2, 4, "a");
  log.commit(2, 5);
  const Imported got = read(log);
  EXPECT_TRUE(got.fine());
  EXPECT_EQ(got.bodies, (Bodies{"a"}));
}

TEST_F(ImportFlume, MoreEventsThanTheCapacityAreAnError) {
  FlumeLog log(1);
  for (std::uint64_t i = 0; i < 30; ++i) {
    log.put(1, i + 1, "x");
  }
  log.write(dir_.path());
  const Imported got = import({{dir_.path()}, "", 10});
  ASSERT_FALSE(got.produced.ok());
  EXPECT_EQ(got.produced.error().kind, ErrorClass::config);
}

TEST_F(ImportFlume, DamageCostsWhatItHitsAndIsTold) {
  FlumeLog log(1);
  log.put(1, 1, "a");
  log.commit(1, 2);
  const std::size_t bad = log.bytes.size();
  log.put(2, 3, "b");
  log.commit(2, 4);
  log.put(3, 5, "c");
  log.commit(3, 6);
  log.bytes[bad] = 1;
  const Imported got = read(log);
  EXPECT_FALSE(got.closed.ok());
  EXPECT_EQ(got.closed.error().kind, ErrorClass::input);
  EXPECT_EQ(got.bodies, (Bodies{"a", "c"}));
}

TEST_F(ImportFlume, ATornEnd) {
  FlumeLog log(1);
  log.put(1, 1, "a");
  log.commit(1, 2);
  FlumeLog torn = log;
  torn.put(2, 3, "b");
  torn.bytes.resize(torn.bytes.size() - 70 + 40);
  torn.bytes[torn.bytes.size() - 1] = 1;
  EXPECT_FALSE(read(torn).closed.ok()) << "what was torn might have been a commit";
  EXPECT_EQ(read(torn).bodies, (Bodies{"a"}));
  // Zeros are what a power loss leaves of a place that was only reserved.
  log.bytes += std::string(300, '\0');
  const Imported zeros = read(log);
  EXPECT_TRUE(zeros.fine());
  EXPECT_EQ(zeros.bodies, (Bodies{"a"}));
}

// Each bit of a file: nothing is delivered that was not put, or twice; what is wrong is reported.
// Flume has no checksum over the numbers of a record. Those of a put's transaction and of what a
// take takes are the only ones that nothing else shows.
TEST_F(ImportFlume, EveryBitThatFlips) {
  FlumeLog log(1);
  std::set<std::size_t> unprotected;
  const auto put = [&](std::uint64_t transaction, std::uint64_t order, const std::string& body) {
    const std::size_t at = log.bytes.size();
    const auto pointer = log.put(transaction, order, body, {{"key", "value"}});
    for (std::size_t i = 0; i < 8; ++i) {
      unprotected.insert(at + 12 + i);  // the transaction
    }
    return pointer;
  };
  const auto a = put(1, 1, "body one");
  put(1, 2, "body two");
  log.commit(1, 3);
  put(2, 4, "body three");
  log.commit(2, 5);
  const std::size_t take = log.bytes.size();
  log.take(3, 6, a);
  for (std::size_t i = 0; i < 8; ++i) {
    unprotected.insert(take + 12 + i);
  }
  log.commit(3, 7, true);
  const std::size_t end = log.bytes.size();
  const Imported whole = read(log);
  ASSERT_TRUE(whole.fine());
  const Bodies all{"body one", "body two", "body three"};
  ASSERT_EQ(whole.bodies, (Bodies{"body two", "body three"}));
  int told = 0;
  for (std::size_t bit = 0; bit < (end + 8) * 8; ++bit) {
    FlumeLog damaged = log;
    damaged.bytes += std::string(8, '\x80');
    damaged.bytes[bit / 8] = static_cast<char>(damaged.bytes[bit / 8] ^ (1 << (bit % 8)));
    const Imported got = read(damaged);
    ASSERT_TRUE(got.opened.ok());
    std::map<std::string, int> seen;
    for (const std::string& body : got.bodies) {
      ASSERT_EQ(++seen[body], 1) << "bit " << bit;
      ASSERT_NE(std::find(all.begin(), all.end(), body), all.end()) << "bit " << bit;
    }
    told += got.fine() ? 0 : 1;
    if (got.fine() && got.bodies != whole.bodies) {
      EXPECT_TRUE(unprotected.contains(bit / 8)) << "bit " << bit << " changes what is delivered";
    }
  }
  EXPECT_GT(told, static_cast<int>(end) * 4);
}

TEST_F(ImportFlume, EveryLength) {
  FlumeLog log(1);
  log.put(1, 1, "a");
  log.commit(1, 2);
  const std::size_t one = log.bytes.size();
  log.put(2, 3, "b");
  log.commit(2, 4);
  for (std::size_t size = 0; size < log.bytes.size(); ++size) {
    FlumeLog cut = log;
    cut.bytes.resize(size);
    cut.write(dir_.path(), 0, 0, 0);
    const Imported got = import({{dir_.path()}, "", 1000});
    EXPECT_EQ(got.bodies, size < one ? Bodies{} : Bodies{"a"}) << size;
  }
}

TEST_F(ImportFlume, EncryptedAndUnknownFilesAreRefused) {
  FlumeLog log(1);
  log.put(1, 1, "a");
  log.commit(1, 2);
  log.write(dir_.path());
  const auto meta = [&](const std::string& text) {
    std::ofstream(dir_.path() + "/log-1.meta", std::ios::binary)
        << FlumeLog::varint(text.size()) << text;
    return import({{dir_.path()}, "", 1000});
  };
  const std::string known = FlumeLog::fixed32(1, 3) + FlumeLog::fixed32(2, 1);
  EXPECT_TRUE(meta(known).fine());
  const Imported encrypted = meta(known + FlumeLog::sized(5, FlumeLog::sized(2, "key-0")));
  ASSERT_FALSE(encrypted.opened.ok());
  EXPECT_NE(encrypted.opened.error().message.find("encrypted with the key 'key-0'"),
            std::string::npos);
  const Imported other = meta(FlumeLog::fixed32(1, 4));
  ASSERT_FALSE(other.opened.ok());
  EXPECT_NE(other.opened.error().message.find("format 4"), std::string::npos);
  std::filesystem::remove(dir_.path() + "/log-1.meta");
  const Imported without = import({{dir_.path()}, "", 1000});
  EXPECT_FALSE(without.closed.ok());
  EXPECT_EQ(without.bodies, (Bodies{"a"}));
}

TEST_F(ImportFlume, AnEventBeyondTheLimitsEndsTheImport) {
  FlumeLog log(1);
  log.put(1, 1, std::string((1 << 20) + 1, 'x'));
  log.commit(1, 2);
  const Imported got = read(log);
  ASSERT_FALSE(got.produced.ok());
  EXPECT_EQ(got.produced.error().kind, ErrorClass::input);
}

TEST(Md5, OfTheStandard) {
  const auto hex = [](const std::string& text) {
    std::string out;
    for (const char c : md5(text)) {
      constexpr const char* kDigits = "0123456789abcdef";
      out += kDigits[static_cast<std::uint8_t>(c) >> 4];
      out += kDigits[static_cast<std::uint8_t>(c) & 15];
    }
    return out;
  };
  EXPECT_EQ(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(hex(std::string(16, '\0')), "4ae71336e44bf9bf79d2752e234818a5");
  EXPECT_EQ(hex("1234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "0"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

}  // namespace
}  // namespace fl
