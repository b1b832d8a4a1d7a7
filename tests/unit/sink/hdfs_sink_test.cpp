// The hdfs sink on a local directory: names, rolling, safety, failures of the disk.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <functional>

#include <gtest/gtest.h>

#include "tests/support/figures.h"
#include "tests/unit/sink/hdfs_test_help.h"

namespace fl {
namespace {

TEST(HdfsSink, WritesLinesIntoOneFileAndCountsThemSafe) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir));
  ASSERT_TRUE(sink.open({}).ok());
  EXPECT_EQ(sink.guarantee()->text, "file synced and renamed");
  Events events;
  events.add("a").add("").add("b\nc");
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  EXPECT_EQ(sink.safe(), 0u);
  EXPECT_TRUE(sink.ready());
  ASSERT_TRUE(drain(sink, 3).ok());
  EXPECT_EQ(figure_words(sink), "0 files open, 1 committed");
  ASSERT_TRUE(sink.close().ok());
  const auto files = dir.files("out");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_TRUE(files[0].starts_with("FlumeData."));
  EXPECT_EQ(files[0].size(), std::string("FlumeData.1795371297754").size());
  EXPECT_EQ(dir.all("out"), "a\n\nb\nc\n");
}

TEST(HdfsSink, NumbersThatAreNoUseAreAnErrorOfConfiguration) {
  const ScratchDir dir;
  const std::vector<std::function<void(HdfsOptions&)>> wrongs = {
      [](HdfsOptions& o) { o.max_open_files = 0; },
      [](HdfsOptions& o) { o.threads_pool_size = 0; },
      [](HdfsOptions& o) { o.round_value = 0; },
      [](HdfsOptions& o) { o.round_value = 61; },
      [](HdfsOptions& o) { o.time_zone = "Atlantis/Center"; },  // although PATH has no time
  };
  for (const auto& wrong : wrongs) {
    HdfsOptions options = local_options(dir);
    wrong(options);
    const Status status = HdfsSink(options).open({});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorClass::config) << status.error().message;
  }
  EXPECT_TRUE(dir.files().empty());
}

TEST(HdfsSink, WithoutEventsThereIsNoFile) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir));
  ASSERT_TRUE(sink.open({}).ok());
  ASSERT_TRUE(drain(sink, 0).ok());
  ASSERT_TRUE(sink.close().ok());
  EXPECT_TRUE(dir.files().empty());
}

TEST(HdfsSink, UncommittedPartsLeaveNothing) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir));
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add(std::string(600'000, 'x'));
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_EQ(dir.files("out").size(), 1u);
  EXPECT_TRUE(is_temporary_name(dir.files("out")[0]));
  ASSERT_TRUE(sink.close().ok());
  EXPECT_TRUE(dir.files().empty());
}

TEST(HdfsSink, RollsByCountInOrder) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir);
  options.roll_count = 2;
  options.file_suffix = ".log";
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  std::string expected;
  for (int i = 0; i < 101; ++i) {
    events.add(std::to_string(i));
    expected += std::to_string(i) + "\n";
  }
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(drain(sink, 101).ok());
  const auto files = dir.files("out");
  ASSERT_EQ(files.size(), 51u);
  EXPECT_TRUE(files[0].ends_with(".log"));
  EXPECT_EQ(dir.all("out"), expected);
}

TEST(HdfsSink, RollsBySizeOfBodies) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir);
  options.roll_size = Bytes{10};
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("12345").add("1234").add("1").add("x");
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(run_until(sink, [&] { return sink.safe() == 3; }).ok());
  ASSERT_TRUE(drain(sink, 4).ok());
  ASSERT_EQ(dir.files("out").size(), 2u);
  EXPECT_EQ(dir.content("out/" + dir.files("out")[0]), "12345\n1234\n1\n");
}

TEST(HdfsSink, RollsByTimeAndByIdleness) {
  for (const bool idle : {false, true}) {
    const ScratchDir dir;
    HdfsOptions options = local_options(dir);
    (idle ? options.idle_timeout : options.roll_interval) = Duration{30};
    HdfsSink sink(options);
    ASSERT_TRUE(sink.open({}).ok());
    EXPECT_EQ(sink.deadline_ms(), -1);
    Events events;
    events.add("a");
    ASSERT_TRUE(sink.deliver(events.batch()).ok());
    EXPECT_GT(sink.deadline_ms(), 0);
    ASSERT_TRUE(run_until(sink, [&] { return sink.safe() == 1; }).ok());
    EXPECT_EQ(sink.deadline_ms(), -1);
    EXPECT_EQ(dir.all("out"), "a\n");
  }
}

