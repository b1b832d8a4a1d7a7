// A stream with every kind of damage: the reader reports it, never crashes, never waits forever,
// and never takes a damaged frame for a clean end.
//
// Not seen here, because codec null has no checksum: a flipped bit inside a body, a header's text
// or the metadata's values that mean nothing to a reader. Only the number of events must be right.
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "common/event/varint.h"
#include "tests/badinput/read_stream.h"

namespace fl {
namespace {

using test::read_stream;
using test::Reading;

std::string number(std::int64_t value) {
  std::uint8_t bytes[kMaxVarint];
  return {bytes, write_varint(bytes, value)};
}

std::string text(std::string_view bytes) {
  return number(static_cast<std::int64_t>(bytes.size())) + std::string(bytes);
}

Marker marker() {
  Marker bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(0x90 + i);
  }
  return bytes;
}

std::string marker_text() {
  const Marker bytes = marker();
  return {bytes.begin(), bytes.end()};
}

std::string header(const Metadata& metadata = event_metadata()) {
  return container_header(metadata, marker());
}

std::string block(std::int64_t count, const std::string& events) {
  return number(count) + text(events) + marker_text();
}

std::string deflated(const std::string& bytes) {
  std::string out(compressBound(bytes.size()), '\0');
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = bytes;
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// Events in all shapes, in blocks of 1 to 7, a little over 8 KiB.
std::string sample(std::size_t& events) {
  std::string stream = header(event_metadata({{"fl.version", "1"}, {"fl.stream", "00ff"}}));
  events = 0;
  for (std::int64_t count = 1; stream.size() < (8 << 10); count = count % 7 + 1) {
    std::string bytes;
    for (std::int64_t i = 0; i < count; ++i, ++events) {
      const Headers one{{"number", std::to_string(events)}};
      if (events % 3 == 1) {
        append_map_block(bytes, one);
      }
      if (events % 4 == 0) {
        bytes += number(2) + text("a") + text("1") + text("b") + text("");
      }
      append_event(bytes, events % 5 == 0 ? Headers{} : one, std::string(events % 90, 'x'));
    }
    stream += block(count, bytes);
  }
  return stream;
}

std::string sample() {
  std::size_t events = 0;
  return sample(events);
}

void expect_refused(const std::string& stream, const std::string& part = "") {
  const Reading reading = read_stream(stream);
  EXPECT_FALSE(reading.ok);
  EXPECT_EQ(reading.kind, ErrorClass::input) << reading.message;
  EXPECT_NE(reading.message.find(part), std::string::npos) << reading.message;
}

TEST(StreamDamage, CutAtEveryByteIsReportedUnlessBetweenBlocks) {
  const std::string stream = sample();
  const Reading whole = read_stream(stream);
  ASSERT_TRUE(whole.ok) << whole.message;
  std::size_t clean_ends = 0;
  for (std::size_t size = 0; size < stream.size(); ++size) {
    const Reading cut = read_stream(std::string_view(stream).substr(0, size), 1000);
    ASSERT_LE(cut.events.size(), whole.events.size()) << size;
    ASSERT_TRUE(std::equal(cut.events.begin(), cut.events.end(), whole.events.begin())) << size;
    if (cut.ok) {
      ++clean_ends;
      ASSERT_TRUE(size == 0 || stream.substr(size - 16, 16) == marker_text()) << size;
    } else {
      ASSERT_EQ(cut.kind, ErrorClass::input) << size;
    }
  }
  std::size_t markers = 0;
  for (std::size_t at = 0; (at = stream.find(marker_text(), at)) != std::string::npos; ++at) {
    ++markers;
  }
  EXPECT_EQ(clean_ends, markers);  // nothing at all, and after each marker but the last
}

TEST(StreamDamage, FlippedBitsNeverChangeTheNumberOfEventsUnnoticed) {
  std::size_t events = 0;
  std::string stream = sample(events);
  std::size_t noticed = 0;
  for (std::size_t bit = 0; bit < std::size_t{8} * 4096; ++bit) {
    const auto mask = static_cast<char>(1 << bit % 8);
    stream[bit / 8] = static_cast<char>(stream[bit / 8] ^ mask);
    const Reading reading = read_stream(stream);
    if (reading.ok) {
      ASSERT_EQ(reading.events.size(), events) << "bit " << bit;
    } else {
      ++noticed;
      ASSERT_EQ(reading.kind, ErrorClass::input) << "bit " << bit;
      ASSERT_LT(reading.events.size(), events) << "bit " << bit;
    }
    stream[bit / 8] = static_cast<char>(stream[bit / 8] ^ mask);
  }
  EXPECT_GT(noticed, 8u * 1000u);
}

TEST(StreamDamage, FlippedBitsInMarkersCountsAndSizesAreAllNoticed) {
  std::string events;
  append_event(events, {{"k", "v"}}, "body");
  const std::string stream = header() + block(1, events) + block(1, events);
  const std::size_t block_size = block(1, events).size();
  const std::size_t first = stream.size() - 2 * block_size;
  for (std::size_t at = first - 16; at < stream.size(); ++at) {
    const std::size_t in_block = at < first ? block_size : (at - first) % block_size;
    if (in_block >= 2 && in_block < 2 + events.size()) {
      continue;
    }
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = stream;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_FALSE(read_stream(damaged).ok) << "byte " << at << " bit " << bit;
    }
  }
}

TEST(StreamDamage, TheSameBytesGiveTheSameEventsInAnyPieces) {
  const std::string stream = sample() + sample() + header(event_metadata()) + sample();
  const Reading whole = read_stream(stream);
  ASSERT_TRUE(whole.ok) << whole.message;
  for (const std::size_t step : {1u, 2u, 3u, 7u, 16u, 17u, 333u, 4096u}) {
    const Reading pieces = read_stream(stream, step);
    EXPECT_TRUE(pieces.ok) << pieces.message;
    EXPECT_EQ(pieces.events, whole.events) << step;
    EXPECT_EQ(pieces.streams, 4u);
  }
}

TEST(StreamDamage, HostileBlockCountsAndSizesAreRefused) {
  std::string event;
  append_event(event, {}, "x");
  const std::int64_t huge = std::int64_t{1} << 62;
  for (const std::int64_t size :
       {std::int64_t{-1}, huge, INT64_MAX, INT64_MIN, std::int64_t{17 << 20}}) {
    expect_refused(header() + number(1) + number(size) + event + marker_text());
  }
  for (const std::int64_t count :
       {std::int64_t{-1}, std::int64_t{2}, std::int64_t{1000}, huge, INT64_MAX, INT64_MIN}) {
    expect_refused(header() + number(count) + text(event) + marker_text());
  }
  expect_refused(header() + block(0, event));
  expect_refused(header() + std::string(11, '\xff'));
  expect_refused(header() + number(1) + std::string(11, '\x80'));
  expect_refused(header() + std::string(9, '\xff') + '\x02' + text(event) + marker_text());
}

TEST(StreamDamage, HostileLengthsInsideEventsAreRefused) {
  const std::int64_t huge = std::int64_t{1} << 61;
  const auto refused = [](const std::string& event) {
    expect_refused(header() + block(1, event + std::string(64, '\0')));
  };
  for (const std::int64_t n :
       {std::int64_t{-1}, huge, INT64_MAX, INT64_MIN, std::int64_t{1} << 20}) {
    refused(number(0) + number(n));                             // body
    refused(number(1) + number(n) + "k");                       // name
    refused(number(1) + text("k") + number(n));                 // value
    refused(number(-1) + number(n) + text("k") + text("v"));    // size of a map block
    refused(number(n == -1 ? 65 : n) + text("k") + text("v"));  // count of a map block
  }
  refused(number(-1) + number(3) + text("k") + text("v") + number(0) + text(""));  // size too small
  refused(number(-1) + number(5) + text("k") + text("v") + number(0) + text(""));  // and too large
  refused(number(0) + std::string(11, '\xff'));
}

TEST(StreamDamage, LimitsOfEventsHold) {
  const auto with = [](const Headers& headers, std::size_t body) {
    std::string event;
    append_event(event, headers, std::string(body, 'b'));
    return read_stream(header() + block(1, event)).ok;
  };
  EXPECT_TRUE(with({}, 1 << 20));
  EXPECT_FALSE(with({}, (1 << 20) + 1));
  EXPECT_TRUE(with({{std::string(256, 'n'), std::string(4096, 'v')}}, 0));
  EXPECT_FALSE(with({{std::string(257, 'n'), ""}}, 0));
  EXPECT_FALSE(with({{"n", std::string(4097, 'v')}}, 0));
  Headers many;
  for (int i = 0; i < 64; ++i) {
    many.emplace_back(std::to_string(i), "v");
  }
  EXPECT_TRUE(with(many, 0));
  many.emplace_back("one", "more");
  EXPECT_FALSE(with(many, 0));
  EXPECT_FALSE(with(Headers(20, {"n", std::string(4000, 'v')}), 0));  // 80 KB together
}

TEST(StreamDamage, HostileHeadersAreRefused) {
  const std::int64_t huge = std::int64_t{1} << 60;
  const std::string magic(kMagic);
  expect_refused("Obj\2" + header().substr(4));
  expect_refused(magic + number(1) + number(huge));
  expect_refused(magic + number(1) + number(-1));
  expect_refused(magic + number(1) + text("k") + number(huge));
  expect_refused(magic + number(INT64_MIN) + number(-5));
  expect_refused(magic + std::string(11, '\xff'));
  expect_refused(magic + number(1) + text("avro.schema") + text(kEventSchema));  // and no more
  expect_refused(container_header({{"avro.codec", "null"}}, marker()));
  expect_refused(container_header({{"avro.schema", "{"}}, marker()));
  expect_refused(container_header({{"avro.schema", std::string(100'000, '[')}}, marker()));
  expect_refused(container_header({{"avro.schema", std::string(600'000, ' ')}}, marker()));
}

TEST(StreamDamage, AnEndlessHeaderIsGivenUp) {
  // Never ends, never exceeds a single limit: only the sum does.
  std::string stream(kMagic);
  while (stream.size() < (2 << 20)) {
    stream += number(1) + text("k") + text(std::string(1000, 'v'));
  }
  const Reading reading = read_stream(stream, 65536);
  EXPECT_FALSE(reading.ok);
  EXPECT_EQ(reading.kind, ErrorClass::input);
}

TEST(StreamDamage, AnotherSchemaIsRefusedAndTheDoorIsNamed) {
  const std::string schema =
      R"({"type":"record","name":"Trade","fields":[{"name":"price","type":"double"}]})";
  InputBuffer in;
  in.append(container_header({{"avro.schema", schema}}, marker()));
  StreamReader reader({});
  const Result<StreamReader::Item> item = reader.next(in, true);
  ASSERT_FALSE(item.ok());
  EXPECT_EQ(item.error().kind, ErrorClass::input);
  EXPECT_NE(item.error().message.find("'Trade'"), std::string::npos) << item.error().message;
  EXPECT_NE(item.error().hint.find("avrocat FILE | fl-source stdin"), std::string::npos);
}

TEST(StreamDamage, AnotherCodecIsRefusedAndNamed) {
  for (const std::string codec : {"zstd", "lzma", "gzip", "Null", "null "}) {
    expect_refused(header({{"avro.schema", std::string(kEventSchema)}, {"avro.codec", codec}}),
                   "'" + codec + "'");
  }
}

TEST(StreamDamage, ManyEmptyBlocksNeedNoStack) {
  std::string stream = header();
  for (int i = 0; i < 200'000; ++i) {
    stream += block(0, "");
  }
  std::string event;
  append_event(event, {}, "last");
  const Reading reading = read_stream(stream + block(1, event));
  EXPECT_TRUE(reading.ok) << reading.message;
  EXPECT_EQ(reading.events, std::vector<std::string>{"last"});
}

TEST(StreamDamage, DeflatedBlocksAreBounded) {
  const std::string start =
      header({{"avro.schema", std::string(kEventSchema)}, {"avro.codec", "deflate"}});
  std::string event;
  append_event(event, {}, "packed");
  EXPECT_TRUE(read_stream(start + block(1, deflated(event))).ok);

  std::string bomb;
  append_event(bomb, {}, std::string(1 << 20, '\0'));
  while (bomb.size() < (32 << 20)) {
    bomb += bomb;
  }
  expect_refused(start + block(32, deflated(bomb)), "limit");              // ratio 1000
  EXPECT_TRUE(read_stream(start + block(1, deflated(event) + "abc")).ok);  // Python's checksum
  expect_refused(start + block(1, deflated(event) + "12345"), "damaged");
  const std::string cut = deflated(event).substr(0, 3);
  expect_refused(start + block(1, cut), "damaged");
  expect_refused(start + block(1, "not deflate at all"), "damaged");
  expect_refused(start + block(INT64_MAX, deflated(event)));
  expect_refused(start + block(1, ""), "damaged");
}

TEST(StreamDamage, RandomDamageNeverCrashes) {
  const std::string start =
      header({{"avro.schema", std::string(kEventSchema)}, {"avro.codec", "deflate"}});
  std::string event;
  append_event(event, {{"key", "value"}}, std::string(500, 'x'));
  const std::string originals[] = {sample(), start + block(1, deflated(event)) + sample()};
  std::mt19937 random(20240229);
  for (int round = 0; round < 20'000; ++round) {
    std::string stream = originals[round % 2].substr(0, 200 + random() % 2000);
    for (std::size_t edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % stream.size();
      switch (random() % 4) {
        case 0:
          stream[at] = static_cast<char>(random());
          break;
        case 1:
          stream.erase(at, random() % 20);
          break;
        case 2:
          stream.insert(
              at, number(static_cast<std::int64_t>(std::uint64_t{random()} << random() % 33)));
          break;
        default:
          stream.insert(at, stream.substr(random() % stream.size(), random() % 40));
          break;
      }
      if (stream.empty()) {
        stream = "O";
      }
    }
    const Reading reading = read_stream(stream, 1 + random() % 3000);
    ASSERT_TRUE(reading.ok || reading.kind == ErrorClass::input) << reading.message;
  }
}

}  // namespace
}  // namespace fl
