#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/fl-source/sql/address.h"
#include "tools/fl-source/sql/key.h"
#include "tools/fl-source/sql/position_file.h"
#include "tools/fl-source/sql/position_ledger.h"

namespace fl {
namespace {

using Strings = std::vector<std::string>;

SqlPlace place(const Strings& values) {
  SqlPlace made;
  for (const std::string& value : values) {
    made.add(value);
  }
  return made;
}

// ---------------------------------------------------------------- key

TEST(SqlKey, APlaceHoldsItsValues) {
  const Strings values = {"", std::string("a\0b", 3), std::string(5000, 'x'), "7"};
  EXPECT_EQ(place(values).values(), values);
  EXPECT_TRUE(SqlPlace().values().empty());
}

TEST(SqlKey, ValuesNeverLeaveTheirLiteral) {
  EXPECT_EQ(*sql_literal(SqlKeyKind::number, "-12.5"), "-12.5");
  EXPECT_EQ(*sql_literal(SqlKeyKind::time, "2026-01-31 12:30:00.5"), "'2026-01-31 12:30:00.5'");
  EXPECT_EQ(*sql_literal(SqlKeyKind::text, "a' OR 1"), "_utf8mb4 X'6127204f522031'");
  EXPECT_EQ(*sql_literal(SqlKeyKind::bytes, "\xff"), "X'ff'");
  EXPECT_EQ(*sql_literal(SqlKeyKind::bytes, ""), "X''");
  for (const char* const bad :
       {"", "1 OR 1", "x", "1;", "1'", "--", "1--2", "-", "1.", "1.2.3", "."}) {
    EXPECT_FALSE(sql_literal(SqlKeyKind::number, bad).ok()) << bad;
  }
  for (const char* const good : {"0000-00-00", "-838:59:59.999999", "00:00:01"}) {
    EXPECT_TRUE(sql_literal(SqlKeyKind::time, good).ok()) << good;
  }
  for (const char* const bad : {"", "x", "2026' OR '1", "--", "2026-01-31 ", "2026-01", ".5"}) {
    EXPECT_FALSE(sql_literal(SqlKeyKind::time, bad).ok()) << bad;
  }
  EXPECT_EQ(sql_name("a`b"), "`a``b`");
}

TEST(SqlKey, RowsAfterAPlace) {
  const std::vector<SqlKeyColumn> one = {{"id", SqlKeyKind::number, 0, false}};
  const std::vector<SqlKeyColumn> two = {{"t", SqlKeyKind::time, 1, true},
                                         {"id", SqlKeyKind::number, 0, false}};
  EXPECT_EQ(*sql_after(one, {}), "");
  EXPECT_EQ(*sql_after(one, {"5"}), "`id` >= 5 AND ((`id` > 5))");
  EXPECT_EQ(*sql_after(two, {}), "`t` IS NOT NULL");
  EXPECT_EQ(*sql_after(two, {"2026-01-01", "7"}),
            "`t` >= '2026-01-01' AND ((`t` > '2026-01-01') OR (`t` = '2026-01-01' AND `id` > 7))");
  EXPECT_FALSE(sql_after(two, {"2026-01-01"}).ok());
  EXPECT_EQ(sql_order(two), "`t`, `id`");
}

// ---------------------------------------------------------------- ledger

TEST(SqlPositionLedger, TheLastAcknowledgedRowCounts) {
  SqlPositionLedger ledger;
  ledger.add(1, 1, place({"a"}), false);
  ledger.add(2, 2, place({"b"}), false);
  ledger.add(2, 3, place({"rejected"}), true);
  ledger.add(3, 4, place({"c"}), false);
  EXPECT_FALSE(ledger.acked(0));
  EXPECT_EQ(ledger.acked(1)->place, place({"a"}));
  EXPECT_FALSE(ledger.acked(1));
  const auto second = ledger.acked(2);
  EXPECT_EQ(second->place, place({"rejected"}));
  EXPECT_EQ(second->rows, 3U);
  EXPECT_EQ(ledger.acked(9)->rows, 4U);
}

TEST(SqlPositionLedger, ItIsBoundedByItsBlocks) {
  SqlPositionLedger ledger;
  constexpr std::uint64_t kRows = SqlPositionLedger::kExact + 5000;
  for (std::uint64_t i = 1; i <= kRows; ++i) {
    ledger.add(i, i, place({std::to_string(i)}), i % 1000 == 0 || i == kRows);
  }
  EXPECT_LT(ledger.size(), SqlPositionLedger::kExact + 10);
  EXPECT_EQ(ledger.acked(100)->rows, 100U);
  EXPECT_EQ(ledger.acked(kRows)->rows, kRows);
}

// ---------------------------------------------------------------- position

TEST(SqlPosition, ATextComesBack) {
  SqlPosition position;
  position.id = "8a";
  EXPECT_EQ(position.text(), "8a:0:");
  EXPECT_EQ(*SqlPosition::parse(position.text()), position);
  for (const Strings& values : {Strings{"5"}, Strings{""}, Strings{"", ""},
                                Strings{"2026-01-31 00:00:00", std::string("\0,:\xff", 4)}}) {
    position.rows = 7;
    position.values = values;
    EXPECT_EQ(*SqlPosition::parse(position.text()), position) << position.text();
  }
  for (const char* const bad :
       {"", "a", "a:", ":1:NQ==", "a:x:NQ==", "a:1:N", "a:1:NQ==,N", "a:-1:NQ==", "a:0:NQ=="}) {
    EXPECT_FALSE(SqlPosition::parse(bad)) << bad;
  }
}

class SqlPositionFileTest : public ::testing::Test {
 protected:
  std::string path() const { return dir_.path() + "/a/b/position"; }
  std::string text() const {
    std::ifstream file(path());
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  void write(const std::string& text) const { std::ofstream(path()) << text; }

  TempDir dir_;
};

TEST_F(SqlPositionFileTest, WhatIsSavedIsLoaded) {
  SqlPosition saved;
  {
    SqlPositionFile file;
    ASSERT_TRUE(file.open(path()).ok());
    const Result<SqlPosition> fresh = file.load("shop.orders since t", "db1");
    ASSERT_TRUE(fresh.ok());
    EXPECT_TRUE(fresh->values.empty());
    EXPECT_NE(text().find(fresh->id), std::string::npos);  // before anything goes out
    saved = *fresh;
    saved.rows = 12;
    saved.key = {"t", "id"};
    saved.values = {"2026-01-31", std::string("\xff\0", 2)};
    ASSERT_TRUE(file.save(saved).ok());
  }
  SqlPositionFile file;
  ASSERT_TRUE(file.open(path()).ok());
  EXPECT_EQ(*file.load("shop.orders since t", "db1"), saved);
  EXPECT_EQ(file.load("shop.orders since u", "db1").error().kind, ErrorClass::config);
  ASSERT_TRUE(file.remove().ok());
  EXPECT_NE(file.load("shop.orders since t", "db1")->id, saved.id);
}

TEST_F(SqlPositionFileTest, AServerIsPartOfItOrNot) {
  SqlPositionFile file;
  ASSERT_TRUE(file.open(path()).ok());
  ASSERT_TRUE(file.load("t", "db1").ok());
  EXPECT_TRUE(file.load("t at /db2/socket", "/db2/socket").ok());  // as older files
  write(R"({"of":"t at db1","id":"8a","rows":1,"key":["id"],"values":["5"]})");
  EXPECT_TRUE(file.load("t", "db1").ok());
  EXPECT_TRUE(file.load("t at db1", "db1").ok());
  for (const char* const other : {"db2", "/db1/socket"}) {
    EXPECT_FALSE(file.load("t", other).ok()) << other;
    EXPECT_FALSE(file.load(std::string("t at ") + other, other).ok()) << other;
  }
}

TEST_F(SqlPositionFileTest, OneProcessAtATime) {
  SqlPositionFile one;
  SqlPositionFile other;
  ASSERT_TRUE(one.open(path()).ok());
  EXPECT_EQ(other.open(path()).error().kind, ErrorClass::again);
}

TEST_F(SqlPositionFileTest, ADirectoryIsRefusedAndGetsNoLock) {
  std::filesystem::create_directories(path());
  SqlPositionFile file;
  EXPECT_EQ(file.open(path()).error().kind, ErrorClass::usage);
  EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));
}

TEST_F(SqlPositionFileTest, WhatIsNoPositionIsRefused) {
  SqlPositionFile file;
  ASSERT_TRUE(file.open(path()).ok());
  const std::string good = R"({"of":"t","id":"8a","rows":1,"key":["id"],"values":["5"]})";
  write(good);
  ASSERT_TRUE(file.load("t", "db1").ok());
  for (const std::string& bad :
       {std::string(" "), std::string("x"), good.substr(0, 40), std::string("[]"),
        std::string("{}"),
        std::string(R"({"of":"t","id":"","rows":1,"key":["id"],"values":["5"]})"),
        std::string(R"({"of":"t","id":"8a","rows":-1,"key":["id"],"values":["5"]})"),
        std::string(R"({"of":"t","id":"8a","rows":1,"key":[],"values":["5"]})"),
        std::string(R"({"of":"t","id":"8a","rows":1,"key":["id"],"values":[5]})"),
        std::string(R"({"of":"t","id":"8a","rows":1,"key":["id"],"values":[{"base64":"!"}]})"),
        std::string(2 << 20, 'x')}) {
    write(bad);
    const Result<SqlPosition> loaded = file.load("t", "db1");
    ASSERT_FALSE(loaded.ok()) << bad.substr(0, 80);
    EXPECT_EQ(loaded.error().kind, ErrorClass::config);
  }
}

TEST_F(SqlPositionFileTest, ACheckSaysTheSameAndMakesNothing) {
  EXPECT_EQ(*SqlPositionFile::check(path(), "t", "db1"), SqlPosition());
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/a"));
  SqlPositionFile file;
  ASSERT_TRUE(file.open(path()).ok());
  const Result<SqlPosition> loaded = file.load("t", "db1");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(*SqlPositionFile::check(path(), "t", "db1"), *loaded);  // though it is locked
  for (const char* const bad : {"u", ""}) {
    EXPECT_EQ(SqlPositionFile::check(path(), bad, "db1").error().message,
              file.load(bad, "db1").error().message);
  }
  EXPECT_EQ(SqlPositionFile::check(path() + "/", "t", "db1").error().kind, ErrorClass::usage);
  EXPECT_FALSE(SqlPositionFile::check(path() + "/below/a/file", "t", "db1").ok());
}

TEST_F(SqlPositionFileTest, TheUsualPlace) {
  ::setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(*SqlPositionFile::usual_path("db1:3306 a/b.c"),
            "/state/fl/sql/db1%3a3306%20a%2fb.c.json");
  ::unsetenv("XDG_STATE_HOME");
  ::setenv("HOME", "/home/u", 1);
  EXPECT_EQ(*SqlPositionFile::usual_path("..x"), "/home/u/.local/state/fl/sql/%2e.x.json");
  EXPECT_FALSE(SqlPositionFile::usual_path(std::string(300, 'x')).ok());
  ::unsetenv("HOME");
  EXPECT_EQ(SqlPositionFile::usual_path("x").error().kind, ErrorClass::config);
}

// ---------------------------------------------------------------- address

TEST(SqlAddress, Parts) {
  const Result<SqlAddress> all = SqlAddress::parse("mysql://a%40b@db1:3307/sh%2fop/or%20ders");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->user, "a@b");
  EXPECT_EQ(all->host, "db1");
  EXPECT_EQ(all->port, 3307);
  EXPECT_EQ(all->database, "sh/op");
  EXPECT_EQ(all->table, "or ders");
  EXPECT_EQ(all->server(), "db1:3307");
  const Result<SqlAddress> v6 = SqlAddress::parse("mariadb://[::1]:5/d");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 5);
  EXPECT_EQ(v6->table, "");
  EXPECT_EQ(SqlAddress::parse("mysql:///d/t")->server(), "localhost");
  EXPECT_EQ(SqlAddress::parse("mysql://[::1]/d")->port, 0);
}

TEST(SqlAddress, WhatIsNone) {
  for (const char* const bad :
       {"", "db/t", "http://h/d/t", "mysql://", "mysql://h", "mysql://h/", "mysql://h//t",
        "mysql://h:/d", "mysql://h:0/d", "mysql://h:65536/d", "mysql://h:x/d", "mysql://[::1/d",
        "mysql://[::1]x/d", "mysql://h/d/t/u", "mysql://h/d?x", "mysql://h/%", "mysql://h/%4",
        "mysql://h/%00", "mysql://%zz@h/d"}) {
    const Result<SqlAddress> address = SqlAddress::parse(bad);
    ASSERT_FALSE(address.ok()) << bad;
    EXPECT_EQ(address.error().kind, ErrorClass::usage);
  }
  const Error secret = SqlAddress::parse("mysql://u:geheim@h/d/t").error();
  EXPECT_EQ((secret.message + secret.hint).find("geheim"), std::string::npos);
}

}  // namespace
}  // namespace fl
