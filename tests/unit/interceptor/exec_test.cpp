#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "common/component/stage_options.h"
#include "tests/unit/interceptor/interceptor_stage.h"

namespace fl {
ComponentType exec_interceptor();

namespace {

using test::Settings;
using test::Stage;
using Bodies = std::vector<std::string>;

class Exec : public testing::Test {
 protected:
  // The runner does it: a command may close its stdin while we write.
  void SetUp() override { (void)::signal(SIGPIPE, SIG_IGN); }
};

Settings command(const std::vector<std::string>& words, Settings more = {}) {
  for (const std::string& word : words) {
    more.emplace_back("words", word);
  }
  return more;
}

Settings shell(const std::string& script, Settings more = {}) {
  return command({"sh", "-c", script}, std::move(more));
}

Status run(Stage& stage, const StageContext& context = {}) {
  const Status status = stage.open(context);
  return status ? stage.run() : status;
}

int failure(const Settings& settings, const Bodies& bodies) {
  Stage stage(exec_interceptor(), settings);
  for (const std::string& body : bodies) {
    stage.add({}, body);
  }
  const Status status = run(stage);
  return status ? 0 : static_cast<int>(status.error().kind);
}

TEST_F(Exec, BodiesPassThroughHeadersAndOrderStay) {
  Stage stage(exec_interceptor(), command({"sed", "s/a/b/"}));
  stage.add({{"h", "1"}}, "a1");
  stage.add({}, "");
  stage.add({{"h", "3"}}, "a3 \xFF");
  ASSERT_TRUE(run(stage).ok());
  EXPECT_EQ(stage.kept(), (Bodies{"b1", "", "b3 \xFF"}));
  EXPECT_EQ(stage.header(0, "h"), "1");
  EXPECT_EQ(stage.header(2, "h"), "3");
}

TEST_F(Exec, WhatDoesNotChangePassesAsItIs) {
  Stage stage(exec_interceptor(), command({"cat"}));
  stage.add({{"h", "1"}}, "a");
  ASSERT_TRUE(run(stage).ok());
  EXPECT_TRUE(stage.batch().unchanged());
}

TEST_F(Exec, DroppedEventsAreNotShown) {
  Stage stage(exec_interceptor(), command({"sed", "s/$/!/"}));
  stage.add({}, "a");
  stage.add({}, "b");
  ASSERT_TRUE(stage.open().ok());
  ASSERT_TRUE(stage.run().ok());
  EXPECT_EQ(stage.kept(), (Bodies{"a!", "b!"}));
}

// More than all pipes hold, in both directions at once.
TEST_F(Exec, NeitherSideWaitsForTheOther) {
  StageContext context;
  context.limits.body_bytes = 1 << 22;
  for (const char* script : {"cat", "tr a b", "sort", "tee /dev/null"}) {
    Stage stage(exec_interceptor(), shell(script));
    stage.add({}, std::string(1 << 20, 'a'));
    stage.add({}, std::string(1 << 20, 'c'));
    ASSERT_TRUE(stage.open(context).ok());
    ASSERT_TRUE(stage.run().ok()) << script;
    EXPECT_EQ(stage.body(1), std::string(1 << 20, 'c'));
  }
}

TEST_F(Exec, AnotherNumberOfLinesIsAnError) {
  EXPECT_EQ(failure(command({"head", "-n", "1"}), {"a", "b"}), 65);
  EXPECT_EQ(failure(command({"sed", "p"}), {"a", "b"}), 65);
  EXPECT_EQ(failure(command({"sed", "p"}, {{"lines", "fewer"}}), {"a", "b"}), 65);
  EXPECT_EQ(failure(command({"tr", "-d", "\\n"}), {"a", "b"}), 65);
  EXPECT_EQ(failure(shell("printf 'a\\nb'"), {"a", "b"}), 0);  // the last line end may be missing
}

TEST_F(Exec, FewerLinesByOptionWithTheHeadersOfTheirNeighbours) {
  Stage stage(exec_interceptor(),
              command({"grep", "-v", "x"}, {{"lines", "fewer"}, {"okStatus", "1"}}));
  stage.add({{"h", "1"}}, "x1");
  stage.add({{"h", "1"}}, "a1");
  stage.add({{"h", "2"}}, "x2");
  stage.add({{"h", "3"}}, "a3");
  stage.add({{"h", "3"}}, "b3");
  ASSERT_TRUE(run(stage).ok());
  EXPECT_EQ(stage.kept(), (Bodies{"a1", "a3", "b3"}));
  Bodies headers;
  for (std::size_t i = 0; i < stage.batch().size(); ++i) {
    if (stage.batch().kept(i)) {
      headers.push_back(stage.header(i, "h"));
    }
  }
  EXPECT_EQ(headers, (Bodies{"1", "3", "3"}));
}

TEST_F(Exec, AnyNumberOfLinesByOptionEachRowDoneWithAsAWhole) {
  Stage stage(exec_interceptor(), command({"sed", "/x/d; p; s/^/+/"}, {{"lines", "any"}}));
  for (const auto& [header, body] : {std::pair{"1", "a"},
                                     {"1", "x"},
                                     {"2", "x"},
                                     {"3", "b"},
                                     {"3", "c"},
                                     {"4", "x"},
                                     {"4", "d"}}) {
    stage.add({{"h", header}}, body);
  }
  ASSERT_TRUE(run(stage).ok());
  const Batch& batch = stage.batch();
  EXPECT_EQ(batch.inputs(), 7U);
  Bodies rows;
  std::uint32_t done = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    done += batch.done()[i];
    if (batch.kept(i)) {
      rows.push_back(stage.header(i, "h") + " " + stage.body(i) + " " + std::to_string(done));
    }
  }
  EXPECT_EQ(rows,
            (Bodies{"1 a 0", "1 +a 2", "3 b 3", "3 +b 3", "3 c 3", "3 +c 5", "4 d 5", "4 +d 7"}));
}

TEST_F(Exec, AddedLinesComeBehindHeadersOfEarlierInterceptors) {
  Stage stage(exec_interceptor(), command({"sed", "p"}, {{"lines", "any"}}));
  stage.add({}, "a");
  stage.add({{"own", "1"}}, "b");
  stage.fill();
  stage.batch().put("k", "v", Batch::Existing::keep);
  ASSERT_TRUE(run(stage).ok());
  EXPECT_EQ(stage.kept(), (Bodies{"a", "a", "b", "b"}));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stage.header(i, "k"), "v");
    EXPECT_EQ(stage.header(i, "own"), i < 2 ? "(none)" : "1");
  }
}

