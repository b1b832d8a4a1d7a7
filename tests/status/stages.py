"""How each component is run by the tests of this folder: one entry each, no code.

A component without an entry makes the tests fail. Commands are split as a shell does; these words
are replaced:
    $LINES  a file of the events, one a line      $COUNT  how many they are
    $SPOOL  a directory that holds them as files  $PORT   a TCP port that is free
    $DIR    the directory of the run              $DEST   where a sink is to store (a directory)
    $TAKER  the port of a server that a sink sends to      $WEB    the same for a web server
    $GATEWAY  the same for a REST gateway of HBase
    $KAFKA  host:port of a cluster of Kafka
    $TABLE  the URL of a table whose rows are the lines
    $HIVE   the URL of a metastore with the tables test.lines (line; partition column dt) and
            test.plain (line)
Keys, all but "run" optional:
    run      the component's name and arguments
    fails    (arguments instead of run, why): mistakes that only this component can find when it
             opens; those of every stage and of every option are made by the tests themselves
    stdin    a source reads the events from stdin
    client   a source is fed over TCP: "lines", "avro" for requests of Avro RPC, "http" for those of
             HTTP; "kafka": it reads the topic t, which holds the events; "table": it reads
             $TABLE
    server   a sink sends to "avro", a source on $TAKER, "http", on $WEB, or "hbase", on $GATEWAY,
             which store in $DEST, or to "kafka"; a channel keeps its events there
    outputs  a channel writes to named outputs: this many
    copies   True: each of its outputs gets all events
    stored   a sink: where its events are: "dest" (files below $DEST), "stdout", "kafka", "figures"
             (only its metrics know)
    prints   True: a sink whose stdout is the answer; a closed reader ends it quietly with 0
    stuck    a sink: run so that its destination, $STUCK or its stdout, takes nothing; "": it takes
             all or fails at once
    waits    True: it tries again when the system has nothing left, until TERM
    produces True: a source that TERM ends in order, however much more it might have produced
"""

TOOLS = {"source": "fl-source", "interceptor": "fl-intercept", "channel": "fl-channel",
         "sink": "fl-sink"}

FILES = "hdfs --min-commit 10ms file://$DEST"

