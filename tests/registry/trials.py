"""How each component is tried by test_trials.py: one entry each, no code.

A component without an entry makes that test fail. Commands are run by sh in a fresh directory with
    $LINES    a file of the lines 0, 1, 2, ... ($COUNT of them), which are to be delivered
    $PORT     a TCP port that is free
    $OUT1 $OUT2   named pipes, each read by a sink of its own ("outputs")
Keys, all but "run" optional:
    run       the component's name and arguments
    prepare   a command that is run before
    client    a source is fed by this command, which runs beside it
    server    a sink sends to this command, or a source reads from it; it runs beside them
    ends      False: the source does not end by itself; it is stopped when all is delivered
    forgotten a command that prints the lines that the source has forgotten: they must be delivered
    stdin     a file that is the source's stdin
    expected  a command that makes of $LINES what is to be delivered (default: the same)
    outputs   "copies": each of $OUT1 and $OUT2 gets all; "shares": the two together
    delivered a sink: a command that prints the lines that are at their destination; "": nobody can
              know. Its stdout is in $STDOUT.
    holds     a command that prints the lines that the component keeps after its end: they count as
              delivered
    count     how many lines, if not 20000
    repeats   True: when somebody is killed, what was not acknowledged is given to another
    prints    True: a sink whose stdout is the answer
"""

SPOOL = "mkdir spool && split -n l/3 $LINES spool/"
FILES = "hdfs --min-commit 10ms --roll-count 1000 file://$PWD/out"
# What the mock of Kafka writes once it listens.
ADDRESS = "until [ -s address ]; do sleep 0.05; done"
FOUND = "find out? -type f ! -name '[._]*' ! -name '*.tmp' -exec cat {} + 2> /dev/null || true"
FORGOTTEN = "cat spool/*.COMPLETED 2> /dev/null || true"

TRIALS = {
    "source": {
        "seq": {"run": "seq --count $COUNT"},
        "stdin": {"run": "stdin", "stdin": "$LINES"},
        "spooldir": {"run": "spooldir spool --once --window 64K", "prepare": SPOOL,
                     "forgotten": FORGOTTEN},
        "exec": {"run": "exec -- cat $LINES"},
        "netcat": {"run": "netcat --bind 127.0.0.1 --port $PORT --ok-at ack",
                   "client": "exec python3 $TRIALS/tcp_client.py $PORT $LINES answered",
                   "ends": False, "forgotten": "cat answered 2> /dev/null || true"},
        "avro": {"run": "avro --bind 127.0.0.1 --port $PORT --ack-at sink",
                 "client": "exec python3 $TRIALS/avro_client.py $PORT $LINES answered",
                 "ends": False, "forgotten": "cat answered 2> /dev/null || true"},
        "http": {"run": "http --bind 127.0.0.1 --port $PORT --ack-at sink --handler lines "
                        "--busy-after 0",
                 "client": "exec python3 $TRIALS/http_client.py $PORT $LINES answered",
                 "ends": False, "forgotten": "cat answered 2> /dev/null || true"},
        "kafka": {"run": "kafka t --bootstrap-server 127.0.0.1:$PORT --group g",
                  "server": "exec python3 $TRIALS/../tools/kafka_mock.py $PORT address",
                  "client": f"{ADDRESS}; exec kcat -b $(cat address) -P -t t -l $LINES",
                  "ends": False},
        "sql": {"run": "sql mysql://fl@127.0.0.1:$PORT/test/lines --format text --since line "
                       "--position $PWD/position",
                "server": "exec python3 $TRIALS/../tools/mariadb_server.py $PORT $LINES"},
    },
    "interceptor": {
        "timestamp": {"run": "timestamp"},
        "host": {"run": "host"},
        "json": {"run": "json n"},
        "static": {"run": "static --key k --value v"},
        "remove_header": {"run": "remove_header timestamp"},
        "uuid": {"run": "uuid"},
        "exec": {"run": "exec -- sed s/7/seven/g", "expected": "sed s/7/seven/g $LINES"},
        "search_replace": {"run": "search_replace 7 seven",
                           "expected": "sed s/7/seven/g $LINES"},
        "regex_extractor": {"run": "regex_extractor '(.)$' last"},
        "regex_filter": {"run": "regex_filter --regex 7", "expected": "grep 7 $LINES"},
    },
    "channel": {
        "memory": {"run": "memory --capacity 1000"},
        "file": {"run": "file log --capacity 5000",
                 "holds": "[ ! -e log/head ] || fl-channel cat log"},
        "kafka": {"run": "kafka t --bootstrap-server 127.0.0.1:$PORT "
                         "--parse-as-flume-event=false",
                  "server": "exec python3 $TRIALS/../tools/kafka_mock.py $PORT address",
                  "holds": "[ ! -s address ] || kcat -b $(cat address) -C -t t -e -q"},
        "replicate": {"run": "replicate --out $OUT1 --out $OUT2", "outputs": "copies"},
        "multiplex": {"run": "multiplex --header h --default 1,2 --out $OUT1 --out $OUT2",
                      "outputs": "copies"},
        "balance": {"run": "balance --out $OUT1 --out $OUT2", "outputs": "shares",
                    "repeats": True},
    },
    "sink": {
        "null": {"run": "null", "delivered": ""},
        "avro": {"run": "avro 127.0.0.1:$PORT",
                 "server": "exec python3 $TRIALS/avro_server.py $PORT stored",
                 "delivered": "cat stored 2> /dev/null || true"},
        "http": {"run": "http --format lines http://127.0.0.1:$PORT/",
                 "server": "exec python3 $TRIALS/web_server.py $PORT stored",
                 "delivered": "cat stored 2> /dev/null || true"},
        "hbase": {"run": "hbase t --column-family f --rest http://127.0.0.1:$PORT",
                  "server": "exec python3 $TRIALS/../tools/hbase_gateway.py $PORT stored",
                  "delivered": "cat stored 2> /dev/null || true"},
        "kafka": {"run": "kafka t --bootstrap-server 127.0.0.1:$PORT",
                  "server": "exec python3 $TRIALS/../tools/kafka_mock.py $PORT address",
                  "delivered": f"{ADDRESS}; kcat -b $(cat address) -C -t t -e -q"},
        "stdout": {"run": "stdout", "delivered": "cat $STDOUT", "prints": True},
        "logger": {"run": "logger", "delivered": r"sed -n 's/.*body:.* \([^ ]*\) }$/\1/p' $STDOUT",
                   "prints": True, "count": 2000},
        "file_roll": {"run": "file_roll rolled", "prepare": "mkdir rolled",
                      "delivered": "cat rolled/* 2> /dev/null || true"},
        "failover": {"run": f"failover -- {FILES}1 + {FILES}2", "delivered": FOUND,
                     "repeats": True},
        "balance": {"run": f"balance -- {FILES}1 + {FILES}2", "delivered": FOUND,
                    "repeats": True},
        "hdfs": {"run": f"{FILES}1", "delivered": FOUND},
        "hive": {"run": "hive test.lines --partition day --min-commit 10ms --roll-count 1000 "
                        "--metastore thrift://127.0.0.1:$PORT",
                 "server": "exec python3 $TRIALS/../tools/fake_metastore.py $PORT $PWD/out1",
                 "delivered": FOUND},
    },
}
