// The spool of the hdfs sink: what is gathered on disk, what stays in memory, what is counted.
#include "tools/fl-sink/hdfs/spool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/sink/hdfs_test_help.h"

namespace fl {
namespace {

std::string content(const SpoolFile& file) {
  std::string text(file.length(), '\0');
  EXPECT_EQ(pread(file.fd(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

TEST(Spool, GathersAndCountsUntilReleased) {
  const ScratchDir dir;
  Spool spool(dir.path(), 10);
  ASSERT_TRUE(spool.check().ok());
  SpoolFile file(spool);
  std::string bytes = "12345";
  ASSERT_EQ(file.write(bytes).kind, Outcome::Kind::done);
  EXPECT_TRUE(bytes.empty());
  EXPECT_TRUE(spool.has_room());
  bytes = "67890";
  ASSERT_EQ(file.write(bytes).kind, Outcome::Kind::done);
  EXPECT_FALSE(spool.has_room());
  bytes = "end";
  ASSERT_EQ(file.complete(bytes).kind, Outcome::Kind::done);
  EXPECT_EQ(content(file), "1234567890end");
  EXPECT_TRUE(dir.files().empty());  // it has no name
  file.release();
  EXPECT_EQ(spool.used(), 0u);
}

TEST(Spool, ASmallPartNeverTouchesTheDisk) {
  const ScratchDir dir;
  Spool spool(dir.path(), 10);
  SpoolFile file(spool);
  std::string rest = "a few bytes more than the spool may hold";
  ASSERT_EQ(file.complete(rest).kind, Outcome::Kind::done);
  EXPECT_EQ(content(file), "a few bytes more than the spool may hold");
  EXPECT_EQ(spool.used(), 0u);
  file.release();
  EXPECT_EQ(spool.used(), 0u);
}

TEST(Spool, AMissingDirectoryIsNamed) {
  const ScratchDir dir;
  const Spool spool(dir / "missing", 10);
  const Status status = spool.check();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::create);
  EXPECT_NE(status.error().message.find("missing"), std::string::npos);
}

}  // namespace
}  // namespace fl
