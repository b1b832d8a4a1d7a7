// The words in which the spooldir source reports its place to a durable stage.
#include "tools/fl-source/spool_position.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/ack/position.h"

namespace fl {
namespace {

TEST(SpoolPosition, IsReadBackAsItWasWritten) {
  const std::vector<SpoolPlace> places = {
      {"1f.2a.6.0", true}, {"2.0.0.0", false, 0, ""}, {"3.ff.1.2", false, 1234, "gzip UTF-16LE"}};
  const std::string text = spool_position(places);
  EXPECT_EQ(text, "1f.2a.6.0,2.0.0.0@0@,3.ff.1.2@1234@gzip UTF-16LE");
  EXPECT_EQ(parse_spool_position(text), places);
  EXPECT_EQ(parse_spool_position(spool_position({})), std::vector<SpoolPlace>());
}

TEST(SpoolPosition, AFileThatChangesHasAnotherName) {
  struct stat info {};
  const std::string before = SpoolPlace::name_of(info);
  struct stat other = info;
  other.st_ctim.tv_nsec = 1;
  EXPECT_NE(SpoolPlace::name_of(other), before);
  other = info;
  other.st_size = 1;
  EXPECT_NE(SpoolPlace::name_of(other), before);
  other = info;
  other.st_ino = 1;
  EXPECT_NE(SpoolPlace::name_of(other), before);
}

TEST(SpoolPosition, WhatIsNoneIsRefused) {
  for (const char* text :
       {",", "1,,2", "x", "1 2", "1@x@", "1@-1@", "@1@", "1@99999999999999999999@", "1/2"}) {
    EXPECT_FALSE(parse_spool_position(text).has_value()) << text;
  }
  std::string many;
  for (std::size_t i = 0; i < 10 * kMaxSpoolPlaces; ++i) {
    many += "1,";
  }
  EXPECT_FALSE(parse_spool_position(many).has_value());
}

TEST(SpoolPosition, AsManyPlacesAsMayBeInFlightFitIntoOneLine) {
  struct stat info {};
  info.st_ino = std::numeric_limits<ino_t>::max();
  info.st_size = std::numeric_limits<off_t>::max();
  info.st_ctim = {0xffffffff, 999'999'999};
  std::vector<SpoolPlace> places(kMaxSpoolPlaces + 1, {SpoolPlace::name_of(info), true});
  places.back() = {SpoolPlace::name_of(info), false, std::numeric_limits<std::uint64_t>::max(),
                   "zstd UTF-32BE"};
  EXPECT_TRUE(
      (Position{"spooldir:/" + std::string(200, 'x'), spool_position(places)}).text().has_value());
}

}  // namespace
}  // namespace fl