TEST(HdfsSink, SafeEndsAtTheFirstEventOfAnUncommittedPart) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir, "out/%{h}");
  options.roll_count = 2;
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("0", {{"h", "a"}}).add("1", {{"h", "b"}}).add("2", {{"h", "a"}});
  events.add("3", {{"h", "c"}}).add("4", {{"h", "c"}});
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(run_until(sink, [&] {
                return dir.files("out/c").size() == 1 &&
                       !is_temporary_name(dir.files("out/c")[0]) &&
                       figure_words(sink) == "1 file open, 2 committed";
              }).ok());
  EXPECT_EQ(sink.safe(), 1u);  // event 1 is still open in bucket b
  ASSERT_TRUE(drain(sink, 5).ok());
  EXPECT_EQ(dir.all("out/a"), "0\n2\n");
  EXPECT_EQ(dir.all("out/b"), "1\n");
}

TEST(HdfsSink, CommitTakesOnlyPartsThatHoldTheEvents) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir, "out/%{h}");
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("0", {{"h", "a"}}).add("1", {{"h", "b"}}).add("2", {{"h", "c"}});
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(sink.commit(2).ok());
  ASSERT_TRUE(run_until(sink, [&] { return sink.safe() == 2; }).ok());
  EXPECT_TRUE(dir.files("out/c").empty());
  ASSERT_TRUE(drain(sink, 3).ok());
}

TEST(HdfsSink, AsksOfTheSourceAreLimitedByMinCommitButTheDrainIsNot) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir, "out/%{h}");
  options.min_commit = Duration{3'600'000};
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("0", {{"h", "a"}}).add("1", {{"h", "b"}});
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(sink.commit(1).ok());
  ASSERT_TRUE(run_until(sink, [&] { return sink.safe() == 1; }).ok());
  Events more;
  more.add("2", {{"h", "c"}});
  ASSERT_TRUE(sink.deliver(more.batch()).ok());
  ASSERT_TRUE(sink.commit(2).ok());
  ASSERT_TRUE(sink.progress().ok());
  EXPECT_EQ(figure_words(sink), "2 files open, 1 committed");
  EXPECT_GT(sink.deadline_ms(), monotonic_ms());
  ASSERT_TRUE(drain(sink, 3).ok());
}

TEST(HdfsSink, AnExistingFileIsNeverReplaced) {
  const ScratchDir dir;
  // Twenty sinks that start in the same millisecond or nearly so.
  std::vector<std::unique_ptr<HdfsSink>> sinks;
  for (int i = 0; i < 20; ++i) {
    HdfsOptions options = local_options(dir);
    options.roll_count = 1;
    sinks.push_back(std::make_unique<HdfsSink>(options));
    ASSERT_TRUE(sinks.back()->open({}).ok());
  }
  Events events;
  for (int i = 0; i < 20; ++i) {
    events.add("x" + std::to_string(i));
  }
  for (auto& sink : sinks) {
    ASSERT_TRUE(sink->deliver(events.batch()).ok());
  }
  for (auto& sink : sinks) {
    ASSERT_TRUE(drain(*sink, 20).ok());
    ASSERT_TRUE(sink->close().ok());
  }
  EXPECT_EQ(dir.files("out").size(), 400u);
  for (const std::string& name : dir.files("out")) {
    EXPECT_FALSE(is_temporary_name(name));
  }
}

TEST(HdfsSink, ManyBucketsStayWithinMaxOpenFiles) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir, "out/%{h}");
  options.max_open_files = 10;
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  std::uint64_t sent = 0;
  for (int round = 0; round < 5; ++round) {
    Events events;
    for (int i = 0; i < 100; ++i) {
      events.add(std::to_string(round), {{"h", "b" + std::to_string(i)}});
      ++sent;
    }
    ASSERT_TRUE(sink.deliver(events.batch()).ok());
    ASSERT_TRUE(run_until(sink, [&] { return sink.ready(); }).ok());
  }
  EXPECT_TRUE(figure_words(sink).starts_with("10 files open"));
  ASSERT_TRUE(drain(sink, sent).ok());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(dir.all("out/b" + std::to_string(i)), "0\n1\n2\n3\n4\n");
  }
}

