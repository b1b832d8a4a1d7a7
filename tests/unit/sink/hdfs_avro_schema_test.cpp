// Schemas from outside: what is a schema, what is one datum of it, and where a schema may come
// from. Property: serializer (org.apache.flume.sink.hdfs.AvroEventSerializer$Builder),
// serializer.schemaURL
#include "tools/fl-sink/hdfs/avro_schema.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "common/event/varint.h"
#include "tests/unit/sink/hdfs_test_help.h"
#include "tools/fl-sink/avro_container.h"
#include "tools/fl-sink/hdfs/schema_source.h"

namespace fl {
namespace {

constexpr const char* kUser =
    R"({"type":"record","name":"User","fields":[{"name":"id","type":"long"},)"
    R"({"name":"name","type":["null","string"]}]})";
constexpr const char* kPoint =
    R"({"type":"record","name":"Point","fields":[{"name":"x","type":"int"}]})";

std::string user(std::int64_t id, const std::string& name) {
  std::string out;
  append_varint(out, id);
  append_varint(out, 1);
  append_sized(out, name);
  return out;
}

bool is_datum(const std::string& schema, const std::string& bytes) {
  const Result<AvroSchema> parsed = AvroSchema::parse(schema);
  EXPECT_TRUE(parsed) << schema;
  return parsed && parsed->is_datum(bytes);
}

TEST(AvroSchema, TextLosesOnlyBlanks) {
  const auto schema = AvroSchema::parse("{ \"type\" : \"string\",\n\t\"doc\":\"a \\\" { b\" }");
  ASSERT_TRUE(schema);
  EXPECT_EQ(schema->text(), "{\"type\":\"string\",\"doc\":\"a \\\" { b\"}");
}

TEST(AvroSchema, WhatIsNoSchemaIsRefused) {
  for (
      const char* const text :
      {"", "{", "\"strin\"", "17", "null", "[]", "{}", "[[\"null\"]]", R"({"type":"array"})",
       R"({"type":"map","values":"nothing"})", R"({"type":"record","name":"a"})",
       R"({"type":"record","fields":[]})", R"({"type":"record","name":"a b","fields":[]})",
       R"({"type":"record","name":"a","fields":[{"name":"x"}]})",
       R"({"type":"record","name":"a","fields":[{"name":"x","type":"int"},{"name":"x","type":"int"}]})",
       R"({"type":"enum","name":"e","symbols":[]})", R"({"type":"fixed","name":"f","size":-1})",
       R"([{"type":"fixed","name":"f","size":1},{"type":"fixed","name":"f","size":2}])"}) {
    const auto schema = AvroSchema::parse(text);
    ASSERT_FALSE(schema) << text;
    EXPECT_EQ(schema.error().kind, ErrorClass::input);
  }
  EXPECT_FALSE(AvroSchema::parse("\"string\"" + std::string(AvroSchema::kMaxBytes, ' ')));
  std::string deep;
  for (int i = 0; i < 5000; ++i) {
    deep += R"({"type":"array","items":)";
  }
  EXPECT_FALSE(AvroSchema::parse(deep + "\"int\"" + std::string(5000, '}')));
}

TEST(AvroSchema, ADatumIsRightToTheByte) {
  struct Case {
    const char* schema;
    std::string datum;
  };
  const std::string list = R"({"type":"record","name":"n.L","fields":[{"name":"v","type":"int"},)"
                           R"({"name":"next","type":["null","L"]}]})";
  const std::vector<Case> cases = {
      {R"("boolean")", std::string("\1", 1)},
      {R"("int")", "\x54"},
      {R"("float")", "abcd"},
      {R"("double")", "abcdefgh"},
      {R"("string")",
       "\x06"
       "abc"},
      {R"({"type":"bytes","logicalType":"decimal","precision":4})",
       "\x02"
       "a"},
      {R"({"type":"fixed","name":"f","size":3})", "abc"},
      {R"({"type":"enum","name":"e","symbols":["A","B"]})", "\x02"},
      {R"({"type":"array","items":"int"})", std::string("\x04\x02\x04\0", 4)},
      {R"({"type":"array","items":"int"})", std::string("\x03\x04\x02\x04\0", 5)},
      {R"({"type":"map","values":"int"})", std::string("\x02\x02k\x04\0", 5)},
      {kUser, user(7, "eva")},
      {list.c_str(), std::string("\x02\x02\x04\0", 4)},
  };
  for (const Case& one : cases) {
    EXPECT_TRUE(is_datum(one.schema, one.datum)) << one.schema;
    EXPECT_FALSE(is_datum(one.schema, one.datum + "x")) << one.schema << ", a byte more";
    for (std::size_t size = 0; size < one.datum.size(); ++size) {
      EXPECT_FALSE(is_datum(one.schema, one.datum.substr(0, size))) << one.schema << ' ' << size;
    }
  }
  EXPECT_TRUE(is_datum(R"("null")", ""));
}

TEST(AvroSchema, HostileBytesAreNoDatum) {
  EXPECT_FALSE(is_datum(R"("boolean")", "\x02"));
  EXPECT_FALSE(is_datum(R"("int")", "\xfe\xff\xff\xff\x1f"));
  EXPECT_FALSE(is_datum(R"("string")", "\x01"));
  EXPECT_FALSE(is_datum(R"("bytes")", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  EXPECT_FALSE(is_datum(R"(["null","int"])", "\x04"));
  EXPECT_FALSE(is_datum(R"({"type":"enum","name":"e","symbols":["A"]})", "\x02"));
  // 2^62 items without bytes.
  std::string many;
  append_varint(many, INT64_MAX / 2);
  EXPECT_FALSE(is_datum(R"({"type":"array","items":"null"})", many + '\0'));
  // A block whose byte size is a lie.
  EXPECT_FALSE(is_datum(R"({"type":"array","items":"int"})", std::string("\x03\x06\x02\x04\0", 5)));
  // A list that goes deeper than anybody's stack.
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += "\x02\x02";
  }
  EXPECT_FALSE(is_datum(R"({"type":"record","name":"L","fields":[{"name":"v","type":"int"},)"
                        R"({"name":"next","type":["null","L"]}]})",
                        deep + std::string("\x02\0", 2)));
}

// One event with the headers, asked for its schema.
Result<std::shared_ptr<const AvroSchema>> found(SchemaSource& source, const Headers& headers) {
  Events events;
  return source.find(events.add("x", headers).batch()[0]);
}

SerializerOptions schema_options(const std::string& url, const std::string& dir) {
  SerializerOptions options;
  options.name = "avro_schema";
  options.schema_url = url;
  options.schema_dir = dir;
  return options;
}

// Property: serializer.schemaURL
TEST(SchemaSource, UrlThenLiteralThenOption) {
  const ScratchDir dir;
  std::filesystem::create_directory(dir / "schemas");
  std::ofstream(dir / "schemas/user.avsc") << kUser;
  std::ofstream(dir / "point.avsc") << kPoint;
  auto source = SchemaSource::make(schema_options(dir / "point.avsc", dir / "schemas/"));
  ASSERT_TRUE(source) << source.error().message;
  const std::string url = "file://" + dir / "schemas/user.avsc";
  const auto by_url =
      found(*source, {{"flume.avro.schema.url", url}, {"flume.avro.schema.literal", "\"int\""}});
  ASSERT_TRUE(by_url) << by_url.error().message;
  EXPECT_EQ((*by_url)->text(), kUser);
  const auto relative = found(*source, {{"flume.avro.schema.url", "user.avsc"}});
  ASSERT_TRUE(relative);
  EXPECT_EQ((*relative)->text(), kUser);
  const auto literal = found(*source, {{"flume.avro.schema.literal", "\"int\""}});
  ASSERT_TRUE(literal);
  EXPECT_EQ((*literal)->text(), "\"int\"");
  const auto fixed = found(*source, {});
  ASSERT_TRUE(fixed);
  EXPECT_EQ((*fixed)->text(), kPoint);
  const auto same = found(*source, {{"flume.avro.schema.url", dir / "point.avsc"}});
  ASSERT_TRUE(same) << "the operator's own URL";
}

TEST(SchemaSource, ARelativeDirectoryIsBelowTheWorkingDirectory) {
  const ScratchDir dir;
  std::filesystem::create_directory(dir / "schemas");
  std::ofstream(dir / "schemas/user.avsc") << kUser;
  std::ofstream(dir / "secret.avsc") << kUser;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  auto source = SchemaSource::make(schema_options("", "./schemas"));
  std::filesystem::current_path(before);
  ASSERT_TRUE(source);
  EXPECT_TRUE(found(*source, {{"flume.avro.schema.url", "file://" + dir / "schemas/user.avsc"}}));
  EXPECT_FALSE(found(*source, {{"flume.avro.schema.url", "file://" + dir / "secret.avsc"}}));
}

TEST(SchemaSource, AUrlInAHeaderLeadsNowhereElse) {
  const ScratchDir dir;
  std::filesystem::create_directory(dir / "schemas");
  std::ofstream(dir / "secret.avsc") << kUser;
  std::filesystem::create_symlink(dir / "secret.avsc", dir / "schemas/link.avsc");
  std::filesystem::create_directory(dir / "schemas/folder");
  std::filesystem::create_directory_symlink(dir.path(), dir / "schemas/up");
  ASSERT_EQ(mkfifo((dir / "schemas/fifo").c_str(), 0600), 0);
  std::ofstream(dir / "schemas/large.avsc") << "\"int\"" << std::string(300 << 10, ' ');
  auto source = SchemaSource::make(schema_options("", dir / "schemas"));
  ASSERT_TRUE(source);
  for (const std::string& url :
       {dir / "secret.avsc", "file://" + dir / "secret.avsc", dir / "schemas/../secret.avsc",
        dir / "schemas/link.avsc", dir / "schemas/up/secret.avsc", dir / "schemas/folder",
        dir / "schemas/fifo", dir / "schemas/none.avsc", dir / "schemas/large.avsc",
        dir / "schemas/", std::string("../secret.avsc"), std::string(".."), std::string(""),
        std::string("http://127.0.0.1:1/x"), std::string("hdfs://nn/x"), std::string("/etc/passwd"),
        std::string("jar:file:/x"), "file://host" + dir / "schemas/user.avsc"}) {
    const auto schema = found(*source, {{"flume.avro.schema.url", url}});
    ASSERT_FALSE(schema) << url;
    EXPECT_EQ(schema.error().kind, ErrorClass::input) << url;
  }
  auto closed = SchemaSource::make(schema_options("", ""));
  ASSERT_TRUE(closed);
  const auto schema = found(*closed, {{"flume.avro.schema.url", dir / "secret.avsc"}});
  ASSERT_FALSE(schema);
  EXPECT_NE(schema.error().message.find("--schema-dir"), std::string::npos);
}

TEST(SchemaSource, WhatTheOperatorNamesMustBeThere) {
  const ScratchDir dir;
  for (const auto& options : {schema_options(dir / "none.avsc", ""),
                              schema_options("http://x/y", ""), schema_options("", dir / "none")}) {
    const auto source = SchemaSource::make(options);
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().kind, ErrorClass::config) << source.error().message;
  }
}

// Keeps what a sink rejects.
class Kept final : public Rejects {
 public:
  Status reject(const Event& event, const Error& why) override {
    bodies.emplace_back(event.body());
    reasons.push_back(why.message);
    return {};
  }
  std::vector<std::string> bodies;
  std::vector<std::string> reasons;
};

TEST(HdfsAvroSchema, EachSchemaHasAFileOfItsOwnAndWhatFitsNoneIsRejected) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir);
  options.serializer.name = "avro_schema";
  options.file_suffix = ".avro";
  HdfsSink sink(options);
  Kept kept;
  StageContext context;
  context.rejects = &kept;
  ASSERT_TRUE(sink.open(context));
  const Headers users = {{"flume.avro.schema.literal", kUser}};
  const Headers points = {{"flume.avro.schema.literal", kPoint}};
  Events events;
  events.add(user(1, "eva"), users)
      .add("\x02", points)
      .add("no schema")
      .add(user(2, "bo"), users)
      .add("\xff", points)
      .add("x", {{"flume.avro.schema.literal", "{"}})
      .add("\x04", points);
  ASSERT_TRUE(sink.deliver(events.batch()));
  ASSERT_TRUE(drain(sink, 7));
  ASSERT_TRUE(sink.close());
  EXPECT_EQ(kept.bodies, (std::vector<std::string>{"no schema", "\xff", "x"}));
  ASSERT_EQ(dir.files("out").size(), 2u);
  int seen = 0;
  for (const std::string& name : dir.files("out")) {
    const std::string file = dir.content("out/" + name);
    const std::string marker = file.substr(file.size() - 16);
    const bool is_user = file.find(kUser) != std::string::npos;
    EXPECT_NE(is_user, file.find(kPoint) != std::string::npos);
    std::string data;
    append_varint(data, 2);
    append_sized(data, is_user ? user(1, "eva") + user(2, "bo") : "\x02\x04");
    EXPECT_TRUE(file.ends_with(marker + data + marker));
    seen |= is_user ? 1 : 2;
  }
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace fl
