// Text input: the same bytes give the same events in any pieces and any size of block; no event is
// longer than its limit; nothing is lost or invented.
// Input: 5 bytes of rules, then the text.
#include <string>
#include <string_view>
#include <vector>

#include "common/event/event.h"
#include "common/stream/text_reader.h"
#include "tests/fuzz/check.h"

namespace {

using fl::fuzz::check;

struct Reading {
  std::vector<std::string> lines;
  std::uint64_t long_lines = 0;
  std::uint64_t rejected = 0;
  friend bool operator==(const Reading&, const Reading&) = default;
};

void take(fl::BlockBuilder& out, Reading& reading) {
  const fl::Block block = out.block();
  const std::uint8_t* p = block.data;
  const std::uint8_t* const end = p + block.size;
  for (std::uint64_t i = 0; i < block.count; ++i) {
    fl::Event event;
    const char* why = "";
    p = fl::scan_event(p, end, {}, event, why);
    check(p != nullptr, "a block that we made can be read");
    check(!event.has_headers(), "a line has no headers");
    reading.lines.emplace_back(event.body());
  }
  check(p == end, "a block that we made has no bytes left");
  out.clear();
}

Reading read(std::string_view text, const fl::LineRules& rules, std::size_t step,
             std::size_t block_limit) {
  Reading reading;
  fl::InputBuffer in;
  fl::TextReader reader(rules);
  fl::BlockBuilder out(block_limit);
  for (bool eof = false; !eof;) {
    const std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    eof = text.empty();
    in.append(piece);
    while (*reader.read(in, eof, out)) {
      check(!out.empty(), "a full block has an event");
      take(out, reading);
    }
    take(out, reading);
  }
  check(in.size() == 0, "all of the input is used");
  reading.long_lines = reader.long_lines();
  reading.rejected = reader.rejected();
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) {
    return 0;
  }
  fl::LineRules rules;
  rules.delimiter = data[0] < 200 ? '\n' : static_cast<char>(data[0]);
  rules.max_line = data[1] + 1u;
  rules.long_line = static_cast<fl::LongLine>(data[2] % 3);
  rules.strip_cr = (data[2] & 4) != 0;
  const std::size_t step = data[3] + 1u;
  const std::size_t block_limit = 1 + std::size_t{data[4]} * 8;
  const std::string_view text(reinterpret_cast<const char*>(data) + 5, size - 5);

  const Reading whole = read(text, rules, SIZE_MAX, 64 << 10);
  check(whole == read(text, rules, step, block_limit), "pieces and blocks change nothing");
  check(whole == read(text, rules, 1, 1), "single bytes change nothing");

  std::size_t bytes = 0;
  for (const std::string& line : whole.lines) {
    check(line.size() <= rules.max_line, "no line is longer than its limit");
    check(line.find(rules.delimiter) == std::string::npos, "no line holds a delimiter");
    bytes += line.size();
  }
  std::size_t delimiters = 0;
  for (const char c : text) {
    delimiters += c == rules.delimiter ? 1u : 0u;
  }
  if (rules.long_line == fl::LongLine::split && !rules.strip_cr) {
    check(bytes + delimiters == text.size(), "every byte is in a line or is a delimiter");
  } else {
    check(bytes + delimiters <= text.size(), "no byte is invented");
  }
  const std::size_t in_text = delimiters + (text.empty() || text.back() == rules.delimiter ? 0 : 1);
  if (rules.long_line == fl::LongLine::truncate) {
    check(whole.lines.size() == in_text, "each line is one event");
  } else if (rules.long_line == fl::LongLine::reject) {
    check(whole.lines.size() + whole.rejected == in_text, "each line is an event or rejected");
  } else {
    check(whole.lines.size() >= in_text, "each line is at least one event");
  }
  return 0;
}
