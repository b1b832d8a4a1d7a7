/* Reads and writes containers of events with libavro (C).
 *   libavro_peer read FILE             one JSON record a line
 *   libavro_peer write FILE CODEC N    N events: header i=<n>, header kind=c, body <n>
 */
#include <avro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kSchema[] =
    "{\"type\":\"record\",\"name\":\"Event\",\"fields\":[{\"name\":\"headers\",\"type\":{\"type\":"
    "\"map\","
    "\"values\":\"string\"}},{\"name\":\"body\",\"type\":\"bytes\"}]}";

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, avro_strerror());
  exit(1);
}

/* libavro's own JSON ends a body at its first NUL. */
static void print_text(const char* text, size_t size, int is_utf8) {
  putchar('"');
  for (size_t i = 0; i < size; ++i) {
    const unsigned char byte = (unsigned char)text[i];
    if (byte < 0x20 || byte == '"' || byte == '\\' || (byte >= 0x7f && !is_utf8)) {
      printf("\\u%04x", byte);
    } else {
      putchar(byte);
    }
  }
  putchar('"');
}

static void print_event(const avro_value_t* event) {
  avro_value_t headers, body, value;
  avro_value_get_by_name(event, "headers", &headers, NULL);
  avro_value_get_by_name(event, "body", &body, NULL);
  size_t count = 0;
  avro_value_get_size(&headers, &count);
  printf("{\"headers\":{");
  for (size_t i = 0; i < count; ++i) {
    const char *key, *text;
    size_t size = 0;
    avro_value_get_by_index(&headers, i, &value, &key);
    if (avro_value_get_string(&value, &text, &size) != 0)
      fail("cannot read a header");
    fputs(i == 0 ? "" : ",", stdout);
    print_text(key, strlen(key), 1);
    putchar(':');
    print_text(text, size - 1, 1);
  }
  const void* bytes;
  size_t size = 0;
  if (avro_value_get_bytes(&body, &bytes, &size) != 0)
    fail("cannot read a body");
  printf("},\"body\":");
  print_text(bytes, size, 0);
  puts("}");
}

static int read_file(const char* path) {
  avro_file_reader_t reader;
  if (avro_file_reader(path, &reader) != 0)
    fail("cannot open");
  avro_schema_t schema = avro_file_reader_get_writer_schema(reader);
  avro_value_iface_t* iface = avro_generic_class_from_schema(schema);
  avro_value_t value;
  avro_generic_value_new(iface, &value);
  int code;
  while ((code = avro_file_reader_read_value(reader, &value)) == 0) {
    print_event(&value);
    avro_value_reset(&value);
  }
  if (code != EOF)
    fail("cannot read");
  return 0;
}

static void put_header(avro_value_t* headers, const char* key, const char* text) {
  avro_value_t value;
  if (avro_value_add(headers, key, &value, NULL, NULL) != 0 ||
      avro_value_set_string(&value, text) != 0) {
    fail("cannot set a header");
  }
}

static int write_file(const char* path, const char* codec, long count) {
  avro_schema_t schema;
  if (avro_schema_from_json_literal(kSchema, &schema) != 0)
    fail("schema");
  avro_file_writer_t writer;
  remove(path);
  if (avro_file_writer_create_with_codec(path, schema, &writer, codec, 4096) != 0)
    fail("create");
  avro_value_iface_t* iface = avro_generic_class_from_schema(schema);
  avro_value_t value;
  avro_generic_value_new(iface, &value);
  for (long i = 0; i < count; ++i) {
    char text[32];
    snprintf(text, sizeof text, "%ld", i);
    avro_value_reset(&value);
    avro_value_t headers, body;
    avro_value_get_by_name(&value, "headers", &headers, NULL);
    avro_value_get_by_name(&value, "body", &body, NULL);
    put_header(&headers, "i", text);
    put_header(&headers, "kind", "c");
    avro_value_set_bytes(&body, text, strlen(text));
    if (avro_file_writer_append_value(writer, &value) != 0)
      fail("append");
  }
  if (avro_file_writer_close(writer) != 0)
    fail("close");
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "read") == 0)
    return read_file(argv[2]);
  if (argc == 5 && strcmp(argv[1], "write") == 0) {
    return write_file(argv[2], argv[3], strtol(argv[4], NULL, 10));
  }
  fputs("usage: libavro_peer read FILE | write FILE CODEC N\n", stderr);
  return 64;
}
