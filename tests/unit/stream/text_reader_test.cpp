#include "common/stream/text_reader.h"

#include <gtest/gtest.h>

#include <random>

namespace fl {
namespace {

struct Lines {
  std::vector<std::string> bodies;
  std::uint64_t long_lines = 0;
  std::uint64_t rejected = 0;
};

Lines read_lines(const std::string& text, const LineRules& rules, std::size_t step,
                 std::size_t block_limit = 64 << 10) {
  Lines out;
  InputBuffer in;
  TextReader reader(rules);
  BlockBuilder builder(block_limit);
  const auto take = [&] {
    const Block block = builder.block();
    const std::uint8_t* p = block.data;
    for (std::uint64_t i = 0; i < block.count; ++i) {
      Event event;
      const char* why = nullptr;
      p = scan_event(p, block.data + block.size, {64u << 20, 0, 0, 0, 0}, event, why);
      out.bodies.emplace_back(event.body());
    }
    builder.clear();
  };
  std::size_t at = 0;
  for (;;) {
    const bool eof = at == text.size();
    const Result<bool> full = reader.read(in, eof, builder);
    EXPECT_TRUE(full.ok());
    take();
    if (*full) {
      continue;
    }
    if (eof) {
      break;
    }
    const std::size_t n = std::min(step, text.size() - at);
    in.append(std::string_view(text).substr(at, n));
    at += n;
  }
  out.long_lines = reader.long_lines();
  out.rejected = reader.rejected();
  return out;
}

using Bodies = std::vector<std::string>;

TEST(TextReader, OneEventALineAndTheLastMayLackItsNewline) {
  EXPECT_EQ((Bodies{"a", "", "b\r", "c"}), read_lines("a\n\nb\r\nc", {}, 3).bodies);
  EXPECT_EQ((Bodies{"a"}), read_lines("a\n", {}, 1).bodies);
  EXPECT_EQ(Bodies{}, read_lines("", {}, 1).bodies);
}

TEST(TextReader, CrlfAndDelimiterOptions) {
  LineRules rules;
  rules.strip_cr = true;
  for (const std::size_t step : {1U, 2U, 100U}) {
    EXPECT_EQ((Bodies{"a", "b\r", "c"}), read_lines("a\r\nb\r\r\nc", rules, step).bodies);
  }
  rules.delimiter = '\0';
  EXPECT_EQ((Bodies{"a\nb", "c"}), read_lines(std::string("a\nb\0c\0", 6), rules, 2).bodies);
}

TEST(TextReader, LongLinesAreSplitCutOrRejectedAndCounted) {
  LineRules rules;
  rules.max_line = 4;
  const std::string text = "abcd\nabcdefghij\nxy\nabcde";
  for (const std::size_t step : {1U, 3U, 100U}) {
    rules.long_line = LongLine::split;
    Lines out = read_lines(text, rules, step);
    EXPECT_EQ((Bodies{"abcd", "abcd", "efgh", "ij", "xy", "abcd", "e"}), out.bodies);
    EXPECT_EQ(2U, out.long_lines);
    rules.long_line = LongLine::truncate;
    out = read_lines(text, rules, step);
    EXPECT_EQ((Bodies{"abcd", "abcd", "xy", "abcd"}), out.bodies);
    rules.long_line = LongLine::reject;
    out = read_lines(text, rules, step);
    EXPECT_EQ((Bodies{"abcd", "xy"}), out.bodies);
    EXPECT_EQ(2U, out.rejected);
  }
}

TEST(TextReader, AnyChunkingGivesTheSameEvents) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    const std::size_t size = random() % 400;
    for (std::size_t i = 0; i < size; ++i) {
      text += "ab\r\n\n\r"[random() % 6];
    }
    LineRules rules;
    rules.max_line = static_cast<std::uint32_t>(1 + random() % 6);
    rules.strip_cr = random() % 2 == 0;
    rules.long_line = static_cast<LongLine>(random() % 3);
    const Lines whole = read_lines(text, rules, SIZE_MAX);
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, 1 + random() % 50}) {
      EXPECT_EQ(whole.bodies, read_lines(text, rules, step, 16).bodies) << "round " << round;
    }
  }
}

