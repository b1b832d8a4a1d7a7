#include "common/io/local_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace fl {
namespace {

namespace fs = std::filesystem;

class LocalDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "fl-test-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(root_); }
  LocalDir open() {
    Result<LocalDir> dir = LocalDir::open(root_, LocalDir::Missing::fail);
    EXPECT_TRUE(dir.ok());
    return std::move(*dir);
  }
  void make(const std::string& name) { std::ofstream(root_ + "/" + name) << name; }

  std::string root_;
};

TEST_F(LocalDirTest, OpenMakesMissingLevels) {
  EXPECT_FALSE(LocalDir::open(root_ + "/a/b", LocalDir::Missing::fail).ok());
  ASSERT_TRUE(LocalDir::open(root_ + "/a/b/", LocalDir::Missing::create).ok());
  EXPECT_TRUE(fs::is_directory(root_ + "/a/b"));
  make("file");
  const auto on_file = LocalDir::open(root_ + "/file/x", LocalDir::Missing::create);
  EXPECT_FALSE(on_file.ok());
}

TEST_F(LocalDirTest, BelowMakesAndOpens) {
  const LocalDir dir = open();
  int number = -1;
  EXPECT_FALSE(dir.below("x/y", LocalDir::Missing::fail, &number).ok());
  EXPECT_EQ(number, ENOENT);
  ASSERT_TRUE(dir.below("x/y", LocalDir::Missing::create).ok());
  EXPECT_TRUE(fs::is_directory(root_ + "/x/y"));
  ASSERT_TRUE(dir.below("", LocalDir::Missing::fail).ok());
  EXPECT_TRUE(dir.sync_path("x/y").ok());
  EXPECT_FALSE(dir.sync_path("x/z").ok());
}

TEST_F(LocalDirTest, ADirectoryThatIsMadeAgainIsAnotherOne) {
  const LocalDir dir = open();
  fs::create_directories(root_ + "/a/b");
  const std::string before = dir.identity("a/b");
  if (before.empty()) {
    GTEST_SKIP() << "this file system keeps no time of birth";
  }
  make("a/b/file");
  EXPECT_EQ(before, dir.identity("a/b"));
  EXPECT_NE(before, dir.identity("a"));
  fs::remove_all(root_ + "/a/b");
  EXPECT_EQ("", dir.identity("a/b"));
  fs::create_directories(root_ + "/a/b");  // often with the same inode
  EXPECT_NE(before, dir.identity("a/b"));
  fs::rename(root_ + "/a/b", root_ + "/b");
  fs::remove_all(root_ + "/a");
  const std::string moved = dir.identity("b");
  fs::create_directories(root_ + "/a");
  fs::rename(root_ + "/b", root_ + "/a/b");
  EXPECT_NE(before, dir.identity("a/b"));
  EXPECT_NE(moved, dir.identity("a/b"));
}

TEST_F(LocalDirTest, ARemovedDirectoryIsKnown) {
  fs::create_directories(root_ + "/a");
  const Result<LocalDir> dir = LocalDir::open(root_ + "/a", LocalDir::Missing::fail);
  ASSERT_TRUE(dir.ok());
  EXPECT_TRUE(dir->exists());
  fs::remove_all(root_ + "/a");
  EXPECT_FALSE(dir->exists());
}

TEST_F(LocalDirTest, NothingLeadsOut) {
  fs::create_directories(root_ + "/in/deep");
  fs::create_directories(root_ + "/out");
  fs::create_directory_symlink(root_ + "/out", root_ + "/in/absolute");
  fs::create_directory_symlink("../out", root_ + "/in/relative");
  fs::create_directory_symlink("deep", root_ + "/in/inside");
  const Result<LocalDir> in = LocalDir::open(root_ + "/in", LocalDir::Missing::fail);
  ASSERT_TRUE(in.ok());
  for (const std::string& name :
       {std::string(".."), std::string("../out"), std::string("deep/../../out"),
        std::string("absolute"), std::string("relative/x"), std::string("inside/x"),
        std::string("deep/.."), std::string("a\0b", 3), std::string("/../out")}) {
    EXPECT_FALSE(in->below(name, LocalDir::Missing::create).ok()) << name;
  }
  EXPECT_TRUE(fs::is_empty(root_ + "/out"));
  EXPECT_TRUE(fs::is_empty(root_ + "/in/deep"));
  // A leading slash is a separator, not the root.
  ASSERT_TRUE(in->below("/tmp", LocalDir::Missing::create).ok());
  EXPECT_TRUE(fs::is_directory(root_ + "/in/tmp"));
}

TEST_F(LocalDirTest, FilesAreNewAndRenameReplacesNothing) {
  const LocalDir dir = open();
  ASSERT_TRUE(dir.create_file("a").ok());
  int number = 0;
  EXPECT_FALSE(dir.create_file("a", &number).ok());
  EXPECT_EQ(number, EEXIST);
  fs::create_symlink(root_ + "/target", root_ + "/link");
  EXPECT_FALSE(dir.create_file("link").ok());
  EXPECT_FALSE(fs::exists(root_ + "/target"));

  make("b");
  const Result<bool> taken = dir.rename("a", "b");
  ASSERT_TRUE(taken.ok());
  EXPECT_FALSE(*taken);
  EXPECT_EQ(fs::file_size(root_ + "/b"), 1u);
  const Result<bool> free = dir.rename("a", "c");
  ASSERT_TRUE(free.ok());
  EXPECT_TRUE(*free);
  EXPECT_FALSE(fs::exists(root_ + "/a"));
  EXPECT_FALSE(dir.rename("gone", "d", &number).ok());
  EXPECT_EQ(number, ENOENT);
  EXPECT_TRUE(dir.sync().ok());
  EXPECT_TRUE(dir.remove("c").ok());
  EXPECT_TRUE(dir.remove("c").ok());
}

TEST_F(LocalDirTest, ListsRegularFilesThatAreAccepted) {
  make("x1");
  make("y1");
  fs::create_directory(root_ + "/x2");
  fs::create_symlink("x1", root_ + "/x3");
  const auto files = open().files([](std::string_view name) { return name.starts_with('x'); });
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].name, "x1");
  EXPECT_GT((*files)[0].modified_ms, 1'000'000'000'000);
}

TEST_F(LocalDirTest, ALockedFileIsNotRemoved) {
  const LocalDir dir = open();
  Result<UniqueFd> fd = dir.create_file("mine");
  ASSERT_TRUE(fd.ok());
  ASSERT_EQ(flock(fd->get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_FALSE(dir.remove_unlocked("mine"));
  fd->reset();
  EXPECT_TRUE(dir.remove_unlocked("mine"));
  EXPECT_FALSE(dir.remove_unlocked("mine"));
}

TEST_F(LocalDirTest, AShortWriteSaysHowFarItCame) {
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  int number = 0;
  EXPECT_EQ(write_some(full.get(), "abc", number), 0u);
  EXPECT_TRUE(is_disk_full(number));
  const UniqueFd null(::open("/dev/null", O_WRONLY));
  EXPECT_EQ(write_some(null.get(), "abc", number), 3u);
  EXPECT_EQ(number, 0);
}

}  // namespace
}  // namespace fl
