// Events that applications send by HTTP, as to Flume's http source.
#include <algorithm>
#include <iterator>
#include <utility>

#include "common/component/component_type.h"
#include "tools/fl-source/http/source.h"

namespace fl {
namespace {

constexpr std::string_view kJetty[] = {"HttpConfiguration", "ServerConnector", "SslContextFactory",
                                       "QueuedThreadPool"};

// Of a Flume file, before the new names, which win where both are given.
void add_old_names(OptionSet& set) {
  constexpr std::pair<std::string_view, std::string_view> kOldNames[] = {
      {"enableSSL", "ssl"},
      {"keystorePassword", "keystore-password"},
      {"excludeProtocols", "exclude-protocols"}};
  for (const auto& [old, key] : kOldNames) {
    const auto found =
        std::find_if(set.options.begin(), set.options.end(), [&key = key](const OptionSpec& spec) {
          return spec.key == key && (!spec.is_secret || spec.is_flume_only);
        });
    OptionSpec spec = *found;
    spec.key = old;
    spec.aliases.clear();
    spec.is_flume_only = true;
    spec.help = "What " + std::string(key) + " was called before Flume 1.10.";
    set.options.insert(set.options.begin(), std::move(spec));
  }
}

OptionSet options() {
  using Options = HttpSourceOptions;
  OptionTable<Options> table;
  table
      .add("bind", &Options::bind, "HOST",
           "The address to listen on. 0.0.0.0 means every IPv4 address of this host, :: every "
           "address.")
      .flume("0.0.0.0");
  table
      .add("port", &Options::port, "PORT",
           "The TCP port to listen on; 0: a free port is chosen and printed on stderr.")
      .required();
  table
      .add("handler", &Options::handler, "json|blob|body|ndjson|lines",
           "What a request holds. json: an array of events. blob, body: one event. ndjson: an "
           "event in JSON per line. lines: an event per line.")
      .choices({"json", "blob", "body", "ndjson", "lines"})
      .choice_alias("org.apache.flume.source.http.JSONHandler", "json")
      .choice_alias("org.apache.flume.sink.solr.morphline.BlobHandler", "blob")
      .choice_alias("org.apache.flume.source.http.BLOBHandler", "body");
  table.add("handler.maxBlobLength", &Options::max_blob, "BYTES",
            "The largest body of --handler blob. Larger ones are refused (413), where Flume cuts "
            "them off. --max-event and --max-body count, too.");
  table.add("handler.mandatoryParameters", &Options::mandatory, "NAME,...",
            "With --handler blob or body: a request without one of these query parameters is "
            "answered 500.");
  table
      .add("ackAt", &Options::ack_at, "auto|put|sink",
           "When a request is answered. sink: when the stages after this one have acknowledged "
           "its events. put: when the next stage has them. auto: like sink, but the source stops "
           "with 78 if a sink would gather the events into files.")
      .choices({"auto", "put", "sink"});
  table.add("busyAfter", &Options::busy_after, "TIME",
            "Answers 503 if the next stage has not taken any event of a request for this long; "
            "none of its events is passed on. 0: never.");
  table.add("healthPath", &Options::health, "PATH",
            "A GET or HEAD for this path, without a body, is answered 200 and holds no event; "
            "empty: none.");
  table.add("user", &Options::user, "NAME",
            "Clients must log in as this user (basic authentication), or with a token.");
  table.add_secret("password", &Options::password, "The password of --user.");
  table.add_secret("token", &Options::token, "Clients must send this bearer token, or log in.");
  table.add("maxConnections", &Options::max_connections, "N",
            "The most clients at a time; further ones wait.");
  table.add("maxBody", &Options::max_body, "SIZE",
            "The largest body of a request, unpacked. A larger one is refused (413).");
  table.add("headTimeout", &Options::head_timeout, "TIME",
            "How long a client may take for the head of a request.");
  table.add("bodyTimeout", &Options::body_timeout, "TIME",
            "How long a client may take for the body. The time starts again for a client that has "
            "sent at least 500 bytes a second.");
  table.add("idleTimeout", &Options::idle_timeout, "TIME",
            "Disconnects a client that has sent no request for so long.");
  add_access_options(table, &Options::access);
  add_tls_server_options(table, &Options::tls);
  for (const std::string_view prefix : kJetty) {
    table.add_prefix(std::string(prefix), &Options::jetty, "Settings of Jetty.");
  }
  OptionSet set = std::move(table).erased();
  add_old_names(set);
  for (OptionSpec& spec : set.options) {
    if (std::find(std::begin(kJetty), std::end(kJetty), spec.key) != std::end(kJetty)) {
      spec.ignored_reason = "it is a setting of Jetty, which is not used here";
    }
  }
  return set;
}

}  // namespace

ComponentType http_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "http";
  type.class_names = {"org.apache.flume.source.http.HTTPSource"};
  type.sought_as = {"webhook", "rest", "json"};
  type.summary = "events that applications send by HTTP";
  type.description =
      "Listens on a TCP port for requests of HTTP/1.1, POST or GET, any path. The events of a "
      "request are taken together or not at all; if the stage is stopped or killed meanwhile, the "
      "client gets no 200, and a part of them may be delivered. The first line on stderr is "
      "\"listening on ADDRESS:PORT\".\n\n"
      "json: Flume's JSONHandler, an array of objects such as {\"headers\": {\"k\": \"v\"}, "
      "\"body\": \"text\"}, both members optional, others ignored; numbers and booleans are taken "
      "as text. The charset of the Content-Type is UTF-8, UTF-16 or UTF-32, and bodies of events "
      "keep it. Without one it is UTF-8; a body that is not valid UTF-8, and not application/json, "
      "is ISO-8859-1 then, as which Flume reads all that are not application/json. Malformed "
      "characters become U+FFFD, as in Flume. What Flume's parser allows besides JSON (single "
      "quotes, names without quotes, comments, ';' and '=') is allowed here.\n\n"
      "blob: Flume's BlobHandler (of its morphline sink). The body is one event; the query "
      "parameters (the first of each name) and Content-Type are its headers. A form "
      "(application/x-www-form-urlencoded) is the body, too, where Flume takes it apart. "
      "body: Flume's BLOBHandler, the same without Content-Type; it works without "
      "--mandatory-parameters, too, where Flume answers 500. In both Content-Type stays as it was "
      "sent (Flume writes the charset in capitals), and so does a percent sign that begins no code "
      "(500 in Flume).\n\n"
      "ndjson: each line is an event as fl-sink stdout --format json prints it; a body of "
      "any bytes is \"body64\". lines: each line is a body; see --delimiter and --crlf.\n\n"
      "Bodies may be compressed (Content-Encoding: gzip) and may come in chunks; --max-body counts "
      "what is unpacked. An event that exceeds --max-event refuses its request (413).\n\n"
      "Slow clients are disconnected: each part of a request has a time limit. Requests that wait "
      "take at most 64 MiB in all; beyond that, clients are read one "
      "after the other.\n\n"
      "Answers: 200, the events are delivered (see below); 400, not what the handler reads; 401, "
      "not authorized; 403 to OPTIONS and TRACE; 405, 501, other methods; 413, too large; 415, "
      "another Content-Encoding; 500, as in Flume, an empty body or null instead of an array or "
      "event, another charset; 503, the pipeline is blocked (in Flume, the channel is full) or the "
      "source is stopping: send it again later. A text says why.\n\n"
      "Without --user, a token or --client-truststore everybody who can reach the address can send "
      "events, and without --tls they and passwords can be read on the way. With --tls the server "
      "shows the certificate of --keystore; with --client-truststore only clients with a "
      "certificate of their own may send. On SIGHUP the files of certificates are read again: "
      "connections that exist keep theirs, and if the new files are wrong, the old ones stay in "
      "use and the reason is logged. In a properties file keystorePassword is also understood, the "
      "name of keystore-password before Flume 1.10.";
  type.delivery =
      "200 means that the stages after this one have acknowledged all events of the request by "
      "their rule, for example synced to a log; a client sends again what was not answered 200, so "
      "delivery is at least once: after a failure, requests in flight may be delivered twice. With "
      "--ack-at put 200 means only that the next stage has the events.\n\n"
      "A sink that gathers events into files, such as hdfs, would have to complete a file for each "
      "request. Before such a sink this source therefore stops with 78 unless a stage between "
      "stores events, as fl-channel file does, or --ack-at put or sink is given.\n\n"
      "On a signal no new connections are accepted; requests that were handed on are answered 200 "
      "when they are acknowledged, all others 503. The status is 0.";
  type.examples = {
      {"fl-source http --port 5140 | fl-sink logger --stream",
       "Prints what is sent, for example by: curl -d '[{\"headers\":{\"app\":\"shop\"},"
       "\"body\":\"sold\"}]' localhost:5140"},
      {"fl-source http --bind 0.0.0.0 --port 5140 --token-file /etc/fl/token | fl-channel file "
       "--stream /var/lib/fl/in | fl-sink hdfs --stream hdfs://prod/events",
       "Collects from other hosts; a request is answered when its events are in the log."},
      {"fl-source http --bind 0.0.0.0 --port 5140 --tls --keystore server.pem --keystore-key "
       "server.key --client-truststore fleet-ca.pem | fl-channel file --stream /var/lib/fl/in "
       "--put",
       "The same through TLS, from hosts with a certificate of the fleet's CA."},
      {"fl-source http --port 0 --handler lines --dry-run", "Checks the options and the address."},
  };
  type.options = options();
  type.source = factory<Source, HttpSource, HttpSourceOptions>();
  return type;
}

}  // namespace fl