struct Kept {
  std::string head;
  std::uint64_t length;
  friend bool operator==(const Kept&, const Kept&) = default;
};

// What is kept of `text` read in these pieces; `bodies` are the events.
std::vector<Kept> kept_of(const std::vector<std::string_view>& pieces, const LineRules& rules,
                          std::size_t bound, Bodies& bodies) {
  std::vector<Kept> kept;
  TextReader reader(rules, RejectedLine(
                               [&](std::string_view head, std::uint64_t length) {
                                 kept.push_back({std::string(head), length});
                                 return Status();
                               },
                               bound));
  InputBuffer in;
  BlockBuilder builder;
  for (const std::string_view piece : pieces) {
    in.append(piece);
    EXPECT_FALSE(*reader.read(in, false, builder));
  }
  EXPECT_FALSE(*reader.read(in, true, builder));
  const Block block = builder.block();
  const std::uint8_t* p = block.data;
  for (std::uint64_t i = 0; i < block.count; ++i) {
    Event event;
    const char* why = nullptr;
    p = scan_event(p, block.data + block.size, {}, event, why);
    bodies.emplace_back(event.body());
  }
  EXPECT_EQ(reader.rejected(), 0U);
  EXPECT_EQ(reader.pending(), 0U);
  return kept;
}

TEST(TextReader, RejectedLinesAreKeptHoweverTheBytesAreCut) {
  const std::string text = "ab\r\nabcdefgh\r\nabc\r\r\nxyz\n\nabcd\r";
  LineRules rules;
  rules.max_line = 3;
  rules.long_line = LongLine::reject;
  for (const bool strip : {true, false}) {
    rules.strip_cr = strip;
    const std::vector<Kept> expected =
        strip ? std::vector<Kept>{{"abcde", 8}, {"abc\r", 4}, {"abcd\r", 5}}
              : std::vector<Kept>{{"abcde", 9}, {"abc\r\r", 5}, {"abcd\r", 5}};
    const Bodies events = strip ? Bodies{"ab", "xyz", ""} : Bodies{"ab\r", "xyz", ""};
    for (std::size_t first = 0; first <= text.size(); ++first) {
      for (std::size_t second = first; second <= text.size(); ++second) {
        const std::string_view all = text;
        Bodies bodies;
        EXPECT_EQ(
            kept_of({all.substr(0, first), all.substr(first, second - first), all.substr(second)},
                    rules, 5, bodies),
            expected)
            << first << " " << second;
        EXPECT_EQ(bodies, events) << first << " " << second;
      }
    }
  }
}

TEST(TextReader, ALineThatCannotBeKeptIsAnError) {
  LineRules rules;
  rules.max_line = 1;
  rules.long_line = LongLine::reject;
  TextReader reader(rules, RejectedLine(
                               [](std::string_view, std::uint64_t) {
                                 return Status(Error{ErrorClass::io, "full", {}});
                               },
                               10));
  InputBuffer in;
  BlockBuilder builder;
  in.append("abc");
  EXPECT_TRUE(reader.read(in, false, builder).ok());
  EXPECT_EQ(reader.pending(), 3U);
  EXPECT_EQ(reader.read(in, true, builder).error().kind, ErrorClass::io);
}

TEST(TextStart, RefusesControlCharacters) {
  EXPECT_TRUE(check_text_start("plain \t text\r\n\f \x1b[31m Grüße \xff", '\n').ok());
  EXPECT_FALSE(check_text_start(std::string_view("a\0b", 3), '\n').ok());
  EXPECT_FALSE(check_text_start("\x04", '\n').ok());
  EXPECT_TRUE(check_text_start("1\x01x\x02y\x03z\n", '\n').ok());  // Hive's separators
  EXPECT_FALSE(check_text_start("\x28\xb5\x2f\xfd", '\n').ok());   // zstd
  const std::string_view utf16("\xff\xfe\x31\0", 4);
  EXPECT_NE(check_text_start(utf16, '\n').error().hint.find("iconv"), std::string::npos);
  EXPECT_TRUE(check_text_start(std::string_view("a\0b", 3), '\0').ok());
}

}  // namespace
}  // namespace fl
