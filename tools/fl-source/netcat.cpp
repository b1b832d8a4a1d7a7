// Lines that clients send over TCP, each answered with OK, as Flume's netcat source does.
#include "common/component/component_type.h"
#include "tools/fl-source/netcat_source.h"

namespace fl {
namespace {

OptionSet options() {
  OptionTable<NetcatOptions> table;
  table.add("bind", &NetcatOptions::bind, "HOST", "The address to listen on.");
  table
      .add("port", &NetcatOptions::port, "PORT",
           "The TCP port to listen on; 0: a free port is chosen and printed on stderr.")
      .required();
  table.add("max-line-length", &NetcatOptions::max_line_length, "N",
            "The longest line in UTF-16 units, newline included.");
  table.add("ack-every-event", &NetcatOptions::ack_every_event, "BOOL",
            "Answer each line with OK. Over-long lines are always reported.");
  table.add("encoding", &NetcatOptions::encoding, "NAME",
            "The encoding that clients use, by its name in Java or iconv(1). Events are UTF-8; "
            "UTF-8 and US-ASCII input passes unchanged, valid or not. EBCDIC is refused: its "
            "newline is ambiguous.");
  table
      .add("ackAt", &NetcatOptions::ack_at, "put|sink",
           "When a line is answered. put: the next stage has it. sink: the last stage has "
           "acknowledged it.")
      .choices({"put", "sink"})
      .choice_alias("ack", "sink")
      .alias("ok-at");
  table.add("maxConnections", &NetcatOptions::max_connections, "N",
            "The most clients at a time; further ones wait.");
  table.add("idleTimeout", &NetcatOptions::idle_timeout, "TIME",
            "Disconnects a client that has sent no whole line for this long and has all its "
            "answers. 0: never, as Flume.");
  add_access_options(table, &NetcatOptions::access);
  add_tls_server_options(table, &NetcatOptions::tls);
  return std::move(table).erased();
}

}  // namespace

ComponentType netcat_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "netcat";
  type.class_names = {"org.apache.flume.source.NetcatSource"};
  type.sought_as = {"nc", "tcp", "socket", "listen"};
  type.summary = "lines that clients send over TCP";
  type.description =
      "Listens on a TCP port and makes an event without headers of each line that a client sends; "
      "the body is the line without its newline (a carriage return stays). Each line is answered "
      "with OK. The first line on stderr is \"listening on ADDRESS:PORT\".\n\n"
      "A line longer than --max-line-length is answered with \"FAILED: Event exceeds the maximum "
      "length (512 chars, including newline)\", and its connection is closed; the lines before it "
      "are delivered. --reject keeps no such line: the client has it, and learns of it.\n\n"
      "Unlike Flume's source, this one keeps the connection open when bytes are not valid in the "
      "encoding, takes the end of a connection as the end of its last line, and makes clients wait "
      "when the pipeline is slow instead of answering FAILED and losing the line.\n\n"
      "A client need not read its answers. If it closes without reading them, everything that it "
      "sent is still read, and the unread answers are counted. The client's kernel may then drop "
      "lines that were not sent yet; such a reset connection is reported (once, then at growing "
      "intervals with the number).\n\n"
      "All encodings of iconv(1) are supported, UTF-16 and UTF-32 included, by their names in "
      "iconv or Java in any spelling (ISO8859_1, utf_16le). UTF-16 and UTF-32 without LE or BE "
      "follow the byte order mark, and are big-endian without one. Answers use the same encoding. "
      "Encodings whose newline is not the character 10 (EBCDIC) are refused.\n\n"
      "When --max-connections clients are connected, or no file descriptor is left (see 'ulimit "
      "-n'), further clients wait until one leaves; both are reported.\n\n"
      "Without --tls everybody who can reach the address can send events. With --tls a connection "
      "that ends without the close of TLS counts as reset, and with --client-truststore only "
      "clients with a certificate may send. On SIGHUP the files of certificates are read again; "
      "connections that exist keep theirs.";
  type.delivery =
      "OK means that the line has been written to the next stage: best effort up to the first "
      "durable hop. With --ack-at sink it means that the stages after this one have acknowledged "
      "it by their rule, for example synced to a file; if clients resend each line that got no OK, "
      "delivery is at least once. Lines without an OK may have been delivered.\n\n"
      "On a signal no more clients are accepted, and lines that were read are answered when they "
      "are acknowledged; then the connections are closed. The status is 75 if bytes had arrived "
      "that were not read: their clients got no OK.";
  type.examples = {
      {"fl-source netcat --port 4444 | fl-sink logger --stream",
       "Prints what clients send: connect with nc localhost 4444 and type."},
      {"fl-source netcat --bind 0.0.0.0 --port 4444 --ack-at sink | fl-sink hdfs --stream "
       "hdfs://prod/events",
       "Answers each line when it is stored in HDFS."},
      {"fl-source netcat --port 4444 --tls --keystore server.pem --keystore-key server.key | "
       "fl-sink logger --stream",
       "Through TLS: connect with openssl s_client -connect localhost:4444 and type."},
      {"fl-source netcat --port 0 --dry-run", "Checks the options and the address."},
  };
  type.options = options();
  type.source = factory<Source, NetcatSource, NetcatOptions>();
  return type;
}

}  // namespace fl
