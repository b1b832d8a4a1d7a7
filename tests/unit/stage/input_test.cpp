// An input on a real pipe or file: what it makes of bytes however they arrive.
#include "common/stage/input.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/numbered_events.h"
#include "tests/support/stage_process.h"
#include "tests/support/written_stream.h"

namespace fl {
namespace {

using test::stream_block;
using test::stream_header;
using Got = Input::Got;

class InputTest : public testing::Test {
 protected:
  Input& open(Input::Form form = Input::Form::unknown) {
    Input::Settings settings;
    settings.form = form;
    input_.emplace(std::move(pipe_.read), "stdin", settings);
    return *input_;
  }
  void write(const std::string& bytes) { test::write_all(pipe_.write.get(), bytes); }
  void end() { pipe_.write.reset(); }

  test::Pipe pipe_ = test::make_pipe();
  std::optional<Input> input_;
};

TEST_F(InputTest, NothingYetIsNothing) {
  EXPECT_EQ(*open().next(), Got::nothing);
  EXPECT_FALSE(input_->saw_bytes());
  EXPECT_TRUE(input_->is_pipe());
  end();
  EXPECT_EQ(*input_->next(), Got::end);
}

TEST_F(InputTest, TextIsRecognisedAtItsFirstLine) {
  Input& input = open();
  write("Ob");  // may become a stream
  EXPECT_EQ(*input.next(), Got::nothing);
  EXPECT_EQ(input.form(), Input::Form::unknown);
  write("server\n7\n");
  EXPECT_EQ(*input.next(), Got::text);
  EXPECT_EQ(*input.next(), Got::block);
  EXPECT_EQ(input.block().count, 2U);
  EXPECT_EQ(input.batch().size(), 2U);
  EXPECT_EQ(input.batch()[0].body(), "Observer");
  EXPECT_EQ(*input.next(), Got::nothing);
  write("8");  // without its newline
  EXPECT_EQ(*input.next(), Got::nothing);
  EXPECT_TRUE(input.has_more());
  end();
  EXPECT_EQ(*input.next(), Got::block);
  EXPECT_EQ(numbers_of(input.block()), (Numbers{8}));
  EXPECT_EQ(*input.next(), Got::end);
  EXPECT_EQ(input.bytes_read(), 12U);
}

// Of the verdict on text near its start. Cut anywhere: at once, in single bytes, in sevens.
TEST_F(InputTest, TheVerdictDoesNotDependOnHowBytesWereCut) {
  const std::string nul(1, '\0');
  const std::vector<std::pair<std::string, bool>> cases = {
      {"abcdefgh" + nul + "x\n", false},
      {"a\nb\nc\n" + nul + "\n", false},
      {"abcdefghijk\n\x04", false},
      {"a\x01"
       "b\x02"
       "c\n",
       true},
      {std::string(kCheckedText, 'x') + "\n" + nul + "\n", true},
      {std::string(kCheckedText - 1, 'x') + nul + "\n", false},
  };
  for (const auto& [bytes, is_text] : cases) {
    for (const std::size_t size : {bytes.size(), std::size_t{1}, std::size_t{7}}) {
      pipe_ = test::make_pipe();
      Input& input = open();
      bool refused = false;
      const auto read = [&] {
        while (!refused) {
          const Result<Got> got = input.next();
          refused = !got;
          if (!got || *got == Got::nothing || *got == Got::end) {
            return;
          }
        }
      };
      for (std::size_t at = 0; at < bytes.size(); at += size) {
        write(bytes.substr(at, size));
        read();
      }
      end();
      read();
      EXPECT_EQ(!refused, is_text) << bytes.substr(0, 12) << " by " << size;
    }
  }
}

TEST_F(InputTest, AStreamInSingleBytesGivesTheSameItems) {
  Input& input = open();
  const std::string bytes = stream_header() + stream_block(0, 3) + stream_block(3, 5);
  Numbers numbers;
  std::size_t headers = 0;
  for (const char byte : bytes) {
    write(std::string(1, byte));
    for (Got got = *input.next(); got != Got::nothing; got = *input.next()) {
      headers += got == Got::header ? 1U : 0U;
      if (got == Got::block) {
        const Numbers more = numbers_of(input.block());
        numbers.insert(numbers.end(), more.begin(), more.end());
      }
    }
  }
  end();
  EXPECT_EQ(*input.next(), Got::end);
  EXPECT_EQ(headers, 1U);
  EXPECT_EQ(numbers, (Numbers{0, 1, 2, 3, 4}));
}

TEST_F(InputTest, AStreamThatIsCutInItsLastBlockGivesTheBlocksBeforeIt) {
  Input& input = open();
  std::string bytes = stream_header() + stream_block(0, 2) + stream_block(2, 4);
  bytes.resize(bytes.size() - 9);
  write(bytes);
  end();
  EXPECT_EQ(*input.next(), Got::header);
  EXPECT_EQ(*input.next(), Got::block);
  EXPECT_EQ(numbers_of(input.block()), (Numbers{0, 1}));
  const Result<Got> cut = input.next();
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().kind, ErrorClass::input);
  EXPECT_TRUE(input.was_cut());
}

TEST_F(InputTest, DamageIsNotACut) {
  Input& input = open();
  std::string bytes = stream_header() + stream_block(0, 2);
  bytes.back() = static_cast<char>(bytes.back() + 1);  // the marker
  write(bytes + stream_block(2, 4));
  EXPECT_EQ(*input.next(), Got::header);
  const Result<Got> damaged = input.next();
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().kind, ErrorClass::input);
  EXPECT_FALSE(input.was_cut());
}

TEST_F(InputTest, BinaryThatIsNoStreamIsRefused) {
  write(std::string("\0\1\2\3binary", 10));
  const Result<Got> got = open().next();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, ErrorClass::input);
}

TEST_F(InputTest, AsTextAStreamIsText) {
  write("Obj\1 is only the beginning\n");
  EXPECT_EQ(*open(Input::Form::text).next(), Got::text);
  EXPECT_EQ(*input_->next(), Got::block);
}

}  // namespace
}  // namespace fl
