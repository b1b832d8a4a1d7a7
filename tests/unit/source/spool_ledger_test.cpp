#include "tools/fl-source/spool_ledger.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace fl {
namespace {

class SpoolLedgerTest : public testing::Test {
 protected:
  SpoolLedgerTest() {
    std::string name = testing::TempDir() + "fl-ledger-XXXXXX";
    path_ = ::mkdtemp(name.data());
    auto dir = LocalDir::open(path_, LocalDir::Missing::fail);
    dir_.emplace(std::move(*dir));
  }
  ~SpoolLedgerTest() override { std::filesystem::remove_all(path_); }

  std::string file() const { return path_ + "/" + SpoolLedger::kFileName; }
  std::string bytes() const {
    std::ostringstream out;
    out << std::ifstream(file(), std::ios::binary).rdbuf();
    return out.str();
  }
  /// What another run finds.
  SpoolLedger loaded() const {
    SpoolLedger ledger(*dir_);
    EXPECT_TRUE(ledger.load().ok());
    return ledger;
  }
  static std::vector<std::string> settled(SpoolLedger& ledger) {
    std::vector<std::string> paths;
    ledger.remove_settled([&](const SpoolLedger::Record& record) {
      paths.push_back(record.path);
      return false;
    });
    return paths;
  }

  std::string path_;
  std::optional<LocalDir> dir_;
};

TEST_F(SpoolLedgerTest, WhatWasRecordedIsFoundAlsoAfterACrash) {
  const std::string odd = "a b%0A\n\x7f\xff\t";
  SpoolLedger ledger(*dir_);
  ASSERT_TRUE(ledger.load().ok());
  ASSERT_TRUE(ledger.add_unsettled(odd, {1, 2, 3, 4}).ok());
  ASSERT_TRUE(ledger.add_unsettled("sub/gone", {1, 5, 6, 7}).ok());
  ASSERT_TRUE(ledger.add_settled("s", {1, 8, 9, 10}).ok());
  ASSERT_TRUE(ledger.remove_unsettled("sub/gone").ok());
  for (const bool saved : {false, true}) {  // as a crash leaves it, and as a clean end does
    if (saved) {
      ASSERT_TRUE(ledger.save().ok());
    }
    SpoolLedger next = loaded();
    const Identity* const found = next.unsettled(odd);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->inode, 2u);
    EXPECT_EQ(found->size, 3);
    EXPECT_EQ(found->mtime_ns, 4);
    EXPECT_EQ(next.unsettled("sub/gone"), nullptr);
    EXPECT_EQ(settled(next), std::vector<std::string>{"s"});
  }
}

TEST_F(SpoolLedgerTest, ATornLineIsNothingAndNothingFollowsIt) {
  std::ofstream(file()) << "U 2 3 4 a\nU 5 6";
  SpoolLedger ledger = loaded();
  EXPECT_NE(ledger.unsettled("a"), nullptr);
  ASSERT_TRUE(ledger.add_unsettled("b", {1, 7, 8, 9}).ok());
  SpoolLedger next = loaded();
  EXPECT_NE(next.unsettled("a"), nullptr);
  EXPECT_NE(next.unsettled("b"), nullptr);
}

TEST_F(SpoolLedgerTest, RubbishIsPassedOver) {
  std::ofstream(file(), std::ios::binary)
      << std::string(2, '\0') << "\n\n%\nU\nU x y z w\nS 1 2 3 \nQ 1 2 3 q\nU 1 2 3 b\n";
  SpoolLedger ledger = loaded();
  EXPECT_NE(ledger.unsettled("b"), nullptr);
  EXPECT_TRUE(settled(ledger).empty());
}

TEST_F(SpoolLedgerTest, TheLastOnesAreKeptAndTheFileStaysSmall) {
  SpoolLedger ledger(*dir_);
  ASSERT_TRUE(ledger.load().ok());
  std::size_t left = 0;
  const std::size_t count = 40 * SpoolLedger::kMaxSettled;
  for (std::size_t i = 0; i < count; ++i) {
    const auto oldest = ledger.add_settled(std::string(30, 'n') + std::to_string(i), {});
    ASSERT_TRUE(oldest.ok());
    left += oldest->has_value() ? 1U : 0U;
  }
  EXPECT_EQ(left, count - SpoolLedger::kMaxSettled);
  EXPECT_LT(std::filesystem::file_size(file()), 2u << 20);
  EXPECT_TRUE(ledger.take_settled(std::string(30, 'n') + std::to_string(count - 1)));
  EXPECT_FALSE(ledger.take_settled(std::string(30, 'n') + "0"));
  ASSERT_TRUE(ledger.save().ok());
  SpoolLedger next = loaded();
  EXPECT_EQ(settled(next).size(), SpoolLedger::kMaxSettled - 1);
}

TEST_F(SpoolLedgerTest, NoRecordsNoFile) {
  SpoolLedger ledger(*dir_);
  ASSERT_TRUE(ledger.load().ok());
  ASSERT_TRUE(ledger.save().ok());
  EXPECT_FALSE(std::filesystem::exists(file()));
  ASSERT_TRUE(ledger.add_unsettled("a", {}).ok());
  ASSERT_TRUE(ledger.remove_unsettled("a").ok());
  ASSERT_TRUE(ledger.save().ok());
  EXPECT_FALSE(std::filesystem::exists(file()));
}

}  // namespace
}  // namespace fl
