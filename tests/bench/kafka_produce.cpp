// The reference of the kafka sink: the lines of a file to a topic with nothing but librdkafka, as
// safely (idempotent, all replicas) and as fast as it can be done: bytes are not copied.
// usage: kafka_produce HOST:PORT TOPIC FILE
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace {

std::size_t failures = 0;

void set(rd_kafka_conf_t* conf, const char* name, const char* value) {
  char reason[256];
  if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
    std::fprintf(stderr, "kafka_produce: %s\n", reason);
    _exit(64);
  }
}

}  // namespace

int main(int, char** argv) {
  const int fd = open(argv[3], O_RDONLY);
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) {
    std::perror("kafka_produce");
    return 66;
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  char* const bytes =
      static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", argv[1]);
  set(conf, "enable.idempotence", "true");
  set(conf, "message.timeout.ms", "0");
  set(conf, "partitioner", "murmur2_random");
  set(conf, "queue.buffering.max.messages", "10000000");
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    failures += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
  });
  char reason[256];
  rd_kafka_t* const kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  rd_kafka_topic_t* const topic = rd_kafka_topic_new(kafka, argv[2], nullptr);
  std::size_t n = 0;
  for (char* line = bytes; line < bytes + size;) {
    char* const end =
        static_cast<char*>(std::memchr(line, '\n', static_cast<std::size_t>(bytes + size - line)));
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, line,
                            static_cast<std::size_t>(end - line), nullptr, 0, nullptr) != 0) {
      rd_kafka_poll(kafka, 10);
    }
    if (++n % 1000 == 0) {
      rd_kafka_poll(kafka, 0);
      // As much as the sink holds.
      while (rd_kafka_outq_len(kafka) > 60'000) {
        rd_kafka_poll(kafka, 1);
      }
    }
    line = end + 1;
  }
  rd_kafka_flush(kafka, 60'000);
  const bool is_all = rd_kafka_outq_len(kafka) == 0 && failures == 0;
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(kafka);
  return is_all ? 0 : 74;
}
