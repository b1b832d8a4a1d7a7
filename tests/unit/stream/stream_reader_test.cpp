#include "common/stream/stream_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "common/event/varint.h"

namespace fl {
namespace {

std::string frame(const std::string& events, std::uint64_t count, const Marker& marker) {
  std::string memory(Block::kBefore, '\0');
  memory += events;
  memory.append(Block::kAfter, '\0');
  Block block{reinterpret_cast<std::uint8_t*>(memory.data()) + Block::kBefore, events.size(),
              count};
  return std::string(frame_block(block, marker));
}

std::string event(std::string_view body, const Headers& headers = {}) {
  std::string out;
  append_event(out, headers, body);
  return out;
}

const Marker kMarker = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

std::string header(const Metadata& metadata = event_metadata()) {
  return container_header(metadata, kMarker);
}

struct Outcome {
  std::vector<std::string> bodies;
  int streams = 0;
  std::string error;
  bool ended = false;
};

// Feeds `bytes` in steps of `step` and collects everything.
Outcome read_all(const std::string& bytes, std::size_t step = SIZE_MAX, EventLimits limits = {}) {
  Outcome out;
  InputBuffer in;
  StreamReader reader(limits);
  std::size_t at = 0;
  for (int guard = 0; guard < 1'000'000; ++guard) {
    Result<StreamReader::Item> item = reader.next(in, at == bytes.size());
    if (!item) {
      out.error = item.error().message;
      EXPECT_EQ(ErrorClass::input, item.error().kind);
      return out;
    }
    switch (*item) {
      case StreamReader::Item::header:
        ++out.streams;
        break;
      case StreamReader::Item::block:
        for (std::size_t i = 0; i < reader.batch().size(); ++i) {
          out.bodies.emplace_back(reader.batch()[i].body());
        }
        break;
      case StreamReader::Item::end:
        out.ended = true;
        return out;
      case StreamReader::Item::need_more: {
        const std::size_t n = std::min(step, bytes.size() - at);
        in.append(std::string_view(bytes).substr(at, n));
        at += n;
      }
    }
  }
  ADD_FAILURE() << "never ends";
  return out;
}

TEST(StreamReader, ReadsBlocksInAnyChunking) {
  const std::string bytes = header() +
                            frame(event("one") + event("two", {{"k", "v"}}), 2, kMarker) +
                            frame(event("three"), 1, kMarker);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{64}, SIZE_MAX}) {
    const Outcome out = read_all(bytes, step);
    EXPECT_EQ((std::vector<std::string>{"one", "two", "three"}), out.bodies) << step;
    EXPECT_TRUE(out.ended);
  }
}

TEST(StreamReader, ReadsStreamsOneAfterTheOther) {
  const std::string one = header() + frame(event("a"), 1, kMarker);
  const Outcome out = read_all(one + header() + one, 5);
  EXPECT_EQ(3, out.streams);
  EXPECT_EQ((std::vector<std::string>{"a", "a"}), out.bodies);
  EXPECT_TRUE(out.ended);
}

TEST(StreamReader, CutAtEveryByteKeepsWholeBlocksAndTellsTheRest) {
  const std::string first = header() + frame(event("one"), 1, kMarker);
  const std::string bytes = first + frame(event("two"), 1, kMarker);
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const Outcome out = read_all(bytes.substr(0, size));
    const bool boundary = size == header().size() || size == first.size();
    EXPECT_EQ(boundary, out.ended) << size;
    EXPECT_EQ(boundary, out.error.empty()) << size;
    EXPECT_EQ(size >= first.size() ? 1U : 0U, out.bodies.size()) << size;
  }
}

TEST(StreamReader, EveryFlippedBitIsToldOrHarmless) {
  const std::string bytes = header() + frame(event("one", {{"k", "v"}}) + event("two"), 2, kMarker);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string wrong = bytes;
    wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ (1 << (bit % 8)));
    const Outcome out = read_all(wrong, 11);
    // A bit inside a body, key or value passes (codec null has no checksum); the count cannot.
    if (out.error.empty()) {
      EXPECT_EQ(2U, out.bodies.size()) << bit;
    }
  }
}

