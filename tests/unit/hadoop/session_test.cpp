#include "common/hadoop/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace fl {
namespace {

WebHdfsSettings settings_of(std::size_t endpoints) {
  WebHdfsSettings settings;
  settings.endpoints.assign(endpoints, "http://127.0.0.1:1");
  return settings;
}

TEST(HdfsSession, ActiveNameNodeIsSharedAndPassedOverOnce) {
  HdfsSession session(settings_of(3));
  EXPECT_FALSE(session.active().is_known);
  session.pass_over(0);
  EXPECT_EQ(session.active().index, 1U);
  session.set_active(2);
  // Another client finds out about the first one late.
  session.pass_over(1);
  EXPECT_EQ(session.active().index, 2U);
  EXPECT_TRUE(session.active().is_known);
  session.pass_over(2);
  EXPECT_EQ(session.active().index, 0U);
  EXPECT_FALSE(session.active().is_known);
}

using Slot = std::unique_ptr<HdfsSession::Slot>;
using Turn = HdfsSession::Turn;

TEST(HdfsSession, AThirdUploadWaitsForItsTurn) {
  HdfsSession session(settings_of(1));
  Slot first;
  Slot second;
  Slot other;
  ASSERT_EQ(session.wait_for_turn("d", 2, nullptr, first), Turn::granted);
  ASSERT_EQ(session.wait_for_turn("d", 2, nullptr, second), Turn::granted);
  ASSERT_EQ(session.wait_for_turn("other", 2, nullptr, other), Turn::granted);
  std::atomic<bool> is_granted = false;
  std::thread third([&] {
    Slot slot;
    EXPECT_EQ(session.wait_for_turn("d", 2, nullptr, slot), Turn::granted);
    is_granted = true;
  });
  std::atomic<bool> cancel = true;
  Slot none;
  EXPECT_EQ(session.wait_for_turn("d", 2, &cancel, none), Turn::cancelled);
  EXPECT_EQ(none, nullptr);
  EXPECT_FALSE(is_granted);
  first.reset();
  third.join();
  EXPECT_TRUE(is_granted);
}

TEST(HdfsSession, WhoWaitsForAServerThatFailsIsSentAway) {
  HdfsSession session(settings_of(1));
  Slot slot;
  ASSERT_EQ(session.wait_for_turn("d", 1, nullptr, slot), Turn::granted);
  std::thread waiter([&] {
    Slot none;
    EXPECT_EQ(session.wait_for_turn("d", 1, nullptr, none), Turn::avoided);
  });
  session.avoid("d", "10.0.0.1:9866");
  waiter.join();
  session.avoid("e", "");
  session.avoid("f", "10.0.0.2");
  EXPECT_EQ(session.excluded(), "10.0.0.1:9866,10.0.0.2");
  session.readmit_all();
  EXPECT_EQ(session.excluded(), "");
}

TEST(HdfsSession, AvoidanceEnds) {
  WebHdfsSettings settings = settings_of(1);
  settings.avoid_datanode_ms = 0;
  HdfsSession session(settings);
  session.avoid("d", "10.0.0.1");
  EXPECT_EQ(session.excluded(), "");
}

}  // namespace
}  // namespace fl