TEST(HdfsSink, AManyBucketRunBoundsItsMemory) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir, "out/%{h}");
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  const std::string body(20'000, 'y');
  for (int i = 0; i < 1'000; ++i) {
    events.add(body, {{"h", std::to_string(i)}});
  }
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  // 20 MB came in; what is over 8 MiB must be on disk by now.
  std::uintmax_t on_disk = 0;
  for (const std::string& name : dir.files("out")) {
    on_disk += std::filesystem::file_size(dir / ("out/" + name));
  }
  EXPECT_GE(on_disk, 12'000'000u);
  ASSERT_TRUE(sink.close().ok());
}

TEST(HdfsSink, AnEventWithoutTimestampIsRefusedWithAHint) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir, "out/%Y"));
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("a", {{"timestamp", "1340459193235"}}).add("b");
  const Status status = sink.deliver(events.batch());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
  EXPECT_NE(status.error().hint.find("fl-intercept ts"), std::string::npos);
  ASSERT_TRUE(sink.close().ok());
  EXPECT_TRUE(dir.files().empty());
}

TEST(HdfsSink, HeaderValuesNeverLeaveTheDirectoryAndNeverCollide) {
  const ScratchDir dir;
  std::vector<std::string> values = {"",
                                     "_",
                                     ".",
                                     "..",
                                     "...",
                                     "/",
                                     "//",
                                     "../..",
                                     "/etc/passwd",
                                     "a/../../b",
                                     "%2F",
                                     "/%2F",
                                     "%",
                                     "%%",
                                     "%5F",
                                     "%2E",
                                     "a:b",
                                     "\\..\\..",
                                     "..;/",
                                     "%2e%2e",
                                     "%252e",
                                     ".hidden",
                                     "~root",
                                     std::string("a\0b", 3),
                                     std::string(1, '\0'),
                                     "\n",
                                     "\r\n",
                                     "\x7f",
                                     "\x1b[2J",
                                     "\xc2\x85",
                                     "\xe2\x80\xae",
                                     "$(id)",
                                     "`id`",
                                     "a b",
                                     " ",
                                     "-rf",
                                     "*",
                                     "?",
                                     "a",
                                     "A",
                                     "\xc3\xa9",
                                     "e\xcc\x81",
                                     "\xff",
                                     "\xfe\xff",
                                     "\xc0\xae\xc0\xae",
                                     "\xed\xa0\x80"};
  const std::vector<std::string> parts = {"..", "/", ".", "%", "_", ":", "x", "%2F", "\x01", "\\"};
  for (const std::string& a : parts) {
    for (const std::string& b : parts) {
      values.push_back(a + b + a);
      for (const char* const c : {"..", "/", "%"}) {
        values.push_back(a + b + c + "q");
      }
    }
  }
  for (int i = 0; i < 100; ++i) {
    values.push_back(std::string(300, 'a') + std::to_string(i));
    values.push_back(std::string(static_cast<std::size_t>(100 + i), '/'));
  }
  for (int i = 1; i < 256; ++i) {
    values.push_back("v" + std::string(1, static_cast<char>(i)));
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  ASSERT_GE(values.size(), 500u);

  std::filesystem::create_directory(dir / "out");
  std::ofstream(dir / "outside") << "untouched";
  for (const std::string& path :
       {std::string("out/p/%{h}"), std::string("out/.%{h}/q"), std::string("out/r/x%{h}%{h}")}) {
    HdfsOptions options = local_options(dir, path);
    HdfsSink sink(options);
    ASSERT_TRUE(sink.open({}).ok());
    std::uint64_t sent = 0;
    std::size_t next = 0;
    while (next < values.size()) {
      Events events;
      for (int i = 0; i < 50 && next < values.size(); ++i, ++sent) {
        events.add(std::to_string(next), {{"h", values[next]}});
        ++next;
      }
      ASSERT_TRUE(sink.deliver(events.batch()).ok());
      ASSERT_TRUE(run_until(sink, [&] { return sink.ready(); }).ok());
    }
    ASSERT_TRUE(drain(sink, sent).ok());
  }
  // Three templates, each value in a file of its own that is where the template says.
  EXPECT_EQ(dir.files("out").size(), 3 * values.size());
  EXPECT_EQ(dir.files("out/p").size(), values.size());
  EXPECT_EQ(dir.files("out/r").size(), values.size());
  EXPECT_EQ(dir.files().size(), 3 * values.size() + 1);
  for (const std::string& name : dir.files("out/p")) {
    EXPECT_EQ(std::count(name.begin(), name.end(), '/'), 1) << name;
  }
}

TEST(HdfsSink, AHostilePrefixStaysInTheDirectory) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir);
  options.file_prefix = "%{h}";
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("1", {{"h", "../../x"}}).add("2", {{"h", std::string(4'000, 'z')}}).add("3", {});
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(drain(sink, 3).ok());
  EXPECT_EQ(dir.files("out").size(), 3u);
  EXPECT_EQ(dir.files().size(), 3u);
}

TEST(HdfsSink, ASymbolicLinkBelowTheFixedPathIsNotFollowed) {
  const ScratchDir dir;
  std::filesystem::create_directories(dir / "out");
  std::filesystem::create_directories(dir / "elsewhere");
  std::filesystem::create_directory_symlink(dir / "elsewhere", dir / "out/evil");
  HdfsSink sink(local_options(dir, "out/%{h}"));
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("1", {{"h", "evil"}});
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  const Status status = drain(sink, 1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(sink.safe(), 0u);
  ASSERT_TRUE(sink.close().ok());
  EXPECT_TRUE(dir.files().empty());
}

TEST(HdfsSink, DotDotInTheTemplateIsRefused) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir, "out/../%{h}"));
  const Status status = sink.open({});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::config);
}