TEST_F(Exec, ABodyWithTheDelimiterIsRefusedAndNulHelps) {
  EXPECT_EQ(failure(command({"cat"}), {"a\nb"}), 65);
  TextOptions text;
  text.null_data = true;
  StageContext context;
  context.text = &text;
  Stage stage(exec_interceptor(), command({"sed", "-z", "s/\\n/+/"}));
  stage.add({}, "a\nb");
  stage.add({}, "c");
  ASSERT_TRUE(run(stage, context).ok());
  EXPECT_EQ(stage.kept(), (Bodies{"a+b", "c"}));
}

TEST_F(Exec, FailuresOfTheCommand) {
  EXPECT_EQ(failure(command({"no-such-command-here"}), {"a"}), 78);
  EXPECT_EQ(failure(command({"/etc/passwd"}), {"a"}), 78);
  EXPECT_EQ(failure(shell("cat; exit 3"), {"a"}), 69);
  EXPECT_EQ(failure(shell("cat; exit 3", {{"okStatus", "3"}}), {"a"}), 0);
  EXPECT_EQ(failure(shell("kill -9 $$"), {"a"}), 69);
  EXPECT_EQ(failure(shell("exec sleep 100", {{"timeout", "20ms"}}), {"a"}), 69);
  EXPECT_EQ(failure(shell("exec >&-; exec sleep 100", {{"timeout", "20ms"}}), {"a"}), 69);
  EXPECT_EQ(failure(command({"cat"}, {{"okStatus", "256"}}), {"a"}), 64);
}

TEST_F(Exec, ALineLongerThanAnEventMayBeIsRefused) {
  StageContext context;
  context.limits.body_bytes = 1000;
  Stage stage(exec_interceptor(), shell("head -c 1001 /dev/zero | tr '\\0' a"));
  stage.add({}, "a");
  const Status status = run(stage, context);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

TEST_F(Exec, EndlessOutputIsCut) { EXPECT_EQ(failure(command({"yes"}), {"a"}), 65); }

TEST_F(Exec, SigpipeEndsTheCommandAndItLeadsItsGroup) {
  EXPECT_EQ(failure(shell("kill -PIPE $$; cat"), {"a"}), 69);
  Stage stage(exec_interceptor(), shell("ps -o pgid= -p $$ | tr -d ' ' | grep -cx $$"));
  stage.add({}, "a");
  ASSERT_TRUE(run(stage).ok());
  EXPECT_EQ(stage.kept(), (Bodies{"1"}));
}

TEST_F(Exec, TheCommandHasWhatTheStageWasStartedWithAndNothingOfItsOwn) {
  // As a shell gives it for `sed -f <(...)`, and as the stage opens everything.
  for (const auto& [how, count] : {std::pair{F_DUPFD, "1"}, std::pair{F_DUPFD_CLOEXEC, "0"}}) {
    Stage stage(exec_interceptor(), shell("ls /proc/self/fd | grep -c '^9[0-9][0-9]$' || true"));
    const int fd = ::fcntl(0, how, 900);
    stage.add({}, "a");
    ASSERT_TRUE(run(stage).ok());
    ::close(fd);
    EXPECT_EQ(stage.kept(), (Bodies{count}));
  }
}

}  // namespace
}  // namespace fl
