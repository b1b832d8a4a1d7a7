// Which bucket an event belongs to, and that finding it allocates nothing in steady state.
#include "tools/fl-sink/hdfs/bucket_names.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "tests/unit/sink/hdfs_test_help.h"
#include "tools/fl-sink/serializer.h"

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

// Not inlined: GCC would take malloc() for the counterpart of delete.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* const p = std::malloc(size)) {
    return p;
  }
  std::abort();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace fl {
namespace {

BucketNames make(const std::string& path, const HdfsOptions& options = {}) {
  HdfsOptions utc = options;
  utc.time_zone = "UTC";
  Result<BucketNames> names = BucketNames::make(utc, path);
  EXPECT_TRUE(names.ok());
  return std::move(*names);
}

std::string at(std::int64_t second) { return std::to_string(1'340'459'193'000 + second * 1'000); }

TEST(BucketNames, ConstantPathsHaveOneBucket) {
  BucketNames names = make("/data/x");
  EXPECT_TRUE(names.is_constant());
  EXPECT_EQ(names.fixed(), "/data/x");
  Events events;
  events.add("a");
  ASSERT_TRUE(names.locate(events.batch()[0], 0).ok());
  EXPECT_EQ(names.directory(), "");
  EXPECT_EQ(names.prefix(), "FlumeData");
}

TEST(BucketNames, ABucketIsFoundAgainOnlyWhenItChanges) {
  BucketNames names = make("/data/%H%M/%{h}");
  Events events;
  events.add("", {{"timestamp", at(0)}, {"h", "a"}}).add("", {{"timestamp", at(1)}, {"h", "a"}});
  events.add("", {{"timestamp", at(1)}, {"h", "b"}}).add("", {{"timestamp", at(60)}, {"h", "b"}});
  const Batch& batch = events.batch();
  std::vector<bool> moved;
  std::vector<std::string> directories;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Result<bool> result = names.locate(batch[i], 0);
    ASSERT_TRUE(result.ok());
    moved.push_back(*result);
    directories.emplace_back(names.directory());
  }
  EXPECT_EQ(moved, (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(directories, (std::vector<std::string>{"1346/a", "1346/a", "1346/b", "1347/b"}));
}

TEST(BucketNames, TheClockCanDecide) {
  HdfsOptions options;
  options.use_local_time_stamp = true;
  BucketNames names = make("%s", options);
  EXPECT_TRUE(names.uses_clock());
  Events events;
  events.add("");
  ASSERT_TRUE(names.locate(events.batch()[0], 5'999).ok());
  EXPECT_EQ(names.directory(), "5");
}

TEST(BucketNames, BadTimestampsAndPrefixesAreRefused) {
  BucketNames names = make("%Y");
  Events events;
  events.add("", {{"timestamp", "yesterday"}}).add("");
  for (const std::size_t i : {0u, 1u}) {
    const Result<bool> result = names.locate(events.batch()[i], 0);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind, ErrorClass::input);
  }
  HdfsOptions options;
  options.file_prefix = "a/b";
  EXPECT_FALSE(BucketNames::make(options, "/x").ok());
  options.file_prefix = "%D";
  EXPECT_FALSE(BucketNames::make(options, "/x").ok());
  options.file_prefix = "x";
  options.file_suffix = "/x";
  EXPECT_FALSE(BucketNames::make(options, "/x").ok());
}

TEST(BucketNames, SteadyStateAllocatesNothing) {
  BucketNames names = make("/data/%Y-%m-%d/%H%M%S/%{host}");
  HdfsOptions options;
  for (const char* const serializer : {"text", "avro_event"}) {
    options.serializer.name = serializer;
    Result<std::unique_ptr<Serializer>> made = make_serializer(options.serializer);
    ASSERT_TRUE(made.ok());
    Events events;
    for (int i = 0; i < 1'000; ++i) {
      events.add("a line of a log that is neither long nor short",
                 {{"timestamp", at(i % 7)}, {"host", i % 2 == 0 ? "first.example.org" : "second"}});
    }
    const Batch& batch = events.batch();
    std::string out;
    const auto run = [&] {
      for (std::size_t i = 0; i < batch.size(); ++i) {
        ASSERT_TRUE(names.locate(batch[i], 0).ok());
        (*made)->append(out, batch[i]);
      }
      (*made)->flush(out);
      out.clear();
    };
    run();
    const std::size_t before = allocations;
    run();
    EXPECT_EQ(allocations - before, 0u) << serializer;
  }
}

TEST(BucketNames, HeadersThatMakeAPathTooLongAreAnErrorOfTheInput) {
  std::string path;
  for (int i = 0; i < 40; ++i) {
    path += "/%{h}";
  }
  HdfsOptions options;
  auto names = BucketNames::make(options, path);
  ASSERT_TRUE(names.ok());
  Events fine;
  ASSERT_TRUE(names->locate(fine.add("", {{"h", std::string(100, 'x')}}).batch()[0], 0).ok());
  Events bad;
  const auto located = names->locate(bad.add("", {{"h", std::string(250, 'x')}}).batch()[0], 0);
  ASSERT_FALSE(located.ok());
  EXPECT_EQ(located.error().kind, ErrorClass::input);
  // The bucket before is still the one that is known.
  EXPECT_FALSE(*names->locate(fine.batch()[0], 0));
}

}  // namespace
}  // namespace fl
