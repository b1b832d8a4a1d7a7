#include "common/event/batch.h"

#include <gtest/gtest.h>

#include "common/stream/block_builder.h"

namespace fl {
namespace {

class BatchTest : public testing::Test {
 protected:
  void add(const Headers& headers, std::string_view body) {
    auto& text = *texts_.emplace_back(std::make_unique<std::string>());
    append_event(text, headers, body);
    batch_.add(scanned(text));
  }
  static Event scanned(std::string_view text) {
    Event event;
    const char* why = nullptr;
    const auto* begin = reinterpret_cast<const std::uint8_t*>(text.data());
    EXPECT_EQ(begin + text.size(), scan_event(begin, begin + text.size(), {}, event, why));
    return event;
  }
  // What event i is in the output: prefix and bytes together.
  Headers headers(std::size_t i) {
    out_ = std::string(batch_.prefix(i)) + std::string(batch_[i].bytes());
    return headers_of(scanned(out_));
  }
  std::string body(std::size_t i) {
    out_ = std::string(batch_.prefix(i)) + std::string(batch_[i].bytes());
    return std::string(scanned(out_).body());
  }

  Batch batch_;
  std::vector<std::unique_ptr<std::string>> texts_;
  std::string out_;
};

TEST_F(BatchTest, UntouchedIsUnchanged) {
  add({}, "a");
  EXPECT_TRUE(batch_.unchanged());
  EXPECT_TRUE(batch_.kept(0));
}

TEST_F(BatchTest, AnAbsentHeaderIsPutInFront) {
  add({}, "a");
  add({{"x", "1"}}, "b");
  batch_.put("ts", "7", Batch::Existing::replace);
  EXPECT_EQ((Headers{{"ts", "7"}}), headers(0));
  EXPECT_EQ((Headers{{"ts", "7"}, {"x", "1"}}), headers(1));
  EXPECT_EQ("b", body(1));
}

TEST_F(BatchTest, APresentHeaderIsReplacedInPlaceWithoutDuplicate) {
  add({{"a", "0"}, {"ts", "1"}, {"z", "9"}}, "b");
  batch_.put("ts", "7", Batch::Existing::replace);
  EXPECT_EQ((Headers{{"a", "0"}, {"ts", "7"}, {"z", "9"}}), headers(0));
  EXPECT_EQ("", batch_.prefix(0));
}

TEST_F(BatchTest, APresentHeaderIsKeptWhenAskedTo) {
  add({{"ts", "1"}}, "b");
  batch_.put("ts", "7", Batch::Existing::keep);
  EXPECT_EQ((Headers{{"ts", "1"}}), headers(0));
}

TEST_F(BatchTest, SeveralPutsShareOneMapBlockAndSeeEachOther) {
  add({}, "a");
  add({{"b", "old"}}, "b");
  batch_.put("a", "1", Batch::Existing::keep);
  batch_.put("b", "2", Batch::Existing::replace);
  batch_.put("a", "3", Batch::Existing::keep);
  EXPECT_EQ("1", batch_.header(0, "a"));
  EXPECT_EQ((Headers{{"a", "1"}, {"b", "2"}}), headers(0));
  EXPECT_EQ((Headers{{"a", "1"}, {"b", "2"}}), headers(1));
}

TEST_F(BatchTest, PutOnOneEventLeavesTheOthers) {
  add({}, "a");
  add({}, "b");
  batch_.put("all", "1", Batch::Existing::keep);
  batch_.put(1, "one", "2", Batch::Existing::replace);
  EXPECT_EQ((Headers{{"all", "1"}}), headers(0));
  EXPECT_EQ((Headers{{"all", "1"}, {"one", "2"}}), headers(1));
}

TEST_F(BatchTest, DropAndReplace) {
  add({}, "a");
  add({}, "b");
  add({}, "c");
  batch_.drop(1);
  batch_.drop(1);
  batch_.replace(2, {{"n", "1"}}, "new");
  EXPECT_EQ(1U, batch_.dropped());
  EXPECT_FALSE(batch_.kept(1));
  EXPECT_EQ("new", body(2));
  EXPECT_EQ((std::vector<bool>{true, false, true}), batch_.keep());
}

TEST_F(BatchTest, ManyRewritesStayValid) {
  for (int i = 0; i < 2000; ++i) {
    add({{"ts", "1"}}, std::string(300, static_cast<char>('a' + i % 26)));
  }
  batch_.put("ts", "2", Batch::Existing::replace);
  for (std::size_t i = 0; i < 2000; ++i) {
    ASSERT_EQ((Headers{{"ts", "2"}}), headers(i));
    ASSERT_EQ(std::string(300, static_cast<char>('a' + i % 26)), body(i));
  }
  batch_.clear();
  EXPECT_TRUE(batch_.unchanged());
}

TEST_F(BatchTest, AnEditThatMakesAnEventTooLargeIsRefused) {
  EventLimits limits;
  limits.body_bytes = 10;
  limits.header_bytes = 40;
  limits.headers = 2;
  limits.name_bytes = 4;
  limits.value_bytes = 20;
  const auto refused = [&] {
    std::vector<std::size_t> events;
    for (const Batch::TooLarge& one : batch_.too_large()) {
      events.push_back(one.event);
    }
    batch_.clear_too_large();
    return events;
  };
  using Events = std::vector<std::size_t>;
  batch_.set_limits(limits);
  add({}, "none");
  add({{"a", "1"}}, "one");
  add({{"a", "1"}, {"b", "2"}}, "two");
  batch_.put("c", "3", Batch::Existing::keep);
  EXPECT_EQ(refused(), Events{2}) << "a third header";
  batch_.put(1, "a", std::string(20, 'x'), Batch::Existing::replace);
  EXPECT_EQ(refused(), Events{});
  batch_.put(1, "c", std::string(20, 'x'), Batch::Existing::replace);
  EXPECT_EQ(refused(), Events{1}) << "forty bytes of headers";
  EXPECT_EQ(headers(1), (Headers{{"c", "3"}, {"a", std::string(20, 'x')}})) << "as it was before";
  batch_.set_body(0, std::string(10, 'x'));
  EXPECT_EQ(refused(), Events{});
  batch_.set_body(0, std::string(11, 'x'));
  EXPECT_EQ(refused(), Events{0});
  EXPECT_EQ(body(0), std::string(10, 'x'));
  batch_.put("name5", "", Batch::Existing::keep);
  EXPECT_FALSE(refused().empty());
  batch_.clear();
  add({}, "none");
  batch_.put("c", std::string(21, 'x'), Batch::Existing::keep);
  EXPECT_EQ(refused(), Events{0}) << "a value that is too long";
}

TEST(BlockBuilder, CutsAtItsLimitButTakesAnOversizedEventAlone) {
  BlockBuilder builder(100);
  const std::string body(60, 'x');
  EXPECT_TRUE(builder.fits(BlockBuilder::event_size({}, body)));
  builder.add({}, body);
  EXPECT_FALSE(builder.fits(BlockBuilder::event_size({}, body)));
  builder.clear();
  const std::string large(5000, 'y');
  EXPECT_TRUE(builder.fits(BlockBuilder::event_size({}, large)));
  builder.add({}, large);
  EXPECT_TRUE(builder.full());
  EXPECT_EQ(1U, builder.block().count);
  EXPECT_EQ(BlockBuilder::event_size({}, large), builder.block().size);
}

TEST(BlockBuilder, HoldsAtMostAThousandEvents) {
  BlockBuilder builder(1 << 20);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(builder.fits(2));
    builder.add({}, "");
  }
  EXPECT_FALSE(builder.fits(2));
}

}  // namespace
}  // namespace fl