TEST(StreamReader, ReadsForeignHeaders) {
  // Metadata in another order, in a block with its byte size, schema by meaning, two map blocks.
  const std::string schema =
      R"({ "fields": [ {"name":"headers","type":{"values":{"type":"string","avro.java.string":"String"},"type":"map"}},
           {"doc":"x","name":"body","type":"bytes"} ], "namespace":"org.apache.flume", "name":"Event", "type":"record" })";
  std::string bytes(kMagic);
  const auto number = [&](std::int64_t n) {
    std::uint8_t out[kMaxVarint];
    bytes.append(reinterpret_cast<const char*>(out),
                 static_cast<std::size_t>(write_varint(out, n) - out));
  };
  const auto text = [&](std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes += value;
  };
  number(-1);
  number(12);
  text("avro.codec");
  text("null");
  number(1);
  text("avro.schema");
  text(schema);
  number(0);
  bytes.append(reinterpret_cast<const char*>(kMarker.data()), 16);
  const Outcome out = read_all(bytes + frame(event("x"), 1, kMarker));
  EXPECT_EQ("", out.error);
  EXPECT_EQ((std::vector<std::string>{"x"}), out.bodies);
}

TEST(StreamReader, ABlockWithoutEventsIsPassedOver) {
  std::string bytes = header();
  for (int i = 0; i < 100'000; ++i) {
    bytes += frame("", 0, kMarker);
  }
  const Outcome out = read_all(bytes + frame(event("x"), 1, kMarker));
  EXPECT_EQ("", out.error);
  EXPECT_EQ(1U, out.bodies.size());
}

TEST(StreamReader, AnotherSchemaNamesTheDoor) {
  Metadata metadata{{"avro.schema", R"({"type":"record","name":"User","fields":[]})"}};
  InputBuffer in;
  in.append(header(metadata));
  StreamReader reader({});
  const auto item = reader.next(in, false);
  ASSERT_FALSE(item.ok());
  EXPECT_NE(std::string::npos, item.error().message.find("User"));
  EXPECT_NE(std::string::npos, item.error().hint.find("avrocat FILE | fl-source stdin"));
}

TEST(StreamReader, AnUnknownCodecIsNamed) {
  Metadata metadata{{"avro.schema", std::string(kEventSchema)}, {"avro.codec", "lzma"}};
  EXPECT_NE(std::string::npos, read_all(header(metadata)).error.find("lzma"));
}

std::string deflated(const std::string& data) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  std::string out(data.size() + 1000, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

TEST(StreamReader, ReadsDeflate) {
  Metadata metadata{{"avro.schema", std::string(kEventSchema)}, {"avro.codec", "deflate"}};
  std::string events;
  for (int i = 0; i < 3000; ++i) {
    events += event("line number " + std::to_string(i));
  }
  const Outcome out = read_all(header(metadata) + frame(deflated(events), 3000, kMarker), 100);
  EXPECT_EQ("", out.error);
  ASSERT_EQ(3000U, out.bodies.size());
  EXPECT_EQ("line number 2999", out.bodies.back());
}

TEST(StreamReader, ADeflateBombIsRefused) {
  Metadata metadata{{"avro.schema", std::string(kEventSchema)}, {"avro.codec", "deflate"}};
  const std::string bomb = deflated(std::string(32 << 20, '\0'));
  ASSERT_LT(bomb.size(), 64U << 10);
  EXPECT_NE(std::string::npos,
            read_all(header(metadata) + frame(bomb, 16 << 20, kMarker)).error.find("limit"));
}

TEST(StreamReader, HostileCountsAndSizesAreRefusedWithoutMemory) {
  for (const std::int64_t n : {INT64_MAX, std::int64_t{-1}, INT64_MIN, std::int64_t{1} << 33}) {
    std::uint8_t out[2 * kMaxVarint];
    std::uint8_t* end = write_varint(out, n);
    end = write_varint(end, 10);
    const std::string count(reinterpret_cast<char*>(out), static_cast<std::size_t>(end - out));
    EXPECT_NE("", read_all(header() + count + std::string(26, 'x')).error) << n;
    end = write_varint(out, 1);
    end = write_varint(end, n);
    const std::string size(reinterpret_cast<char*>(out), static_cast<std::size_t>(end - out));
    EXPECT_NE("", read_all(header() + size + std::string(26, 'x')).error) << n;
  }
}

TEST(StreamReader, EnteredInMidStreamIsNotAStream) {
  const std::string bytes = header() + frame(event("one"), 1, kMarker);
  EXPECT_NE("", read_all(bytes.substr(20)).error);
}

TEST(InputBuffer, KeepsItsGapsAndItsBytes) {
  InputBuffer in;
  std::string all;
  std::string seen;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(static_cast<std::size_t>(i * 7 % 1500),
                            static_cast<char>('a' + i % 26));
    all += piece;
    in.append(piece);
    const std::size_t n = in.size() / 2;
    seen += in.view().substr(0, n);
    in.consume(n);
    // The gap may be overwritten, as an output frame does.
    std::fill(in.data() - Block::kBefore, in.data(), std::uint8_t{0xEE});
  }
  seen += in.view();
  EXPECT_EQ(all, seen);
}

}  // namespace
}  // namespace fl
