// What the sinks that print put on stdout, and how they treat a slow or a closed reader.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "common/base/unique_fd.h"
#include "common/io/poll_set.h"
#include "common/stream/container.h"
#include "tests/unit/component_options.h"

namespace fl {
ComponentType logger_sink();
ComponentType null_sink();
ComponentType stdout_sink();

namespace {

/// stdout is a pipe while this lives.
class PipedStdout {
 public:
  PipedStdout() {
    (void)std::fflush(stdout);
    saved_.reset(::dup(STDOUT_FILENO));
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[1]);
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
  }
  ~PipedStdout() {
    (void)std::fflush(stdout);
    ::dup2(saved_.get(), STDOUT_FILENO);
  }
  std::string read() {
    std::string text;
    char buffer[65536];
    for (ssize_t n = 0; (n = ::read(reader_.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
  }
  void close_reader() { reader_.reset(); }

 private:
  UniqueFd saved_;
  UniqueFd reader_;
};

class PrintSinks : public testing::Test {
 protected:
  void add(const Headers& headers, std::string_view body) {
    std::string map;
    append_map(map, headers);
    builder_.add(map, body);
  }
  /// What the sink prints of the events added.
  std::string print(const ComponentType& type, const test::Settings& settings) {
    PipedStdout piped;
    const auto sink = type.sink(test::options_of(type, settings));
    EXPECT_TRUE(sink->open({}).ok());
    Batch batch;
    test::fill(batch, builder_.block());
    EXPECT_TRUE(sink->deliver(batch).ok());
    EXPECT_EQ(sink->safe(), batch.size());
    return piped.read();
  }

  BlockBuilder builder_{1 << 20};
};

TEST_F(PrintSinks, LoggerPrintsAsFlume) {
  add({}, "Hello world!\r");
  add({{"timestamp", "5"}, {"k", "v"}}, "");
  add({}, std::string("a\tb\x01\x1b\x7f\0z", 8));
  add({}, "seventeen bytes!!");
  EXPECT_EQ(print(logger_sink(), {}),
            "Event: { headers:{} body: 48 65 6C 6C 6F 20 77 6F 72 6C 64 21 0D          "
            "Hello world!. }\n"
            "Event: { headers:{k=v, timestamp=5} body: }\n"
            "Event: { headers:{} body: 61 09 62 01 1B 7F 00 7A                         a.b....z }\n"
            "Event: { headers:{} body: 73 65 76 65 6E 74 65 65 6E 20 62 79 74 65 73 21 "
            "seventeen bytes! }\n");
}

TEST_F(PrintSinks, LoggerRowsAndEscapes) {
  add({{"k", "\x1b[31m"}}, "0123456789abcdefgh");
  EXPECT_EQ(print(logger_sink(), {{"maxBytesToLog", "20"}}),
            "Event: { headers:{k=\\x1B[31m} body: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 "
            "0123456789abcdef\n00000010 67 68                                           gh }\n");
}

TEST_F(PrintSinks, StdoutFormats) {
  add({{"a", "1"}, {"q\"", "x\n"}}, "body");
  add({}, "\xff\x00");
  EXPECT_EQ(print(stdout_sink(), {}), "body\n\xff\n");
  EXPECT_EQ(print(stdout_sink(), {{"format", "json"}}),
            "{\"headers\":{\"a\":\"1\",\"q\\\"\":\"x\\n\"},\"body\":\"body\"}\n"
            "{\"headers\":{},\"body64\":\"/w==\"}\n");
  EXPECT_EQ(print(stdout_sink(), {{"format", "headers+body"}}), "{a=1, q\"=x\n} body\n{} \xff\n");
  const std::string avro = print(stdout_sink(), {{"format", "avro"}});
  ContainerHeader header;
  const auto size = parse_container_header(avro, header);
  ASSERT_TRUE(size.ok());
  EXPECT_TRUE(check_event_schema(header.find("avro.schema")).ok());
  EXPECT_EQ(avro[*size], 4);  // two events
}

TEST_F(PrintSinks, ASlowReaderHoldsTheSinkBackButNeverTheProcess) {
  PipedStdout piped;
  const ComponentType type = stdout_sink();
  const auto sink = type.sink(test::options_of(type, {}));
  ASSERT_TRUE(sink->open({}).ok());
  for (int i = 0; i < 200; ++i) {
    add({}, std::string(999, 'x'));
  }
  Batch batch;
  test::fill(batch, builder_.block());
  ASSERT_TRUE(sink->deliver(batch).ok());  // 200 kB into a pipe of 64 KiB
  EXPECT_FALSE(sink->ready());
  EXPECT_LT(sink->safe(), 200u);
  EXPECT_GT(sink->safe(), 0u);
  std::size_t bytes = 0;
  for (int i = 0; i < 1000 && !sink->ready(); ++i) {
    bytes += piped.read().size();
    ASSERT_TRUE(sink->handle({}).ok());
  }
  bytes += piped.read().size();
  EXPECT_EQ(bytes, 200'000u);
  EXPECT_EQ(sink->safe(), 200u);
  EXPECT_FALSE(sink->reader_closed());
  EXPECT_EQ(::fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);  // siblings share it
}

TEST_F(PrintSinks, AClosedReaderIsNoticedWhenIdle) {
  (void)::signal(SIGPIPE, SIG_IGN);
  PipedStdout piped;
  const ComponentType type = stdout_sink();
  const auto sink = type.sink(test::options_of(type, {}));
  ASSERT_TRUE(sink->open({}).ok());
  EXPECT_FALSE(sink->reader_closed());
  piped.close_reader();
  ASSERT_TRUE(sink->handle({}).ok());
  EXPECT_TRUE(sink->reader_closed());
}

TEST_F(PrintSinks, NullCounts) {
  add({}, "a");
  add({}, "b");
  EXPECT_EQ(print(null_sink(), {}), "");
}

}  // namespace
}  // namespace fl
