// Events as requests to a web server: Flume's http sink, and batches.
#include "common/access/tls_options.h"
#include "common/component/component_type.h"
#include "tools/fl-sink/http/sink.h"

namespace fl {
namespace {

OptionSet options() {
  using Options = HttpSinkOptions;
  OptionTable<Options> table;
  table
      .add("endpoint", &Options::endpoint, "URL",
           "Where requests are sent, for example http://collector:5140/.")
      .positional()
      .required();
  table
      .add("format", &Options::format, "body|json|ndjson|lines",
           "What a request holds. body: the body of one event, as in Flume. json: an array of "
           "events. ndjson: an event in JSON per line. lines: a body per line.")
      .choices({"body", "json", "ndjson", "lines"});
  table.add("batchSize", &Options::batch_size, "N",
            "The most events of a request, unless --format is body.");
  table
      .add("connectTimeout", &Options::connect_timeout, "TIME",
           "How long finding the address and connecting may take.")
      .flume_ms();
  table
      .add("requestTimeout", &Options::request_timeout, "TIME",
           "How long a request may take from then on until its answer is complete. Then it is sent "
           "again.")
      .flume_ms();
  table.add("contentTypeHeader", &Options::content_type, "TYPE",
            "The Content-Type. Default: text/plain; application/json or application/x-ndjson with "
            "these formats.");
  table.add("acceptHeader", &Options::accept, "TYPE", "The Accept header.");
  table.add("user", &Options::user, "NAME", "Log in as this user (basic authentication).");
  table.add_secret("password", &Options::password, "The password of --user.");
  table.add_secret("token", &Options::token, "Send this bearer token.");
  table.add_prefix("rollback", &Options::rollback,
                   "STATUS=true: after such an answer the events are sent again; false: they are "
                   "dropped, or delivered if it is 2XX. STATUS is three digits or 1XX to 5XX.");
  table.add_prefix("backoff", &Options::backoff,
                   "STATUS=true: a pause after such an answer; false: none, or one that does not "
                   "grow if the events are sent again.");
  table.add_prefix("incrementMetrics", &Options::increment,
                   "STATUS=true: events with such an answer count in counted_total.");
  table
      .add("defaultRollback", &Options::default_rollback, "auto|true|false",
           "The same as --rollback for all that is not 2XX and has no rule. auto: see "
           "DESCRIPTION.")
      .choices({"auto", "true", "false"})
      .flume("true");
  table.add("defaultBackoff", &Options::default_backoff, "",
            "The same as --backoff for all that is not 2XX and has no rule.");
  table.add("defaultIncrementMetrics", &Options::default_increment, "",
            "The same as --increment-metrics for all that is not 2XX and has no rule.");
  add_tls_url_options(table, &Options::tls);
  return std::move(table).erased();
}

}  // namespace

ComponentType http_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "http";
  type.class_names = {"org.apache.flume.sink.http.HttpSink"};
  type.sought_as = {"webhook", "rest", "post"};
  type.summary = "to a web server, by POST";
  type.description =
      "Sends events by POST to URL. One request is in flight at a time, so events keep their "
      "order; events that arrive meanwhile, up to --batch-size, form the next request. Headers of "
      "events are sent with json and ndjson only; fl-source http reads all of these formats (its "
      "--handler), and Flume's http source reads json.\n\n"
      "2XX: the events are delivered. 400, 413, 414, 415, 422: the server will never take them; a "
      "batch is cut into halves until the event is found, which goes to --reject or ends the sink "
      "with 65. Anything else, no answer or no connection: the request is sent again, with pauses "
      "that grow up to 10 seconds (up to a minute for other answers of 3XX and 4XX, which somebody "
      "has to look at), not earlier than a Retry-After says, until it is taken; --give-up-after "
      "bounds that, and --grace once the input is over. What is wrong is logged once and then at "
      "growing intervals. Redirects are not followed, and proxies not used.\n\n"
      "Rules by status, as Flume has them, go first: --rollback, --backoff and "
      "--increment-metrics, the exact status before its group. In a properties file "
      "defaultRollback is true, as in Flume, so what is refused is sent again; but 2XX without a "
      "rule is delivered, which Flume would send again forever. An event with an empty body is "
      "sent, too.\n\n"
      "https is TLS 1.2 or newer: the server must show a valid certificate that names its host, "
      "of a CA in --truststore or of the system; otherwise nothing is sent, and the reason is "
      "logged. --keystore is for a server that asks for a certificate. On SIGHUP the files of "
      "certificates are read again, for connections to come. An event that --format cannot carry "
      "(json: not UTF-8; lines: a newline in the body) is rejected. At most 4 MiB of events wait "
      "in memory; then reading stops.";
  type.delivery =
      "An event is acknowledged when its request was answered 2XX, or as a rule says. What 2XX "
      "means is the server's business: with fl-source http, that the stages after it have "
      "acknowledged the events. If a connection is lost before the answer, the request is sent "
      "again: at least once, and never more than one request twice for each loss.";
  type.examples = {
      {"fl-source spooldir /var/spool/app | fl-channel file --stream /var/lib/fl/app | fl-sink "
       "http --stream --format ndjson http://collector:5140/",
       "Moves files to another host, over any outage; fl-source http --handler ndjson reads it."},
      {"fl-sink http --format json --batch-size 1000 --token-file /etc/fl/token "
       "https://collector:8443/events < access.log",
       "Sends lines as Flume's JSONHandler reads them."},
      {"fl-sink http --stream --format ndjson --truststore fleet-ca.pem --keystore me.pem "
       "--keystore-key me.key https://collector:5140/ < events.avro",
       "Through TLS, to a server that asks for a certificate."},
      {"fl-sink http http://localhost:5140/ --dry-run < /dev/null", "Checks the options."},
  };
  type.options = options();
  type.sink = factory<Sink, HttpSink, HttpSinkOptions>();
  return type;
}

}  // namespace fl