TEST(HdfsSink, StaleTemporariesAreSweptButNobodyElsesFiles) {
  const ScratchDir dir;
  std::filesystem::create_directories(dir / "out");
  const std::string stale = "out/_FlumeData.1.0123456789abcdef.tmp";
  const std::string young = "out/_FlumeData.2.0123456789abcdef.tmp";
  const std::string foreign = "out/_FlumeData.3.0123.tmp";
  for (const std::string& name : {stale, young, foreign}) {
    std::ofstream(dir / name) << "x";
  }
  const timespec old[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, (dir / stale).c_str(), old, 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, (dir / foreign).c_str(), old, 0), 0);
  HdfsSink sink(local_options(dir));
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("a");
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(drain(sink, 1).ok());
  ASSERT_TRUE(sink.close().ok());
  EXPECT_FALSE(std::filesystem::exists(dir / stale));
  EXPECT_TRUE(std::filesystem::exists(dir / young));
  EXPECT_TRUE(std::filesystem::exists(dir / foreign));
}

TEST(HdfsSink, AWriteErrorEndsTheRunAndLeavesNothing) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir));
  ASSERT_TRUE(sink.open({}).ok());
  // A limit on file sizes stands for any error that is not a full disk.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 300'000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Events events;
  events.add(std::string(290'000, 'x')).add(std::string(290'000, 'x'));
  const Status status = sink.deliver(events.batch());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::io);
  EXPECT_EQ(sink.safe(), 0u);
  ASSERT_TRUE(sink.close().ok());
  EXPECT_TRUE(dir.files().empty());
}

TEST(HdfsSink, AvroFilesAreFlumesByteForByte) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir);
  options.serializer.name = "avro_event";
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  events.add("hello", {{"h1", "v1"}}).add("");
  ASSERT_TRUE(sink.deliver(events.batch()).ok());
  ASSERT_TRUE(drain(sink, 2).ok());
  const std::string file = dir.all("out");
  const std::string schema =
      R"({"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map",)"
      R"("values":"string"}},{"name":"body","type":"bytes"}]})";
  const std::string head = std::string("Obj\1\4\x16") + "avro.schema" + "\x8a\x02" + schema +
                           "\x14" + "avro.codec" + "\x08" + "null" + std::string(1, '\0');
  ASSERT_GE(file.size(), head.size() + 16);
  EXPECT_EQ(file.substr(0, head.size()), head);
  const std::string marker = file.substr(head.size(), 16);
  const std::string block = std::string("\x04\x20") + "\x02\x04h1\x04v1" + std::string(1, '\0') +
                            "\x0ahello" + std::string(2, '\0');
  EXPECT_EQ(file.substr(head.size() + 16), block + marker);
}

}  // namespace
}  // namespace fl