STAGES = {
    "source": {
        "seq": {"run": "seq --count $COUNT", "produces": True, "fails": []},
        "stdin": {"run": "stdin", "stdin": True,
                  "fails": [("stdin $DIR/missing", "a missing file"),
                            ("stdin $DIR", "a directory as a file")]},
        "spooldir": {"run": "spooldir $SPOOL --once",
                     "fails": [("spooldir $DIR/missing --once", "a missing directory"),
                               ("spooldir $LINES --once", "a file as a directory"),
                               ("spooldir $SPOOL --once --include-pattern '('", "a bad pattern")]},
        "exec": {"run": "exec -- cat $LINES", "produces": True,
                 "fails": [("exec -- nosuchcommand", "no such command"),
                           ("exec", "no command"),
                           ("exec -- sh -c 'cat $LINES; exit 3'", "a command that fails at its end"),
                           ("exec -- sh -c 'head -n 50 $LINES; kill -9 $$'",
                            "a command that is killed")]},
        "netcat": {"run": "netcat --bind 127.0.0.1 --port $PORT", "client": "lines",
                   "produces": True, "waits": True,
                   "fails": [("netcat --bind no.such.host.invalid --port 0", "an unknown host"),
                             ("netcat --bind 127.0.0.1 --port 0 --encoding nope",
                              "an unknown encoding")]},
        "avro": {"run": "avro --bind 127.0.0.1 --port $PORT --ack-at put", "client": "avro",
                 "produces": True, "waits": True,
                 "fails": [("avro --bind no.such.host.invalid --port 0", "an unknown host"),
                           ("avro --bind 127.0.0.1 --port 0 --max-request 10",
                            "a limit that no request meets")]},
        "http": {"run": "http --bind 127.0.0.1 --port $PORT --ack-at put --handler lines",
                 "client": "http", "produces": True, "waits": True,
                 "fails": [("http --bind no.such.host.invalid --port 0", "an unknown host"),
                           ("http --bind 127.0.0.1 --port 0 --user u", "a user without a password"),
                           ("http --bind 127.0.0.1 --port 0 --token-file $DIR/missing",
                            "a missing token")]},
        "kafka": {"run": "kafka t --bootstrap-server $KAFKA --group g --once", "client": "kafka",
                  "waits": True,
                  "fails": [("kafka t --group g", "no brokers"),
                            ("kafka --bootstrap-server $KAFKA --group g", "no topic"),
                            ("kafka a/b --bootstrap-server $KAFKA --group g",
                             "a name that no topic has"),
                            ("kafka t --bootstrap-server $KAFKA --group g --partition 0",
                             "a partition that the group chooses"),
                            ("kafka --topics-regex '(' --bootstrap-server $KAFKA --group g",
                             "a bad pattern"),
                            ("kafka t --bootstrap-server $KAFKA --group g --from nowhere",
                             "an unknown place"),
                            ("kafka t --bootstrap-server $KAFKA --group g -X no.such.thing=1",
                             "an unknown property")]},
        "sql": {"run": "sql $TABLE --format text --since line --position $DIR/position --once",
                "client": "table", "produces": True,
                "fails": [("sql nowhere", "what is no URL"), ("sql ${TABLE}x", "an unknown table"),
                          ("sql $TABLE --since x --position $DIR/position", "an unknown column"),
                          ("sql $TABLE --since line --position $DIR", "a directory as a file"),
                          ("sql $TABLE --password-file $DIR/missing", "a missing password"),
                          ("sql $TABLE --user nobody", "an unknown user")]},
    },
    "interceptor": {
        "timestamp": {"run": "timestamp", "fails": []},
        "host": {"run": "host", "fails": []},
        "json": {"run": "json a=.b[0]",
                 "fails": [("json a=b", "a bad path"),
                           ("json a --required", "bodies that are not JSON")]},
        "static": {"run": "static --key k --value v", "fails": []},
        "remove_header": {"run": "remove_header timestamp",
                          "fails": [("remove_header --matching '('", "a bad pattern")]},
        "uuid": {"run": "uuid", "fails": []},
        "exec": {"run": "exec -- sed s/zz/z/",
                 "fails": [("exec -- nosuchcommand", "no such command"),
                           ("exec -- sh -c 'head -n 3; exit 3'", "a filter that fails"),
                           ("exec -- sh -c 'read x; kill -9 $$'", "a filter that is killed"),
                           ("exec -- sed 3d", "a filter that miscounts"),
                           ("exec -- sed p", "a filter that prints more")]},
        "search_replace": {"run": "search_replace zz z",
                           "fails": [("search_replace '(unclosed' z", "a bad pattern"),
                                     ("search_replace zz z --charset nope", "an unknown charset")]},
        "regex_extractor": {"run": "regex_extractor '(.)$' last",
                            "fails": [("regex_extractor '(unclosed' last", "a bad pattern"),
                                      ("regex_extractor '(.)$' last:millis:yyyy --time-zone No/Where",
                                       "an unknown zone")]},
        "regex_filter": {"run": "regex_filter --regex .",
                         "fails": [("regex_filter '(unclosed'", "a bad pattern")]},
    },
    "channel": {
        "memory": {"run": "memory", "fails": []},
        "file": {"run": "file $DIR/log",
                 "fails": [("file $LINES", "a file as a directory"),
                           ("file /proc/missing/log", "a directory that cannot be made"),
                           ("file $DIR/log --retain never", "an unknown time")]},
        "kafka": {"run": "kafka t --bootstrap-server $KAFKA --parse-as-flume-event=false "
                         "--producer sticky.partitioning.linger.ms=0",
                  "server": "kafka", "waits": True,
                  "fails": [("kafka t", "no brokers"), ("kafka --bootstrap-server $KAFKA", "no topic"),
                            ("kafka a/b --bootstrap-server $KAFKA", "a name that no topic has"),
                            ("kafka t --bootstrap-server $KAFKA --from nowhere",
                             "an unknown place"),
                            ("kafka t --bootstrap-server $KAFKA --producer acks=1 -X acks=1",
                             "less than all replicas"),
                            ("kafka t --bootstrap-server $KAFKA -X no.such.thing=1",
                             "a property that does not exist")]},
        "replicate": {"run": "replicate", "outputs": 2, "copies": True,
                      "fails": [("replicate --optional 9", "an output that does not exist")]},
        "multiplex": {"run": "multiplex --header h --default 1,2", "outputs": 2, "copies": True,
                      "fails": [("multiplex --header h --default 9",
                                 "an output that does not exist")]},
        "balance": {"run": "balance", "outputs": 2, "fails": []},
    },
    "sink": {
        "null": {"run": "null", "stored": "figures", "stuck": "", "fails": []},
        "avro": {"run": "avro 127.0.0.1:$TAKER", "server": "avro", "stored": "dest", "waits": True,
                 "stuck": "avro 127.0.0.1:1",
                 "fails": [("avro", "no server"), ("avro nowhere", "a server without a port"),
                           ("avro localhost:$TAKER --batch-size 0", "empty batches")]},
        "http": {"run": "http --format lines http://127.0.0.1:$WEB/", "server": "http",
                 "stored": "dest", "waits": True, "stuck": "http --format lines http://127.0.0.1:1/",
                 "fails": [("http", "no server"), ("http nowhere", "what is no URL"),
                           ("http http://127.0.0.1:$WEB/ --format lines --batch-size 0",
                            "empty batches"),
                           ("http http://127.0.0.1:$WEB/ --rollback 7XX=true",
                            "a status that no server has"),
                           ("http http://127.0.0.1:$WEB/ --token-file $DIR/missing",
                            "a missing token")]},
        "hbase": {"run": "hbase t --column-family f --rest http://127.0.0.1:$GATEWAY",
                  "server": "hbase", "stored": "dest", "waits": True,
                  "stuck": "hbase t --column-family f --rest http://127.0.0.1:1",
                  "fails": [("hbase t --column-family f", "no gateway"),
                            ("hbase t --column-family f --rest nowhere", "what is no URL"),
                            ("hbase t --rest http://127.0.0.1:$GATEWAY", "no column family"),
                            ("hbase t: --column-family f --rest http://127.0.0.1:$GATEWAY",
                             "a name that no table has"),
                            ("hbase t --column-family f --rest http://127.0.0.1:$GATEWAY --row-key k",
                             "one key for all rows"),
                            ("hbase t --column-family f --rest http://127.0.0.1:$GATEWAY "
                             "--serializer regex --regex '('", "a bad pattern")]},
        "kafka": {"run": "kafka t --bootstrap-server $KAFKA -X sticky.partitioning.linger.ms=0",
                  "server": "kafka", "stored": "kafka",
                  "waits": True, "stuck": "kafka t --bootstrap-server 127.0.0.1:1",
                  "fails": [("kafka t", "no brokers"), ("kafka --bootstrap-server $KAFKA", "no topic"),
                            ("kafka a/b --bootstrap-server $KAFKA", "a name that no topic has"),
                            ("kafka t --bootstrap-server $KAFKA -X acks=1", "less than all replicas"),
                            ("kafka t --bootstrap-server $KAFKA -X no.such.thing=1",
                             "an unknown property")]},
        "stdout": {"run": "stdout", "stored": "stdout", "prints": True, "stuck": "stdout",
                   "fails": []},
        "logger": {"run": "logger", "stored": "stdout", "prints": True, "stuck": "logger",
                   "fails": []},
        "file_roll": {"run": "file_roll $DEST", "stored": "dest", "stuck": "",
                      "fails": [("file_roll $DIR/missing", "a missing directory"),
                                ("file_roll $LINES", "a file as a directory"),
                                ("file_roll $DEST --serializer avro_event --compression-codec nope",
                                 "an unknown codec")]},
        "failover": {"run": f"failover -- {FILES}", "stored": "dest", "waits": True,
                     "stuck": "failover --capacity 1M -- hdfs $STUCK + hdfs $STUCK/2",
                     "fails": [("failover -- nosuchsink", "an unknown sink"),
                               ("failover -- hdfs --no-such-option", "a bad option of a sink"),
                               ("failover -- hdfs file://$DEST/%Y", "events that a sink refuses"),
                               ("failover", "no sink")]},
        "balance": {"run": f"balance -- {FILES}/1 + {FILES}/2", "stored": "dest", "waits": True,
                    "stuck": "balance --capacity 1M -- hdfs $STUCK + hdfs $STUCK/2",
                    "fails": [("balance -- nosuchsink + nosuchsink", "an unknown sink")]},
        "hdfs": {"run": FILES, "stored": "dest", "stuck": "hdfs --roll-count 100 $STUCK",
                 "fails": [("hdfs", "no file system given"),
                           ("hdfs s3://bucket/x", "an unknown file system"),
                           ("hdfs file://$LINES/x", "a file as a directory"),
                           ("hdfs file:///proc/none", "a directory that cannot be made"),
                           ("hdfs file://$DEST/%Y", "events that the destination refuses"),
                           ("hdfs file://$DEST --file-type nope", "an unknown file type")]},
        "hive": {"run": "hive test.lines --partition day --min-commit 10ms --metastore $HIVE "
                        "--location file://$DEST",
                 "stored": "dest",
                 "stuck": "hive test.plain --roll-count 100 --metastore $HIVE --location $STUCK",
                 "fails": [("hive test.lines", "no metastore"),
                           ("hive --metastore $HIVE", "no table"),
                           ("hive test.none --metastore $HIVE", "an unknown table"),
                           ("hive test.lines --metastore $HIVE", "no partition"),
                           ("hive test.plain --metastore $HIVE --partition day",
                            "a partition that the table lacks"),
                           ("hive test.plain --metastore ftp://nowhere", "no metastore's URL"),
                           ("hive test.plain --metastore $HIVE --field-names none",
                            "an unknown column")]},
    },
}
