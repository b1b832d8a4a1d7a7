// Batches to an avro source of Flume or fl, over TCP.
#include "common/component/component_type.h"
#include "tools/fl-sink/avro/hosts.h"
#include "tools/fl-sink/avro/sink.h"

namespace fl {
namespace {

OptionSet options() {
  using Options = AvroSinkOptions;
  OptionTable<Options> table;
  table
      .add("hosts", &Options::hosts, "HOST:PORT",
           "The avro source to send to; several with --failover or --balance.")
      .positional()
      .parts({""});
  table.add("hostname", &Options::hostname, "HOST", "The same, as in Flume, with --port.");
  table.add("port", &Options::port, "PORT", "See --hostname.");
  table.add("batch-size", &Options::batch_size, "N",
            "The most events of a request. Flume's memory channel takes at most 100 by default "
            "(transactionCapacity); between fl hosts 1000 is faster.");
  table
      .add("connect-timeout", &Options::connect_timeout, "TIME",
           "How long finding the address and connecting may take. If the name has several "
           "addresses, each gets a part of it.")
      .flume_ms();
  table
      .add("request-timeout", &Options::request_timeout, "TIME",
           "How long a reply may take. Then the connection is closed, and the batch is sent again.")
      .flume_ms();
  table.add(
      "reset-connection-interval", &Options::reset_interval, "TIME",
      "Connects anew after so long, and asks for the address again, to spread load; 0: never.");
  table
      .add("compression-type", &Options::compression, "none|deflate",
           "How the connection is compressed; it must be the same at the server.")
      .choices({"none", "deflate"});
  table.add("compression-level", &Options::compression_level, "0-9",
            "Of deflate: 1 is fastest, 9 packs best, 0 does not pack.");
  table.add("maxIoWorkers", &Options::max_io_workers, "N", "")
      .ignored("Flume ignores it since 1.10, and there is one connection");
  table
      .add("failover", &Options::failover, "BOOL",
           "Sends to the first of several hosts that works.")
      .cli_only();
  table
      .add("balance", &Options::balance, "BOOL",
           "Sends to several hosts in turn; what one has not taken goes to another.")
      .cli_only();
  table
      .add("client.type", &Options::client_type, "TYPE",
           "Flume's word for --failover (default_failover) and --balance (default_loadbalance).")
      .named("client-type")
      .choices({"default", "default_failover", "default_loadbalance"});
  table
      .add("host-selector", &Options::host_selector, "POLICY",
           "How --balance chooses the next host: round_robin, beginning with the first, or random.")
      .choices({kSharingPolicies.begin(), kSharingPolicies.end()});
  table
      .add("backoff", &Options::backoff, "BOOL",
           "Skips a host that failed for 2 s, and twice as long after each further failure; "
           "otherwise it is tried again after a second.")
      .flume("false");
  table
      .add("maxBackoff", &Options::max_backoff, "TIME",
           "The longest time for which --backoff skips a host.")
      .flume_ms();
  table.add("max-attempts", &Options::max_attempts, "N", "")
      .ignored("hosts are tried until one takes the events; see --give-up-after");
  table
      .add("attempts", &Options::attempts, "N",
           "Ends with 69 after N failures in a row; 0: never. Of several hosts, one that has "
           "failed N times in a row (with 0: once) is left for another.")
      .cli_only();
  add_capacity(table, &Options::capacity);
  add_tls_client_options(table, &Options::tls);
  return std::move(table).erased();
}

}  // namespace

ComponentType avro_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "avro";
  type.class_names = {"org.apache.flume.sink.AvroSink"};
  type.summary = "to Flume or fl on another host (Avro RPC)";
  type.description =
      "Sends events to an avro source of Flume, or to fl-source avro, by the Avro RPC of Flume. "
      "Headers and bodies arrive as they are. One request is in flight at a time, so events keep "
      "their order; events that arrive meanwhile, up to --batch-size, form the next request.\n\n"
      "If the server is away, does not reply, or answers FAILED, the batch is sent again, with "
      "pauses that grow up to 10 seconds (up to a minute if the server refuses it with an error), "
      "until it is taken; --give-up-after bounds that, and --grace once the input is over. What is "
      "wrong is logged once and then at growing intervals.\n\n"
      "At most 4 MiB of events wait in memory; then reading stops.\n\n"
      "Of several hosts each has a process of its own, which ends when its host fails; what that "
      "host has not acknowledged, at most --capacity, goes to the others, and the host is tried "
      "again later. With --balance the order of events is kept only among those of one host.\n\n"
      "With --tls the server must show a valid certificate that names its host, of a CA in "
      "--truststore or of the system; otherwise nothing is sent, and the reason is logged. On "
      "SIGHUP the files of certificates are read again, for connections to come. Together with "
      "--compression-type deflate, TLS is outermost, as in Flume 1.9 and older; Flume 1.10 and "
      "newer does it the other way round and cannot be joined with both.";
  type.delivery =
      "An event is acknowledged when its batch is answered with OK. What OK means is the server's "
      "rule: in Flume, that its channel has the events; with fl-source avro, that the stages after "
      "it have acknowledged them. If a connection is lost before the reply, or no reply comes "
      "within --request-timeout, the batch is sent again: at least once, and each time it is one "
      "batch that may be delivered once more. Of a batch that is sent again and again to a "
      "pipeline that stands still, fl-source avro drops what it has not passed on.";
  type.examples = {
      {"fl-source spooldir /var/spool/app | fl-channel file --stream /var/lib/fl/app | fl-sink "
       "avro --stream collector:4141",
       "Moves files to another host, over any outage."},
      {"fl-sink avro --batch-size 1000 --compression-type deflate collector:4141 < access.log",
       "Sends lines, compressed."},
      {"fl-sink avro --stream --failover collector:4141 collector:4142 < events.avro",
       "Sends to the second server while the first one fails."},
      {"fl-sink avro --stream --tls --truststore fleet-ca.pem --keystore me.pem --keystore-key "
       "me.key collector:4141 < events.avro",
       "Through TLS, to a server that asks for a certificate."},
      {"fl-sink avro localhost:4141 --dry-run < /dev/null", "Checks the options."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) {
    return make_avro_sink(options(), std::static_pointer_cast<AvroSinkOptions>(made));
  };
  return type;
}

}  // namespace fl
