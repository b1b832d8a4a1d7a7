#include "common/stage/metrics.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/component/figures.h"
#include "common/stage/metrics_text.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

std::string contents(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(MetricsText, LabelsEscapeBackslashQuoteAndNewline) {
  EXPECT_EQ(escaped_label("plain ü"), "plain ü");
  EXPECT_EQ(escaped_label("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
  EXPECT_EQ(escaped_label("\xff\xc3x"), "\xEF\xBF\xBD\xEF\xBF\xBDx");
}

TEST(MetricsText, ShowsFlowAndWhatTheComponentAdds) {
  Figures figures;
  figures.events = 7;
  figures.unacknowledged = 2;
  figures.waiting = "destination";
  figures.own.owner("hdfs");
  figures.own.gauge("files_open", "Open.", 3).said("files open");
  figures.own.counter("files_committed_total", "Done\nwith \\.", 9);
  figures.own.alarm("quota");
  const std::string text =
      metrics_text({"fl-sink", "hdfs", "a \"b\"", 1500}, figures, std::nullopt);
  const std::string labels = R"({stage="fl-sink",component="hdfs",name="a \"b\""})";
  EXPECT_TRUE(has_line(text, "fl_events_received_total" + labels + " 7"));
  EXPECT_TRUE(has_line(text, "fl_events_acknowledged_total" + labels + " 5"));
  EXPECT_TRUE(has_line(text, "fl_events_unacknowledged" + labels + " 2"));
  EXPECT_TRUE(has_line(text, "fl_sink_hdfs_files_open" + labels + " 3"));
  EXPECT_TRUE(has_line(text, "# TYPE fl_sink_hdfs_files_committed_total counter"));
  EXPECT_TRUE(has_line(text, "# HELP fl_sink_hdfs_files_committed_total Done\\nwith \\\\."));
  EXPECT_TRUE(has_line(text, "fl_start_time_seconds" + labels + " 1.500"));
  EXPECT_TRUE(has_line(text, "fl_running" + labels + " 1"));
  EXPECT_TRUE(has_line(text, "fl_alarms" + labels + " 1"));
  EXPECT_NE(text.find(R"(,reason="quota"} 1)"), std::string::npos);
  EXPECT_NE(text.find(R"(,reason="destination"} 1)"), std::string::npos);
  EXPECT_NE(text.find(R"(,reason="input"} 0)"), std::string::npos);
  EXPECT_EQ(text.find("fl_exit_status"), std::string::npos);
  EXPECT_EQ(text.find("fl_events_sent_total"), std::string::npos) << "a sink sends nothing on";
  EXPECT_EQ(text.back(), '\n');
}

TEST(MetricsText, TheLastPageHasTheExitStatus) {
  const std::string text = metrics_text({"fl-source", "seq", {}, 0}, {}, MetricsEnd{75, 2000});
  EXPECT_TRUE(has_line(text, R"(fl_exit_status{stage="fl-source",component="seq"} 75)"));
  EXPECT_TRUE(has_line(text, R"(fl_running{stage="fl-source",component="seq"} 0)"));
}

TEST(Figures, OneDeclarationServesTheStatusLine) {
  FigureList list;
  list.gauge("files_open", "", 2).said("files open");
  list.counter("committed_total", "", 7).said("committed");
  list.gauge("uploads", "", 0).said_if_any("uploading");
  list.gauge("held_bytes", "", 2048).said_as_bytes("held");
  list.gauge("capacity", "", 5);
  EXPECT_EQ(list.words(), "2 files open, 7 committed, 2.00 KiB held");
}

TEST(Figures, OneOfSeveralHasALabel) {
  FigureList list;
  list.owner("file");
  list.gauge("lag", "Lag.", 1, {"group", "a\"b"}).said("to take");
  list.gauge("syncs", "Syncs.", 9);
  list.gauge("lag", "Lag.", 2, {"group", "c"}).said("to take");
  list.gauge("lag", "Lag.", 3, {"group", "c"}).said("to take");
  EXPECT_EQ(list.words(), "1 to take for 'a\"b', 5 to take for 'c'");
  Figures figures;
  figures.own = list;
  const std::string text = metrics_text({"fl-channel", "file", {}, 0}, figures, {});
  const std::string::size_type type = text.find("# TYPE fl_channel_file_lag gauge\n");
  ASSERT_NE(type, std::string::npos);
  EXPECT_EQ(text.find("# TYPE fl_channel_file_lag gauge\n", type + 1), std::string::npos);
  EXPECT_NE(
      text.find("fl_channel_file_lag{stage=\"fl-channel\",component=\"file\",group=\"a\\\"b\"} 1\n"
                "fl_channel_file_lag{stage=\"fl-channel\",component=\"file\",group=\"c\"} 5\n"),
      std::string::npos)
      << text;
}

TEST(Figures, TwoComponentsOfOneSortAddUp) {
  FigureList list;
  list.owner("exec");
  list.counter("lines_total", "", 2);
  list.owner("static");
  list.owner("exec");
  list.counter("lines_total", "", 3);
  std::size_t found = 0;
  for (const FigureList::Owned& owned : list.owners()) {
    for (const Figure& figure : owned.figures) {
      ++found;
      EXPECT_EQ(owned.component, "exec");
      EXPECT_EQ(figure.value, 5U);
    }
  }
  EXPECT_EQ(found, 1U);
}

TEST(MetricsPlace, TellsFilesFromAddresses) {
  EXPECT_EQ(parse_metrics_place("/var/lib/a.prom")->file, "/var/lib/a.prom");
  EXPECT_EQ(parse_metrics_place("a.prom")->file, "a.prom");
  EXPECT_EQ(parse_metrics_place("./9100")->file, "./9100");
  EXPECT_EQ(parse_metrics_place("./a:9100")->file, "./a:9100");
  EXPECT_EQ(parse_metrics_place(":9100")->port, 9100);
  EXPECT_EQ(parse_metrics_place(":9100")->host, "");
  EXPECT_EQ(parse_metrics_place("localhost:0")->host, "localhost");
  EXPECT_EQ(parse_metrics_place("[::1]:80")->host, "::1");
  for (const char* const wrong :
       {"9100", "", "-", "dir/", "host:", "host:x", "host:70000", "::1:80", ":-1", ": 80"}) {
    const Result<MetricsPlace> place = parse_metrics_place(wrong);
    ASSERT_FALSE(place.ok()) << wrong;
    EXPECT_EQ(place.error().kind, ErrorClass::usage) << wrong;
  }
}

Metrics::Settings to_file(const std::string& path) {
  return {path, 5000, {"fl-sink", "null", {}, 0}};
}

TEST(MetricsFile, IsReplacedWholeAndLeavesNoTemporary) {
  const TempDir directory;
  const std::string path = directory.path() + "/x.prom";
  Result<std::unique_ptr<Metrics>> metrics = Metrics::start(to_file(path), {});
  ASSERT_TRUE(metrics.ok()) << metrics.error().message;
  EXPECT_NE(contents(path).find("name=\"x\""), std::string::npos);
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  const std::ifstream held(path);  // keeps the inode's number from being used again
  Figures figures;
  figures.events = 12;
  (*metrics)->publish(figures);
  ASSERT_EQ(stat(path.c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino) << "written in place";
  EXPECT_NE(contents(path).find("} 12\n"), std::string::npos);
  (*metrics)->end(figures, 65);
  EXPECT_NE(contents(path).find("fl_exit_status"), std::string::npos);
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    ++entries;
    EXPECT_EQ(entry.path(), path);
  }
  EXPECT_EQ(entries, 1U);
}

TEST(MetricsFile, NeverReplacesWhatIsNoFile) {
  const TempDir directory;
  const std::string path = directory.path() + "/link";
  ASSERT_EQ(symlink("/dev/null", path.c_str()), 0);
  const Result<std::unique_ptr<Metrics>> metrics = Metrics::start(to_file(path), {});
  ASSERT_FALSE(metrics.ok());
  EXPECT_EQ(metrics.error().kind, ErrorClass::usage);
  EXPECT_EQ(std::filesystem::read_symlink(path), "/dev/null");
}

TEST(MetricsFile, ReplacesTheTemporaryOfAKilledProcessOfTheSameNumber) {
  const TempDir directory;
  const std::string path = directory.path() + "/x.prom";
  const std::string left = path + "." + std::to_string(getpid()) + ".tmp";
  const std::string other = directory.path() + "/other";
  std::ofstream(other) << "kept";
  ASSERT_EQ(link(other.c_str(), left.c_str()), 0);  // nothing is written into what is there
  Result<std::unique_ptr<Metrics>> metrics = Metrics::start(to_file(path), {});
  ASSERT_TRUE(metrics.ok()) << metrics.error().message;
  EXPECT_NE(contents(path).find("name=\"x\""), std::string::npos);
  std::ofstream(left) << "half a page";
  Figures figures;
  figures.events = 12;
  (*metrics)->publish(figures);
  EXPECT_NE(contents(path).find("} 12\n"), std::string::npos);
  EXPECT_EQ(contents(other), "kept");
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST(MetricsFile, AMissingDirectoryIsSaidAtOnce) {
  const TempDir directory;
  const Result<std::unique_ptr<Metrics>> metrics =
      Metrics::start(to_file(directory.path() + "/none/x.prom"), {});
  ASSERT_FALSE(metrics.ok());
  EXPECT_NE(metrics.error().message.find("/none/x.prom"), std::string::npos);
}

}  // namespace
}  // namespace fl
