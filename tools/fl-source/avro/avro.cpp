// Batches that Flume's avro clients, or fl-sink avro, send over TCP.
#include "common/component/component_type.h"
#include "tools/fl-source/avro/source.h"

namespace fl {
namespace {

OptionSet options() {
  using Options = AvroSourceOptions;
  OptionTable<Options> table;
  table.add(
      "bind", &Options::bind, "HOST",
      "The address to listen on. 0.0.0.0 means every IPv4 address of this host, :: every address.");
  table
      .add("port", &Options::port, "PORT",
           "The TCP port to listen on; 0: a free port is chosen and printed on stderr.")
      .required();
  table
      .add("ackAt", &Options::ack_at, "auto|put|sink",
           "When a request is answered. sink: when the stages after this one have acknowledged "
           "its events. put: when the next stage has them. auto: like sink, but the source stops "
           "with 78 if a sink would gather the events into files.")
      .choices({"auto", "put", "sink"});
  table
      .add("compression-type", &Options::compression, "none|deflate",
           "How connections are compressed; it must be the same at the clients.")
      .choices({"none", "deflate"});
  table.add("maxConnections", &Options::max_connections, "N",
            "The most clients at a time; further ones wait.");
  table.add("maxRequest", &Options::max_request, "SIZE",
            "The largest request, unpacked. A client with a larger one is disconnected.");
  table.add(
      "requestTimeout", &Options::request_timeout, "TIME",
      "How long a client may take to send a request. The time starts again for a client that has "
      "sent at least 500 bytes a second (64 KiB while others wait for memory).");
  table.add(
      "idleTimeout", &Options::idle_timeout, "TIME",
      "Disconnects a client that has sent nothing for so long; 0: never, since the clients of "
      "Flume keep a connection open and lose their next request if it was closed.");
  table.add("threads", &Options::threads, "N", "")
      .ignored("Flume ignores it since 1.10, and one thread serves all clients here");
  add_access_options(table, &Options::access);
  add_tls_server_options(table, &Options::tls);
  return std::move(table).erased();
}

}  // namespace

ComponentType avro_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "avro";
  type.class_names = {"org.apache.flume.source.AvroSource"};
  type.summary = "events from Flume or fl on other hosts (Avro RPC)";
  type.description =
      "Listens on a TCP port for the Avro RPC that Flume's avro sinks, RpcClient, log4j appenders "
      "and avro-client speak, and fl-sink avro. Headers and bodies are passed on as they are. The "
      "first line on stderr is \"listening on ADDRESS:PORT\".\n\n"
      "A batch is answered with OK when all of its events are acknowledged. If the stage is "
      "stopped or killed before that, a part of the batch may be delivered. If the pipeline is "
      "slow, clients wait, up to their request-timeout, instead of being answered FAILED as by "
      "Flume. Replies on one connection keep the order of its requests, and so do the events, also "
      "when a client does not wait for replies.\n\n"
      "A client that gives up closes its connection and sends its batch again. What it had sent is "
      "dropped, unless it was passed on already. Then no further request is taken until those "
      "events are acknowledged, or for 30 seconds; while they are not, each time twice as long, up "
      "to 10 minutes. So a batch comes twice if the pipeline stands still, and not once for each "
      "request-timeout. A client that has only ended its own side, as nc -N does, still gets its "
      "replies. Their first 4 bytes are sent early, to find out whether the client is still "
      "there.\n\n"
      "A batch with an event that exceeds --max-event is refused with an error that says so, which "
      "is logged here, too (once, then at growing intervals). The client of Flume sends it again "
      "and again: allow larger events.\n\n"
      "Input that is not Avro RPC, such as text, TLS, or a compression that was set on one side "
      "only, ends its connection and is logged. Requests that wait take at most 64 MiB in all; "
      "beyond that, clients are read one after the other, and the one whose turn it is must send "
      "64 KiB a second or is disconnected after --request-timeout.\n\n"
      "With --client-ip-header an event may have at most 63 headers of its own, since the source "
      "adds one; 64 is the limit.\n\n"
      "Without --tls everybody who can reach the address can send events, and they can be read on "
      "the way. With --tls the server shows the certificate of --keystore; with "
      "--client-truststore, which Flume's clients do not support, only clients with a certificate "
      "of their own may send. On SIGHUP the files of certificates are read again: connections "
      "that exist keep theirs, and if the new files are wrong, the old ones stay in use and the "
      "reason is logged. Together with --compression-type deflate, TLS is outermost, as in Flume "
      "1.9 and older; Flume 1.10 and newer does it the other way round and cannot be joined with "
      "both.";
  type.delivery =
      "OK means that the stages after this one have acknowledged the batch by their rule, for "
      "example synced to a log; a client sends again what got no OK, so delivery is at least once: "
      "after a failure, or if a client gave up waiting, batches in flight may be delivered twice. "
      "With --ack-at put OK means only that the next stage has the batch.\n\n"
      "A sink that gathers events into files, such as hdfs, would have to complete a file for each "
      "batch. Before such a sink this source therefore stops with 78 unless a stage between stores "
      "events, as fl-channel file does, or --ack-at put or sink is given.\n\n"
      "On a signal no more requests are read; those that were handed on are answered when they "
      "are acknowledged. Then the connections are closed, and the status is 0.";
  type.examples = {
      {"fl-source avro --port 4141 | fl-sink logger --stream", "Prints what Flume sends."},
      {"fl-source avro --bind 0.0.0.0 --port 4141 | fl-channel file --stream /var/lib/fl/in | "
       "fl-sink hdfs --stream hdfs://prod/events",
       "Collects from other hosts; each batch is answered when it is in the log."},
      {"fl-source avro --bind 0.0.0.0 --port 4141 --tls --keystore server.pem --keystore-key "
       "server.key --client-truststore fleet-ca.pem | fl-channel file --stream /var/lib/fl/in "
       "--put",
       "The same through TLS, from hosts with a certificate of the fleet's CA."},
      {"fl-source avro --port 0 --dry-run", "Checks the options and the address."},
  };
  type.options = options();
  type.source = factory<Source, AvroSource, AvroSourceOptions>();
  return type;
}

}  // namespace fl
