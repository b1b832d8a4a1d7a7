# Properties of Flume that no other test of this folder covers (tests/registry/options_set.py).
load helper

# A sink of which a name decides whether it works: fl-sink brittle NAME fails while there is a file
# NAME.broken, and notes each start.
brittle() {
  mkdir -p bin
  cat > bin/fl-sink-brittle << 'END'
#!/bin/sh
echo "$1" >> starts
[ ! -e "$1.broken" ] || exit 69
exec fl-sink hdfs --stream "file://$PWD/$1"
END
  chmod +x bin/fl-sink-brittle
  export PATH=$DIR/bin:$PATH
}

# Of numbers, one a line: how many follow their predecessor at most.
longest_run() { awk 'NR == 1 || $1 != last + 1 { n = 0 } { last = $1; if (++n > most) most = n } END { print most }'; }

# How often the last 16 bytes of a container, its marker, occur in it: once after the header, and
# once after each block.
markers() {
  local bytes
  bytes=$(od -An -v -tx1 "$1" | tr -d ' \n')
  grep -o "${bytes: -32}" <<< "$bytes" | wc -l
}

@test "balance.policy: in turn no output gets two blocks running, at random one does" {
  # A block holds at most 1000 events.
  runs "0 0" "fl-source seq --count 200000 | fl-channel balance --stream --policy round_robin --out a.avro --out b.avro"
  [ "$(fl-sink stdout < a.avro | longest_run)" -le 1000 ]
  runs "0 0" "fl-source seq --count 200000 | fl-channel balance --stream --policy random --out c.avro --out d.avro"
  [ "$(fl-sink stdout < c.avro | longest_run)" -gt 1000 ]
  (fl-sink stdout < c.avro; fl-sink stdout < d.avro) | sort -n | cmp - <(seq 0 199999)
  runs "75 64" "fl-source seq --count 2 | fl-channel balance --stream --policy fastest --out a.avro --out b.avro"
}

@test "multiplex.keepAlive: a stopped optional output delays nothing for longer" {
  mkfifo stuck
  # Holds the named pipe open and never reads.
  runs "0 0 0" "exec 9<> stuck; fl-source seq --count 400000 | fl-intercept static --stream --key k --value v | fl-channel multiplex --stream --keep-alive 50ms --header k --map v=2 --optional v=1 --out stuck --out >(fl-sink hdfs --stream file://$DIR/y)"
  holds_numbers y 400000
  said "is too slow"
}

@test "multiplex.keepAlive: within it an optional output is waited for and misses nothing" {
  mkfifo slow
  # Slower than the three seconds that are the default.
  runs "0 0 0" "(until [ -s go ]; do sleep 0.01; done; fl-sink hdfs --stream file://$DIR/x) < slow & (sleep 4; echo go > go) & fl-source seq --count 200000 | fl-intercept static --stream --key k --value v | fl-channel multiplex --stream --keep-alive 1h --header k --map v=2 --optional v=1 --out slow --out >(fl-sink hdfs --stream file://$DIR/y)"
  holds_numbers y 200000
  holds_numbers x 200000
}

@test "host.useIP: the address, or the canonical name" {
  ip=$(echo x | fl-intercept host --use-ip=true | fl-sink stdout --format json | jq -r .headers.host)
  name=$(echo x | fl-intercept host --use-ip=false | fl-sink stdout --format json | jq -r .headers.host)
  [[ $ip =~ ^([0-9]+\.){3}[0-9]+$|: ]]
  [ "$name" = "$(python3 -c 'import socket; print(socket.getaddrinfo(socket.gethostname(), None, flags=socket.AI_CANONNAME)[0][3])')" ]
}

@test "uuid.headerName: the header that gets the UUID" {
  [ "$(echo x | fl-intercept uuid --header-name key | fl-sink stdout --format json | jq -r '.headers | keys[]')" = key ]
  [ "$(echo x | fl-intercept uuid | fl-sink stdout --format json | jq -r '.headers | keys[]')" = id ]
}

@test "balance.processor.selector: random gives a sink two blocks running" {
  runs "0 0" "fl-source seq --count 100000 | fl-sink balance --stream --selector random -- hdfs file://$DIR/x + hdfs file://$DIR/y"
  [ "$(lines x | longest_run)" -gt 1000 ]
  (lines x; lines y) | sort -n | cmp - <(seq 0 99999)
  runs "75 64" "fl-source seq --count 2 | fl-sink balance --stream --selector fastest -- null + null"
}

# With the penalty of up to 30 s that is the default, twelve starts take minutes.
keeps_trying() {
  brittle
  touch x.broken
  mkfifo lines
  : > starts
  pipe "(fl-sink $1 --text $2 -- brittle x + brittle y < lines & exec 9> lines; while [ \"\$(grep -c x starts)\" -lt 12 ]; do echo event >&9; sleep 0.02; done; exec 9>&-; wait \$!)"
  matches 0
  lines y | grep -qx event
}

@test "balance.processor.selector.maxTimeOut: a sink that failed is tried again after it" {
  LIMIT=30 keeps_trying balance "--backoff --max-time-out 20ms"
}

@test "failover.processor.maxpenalty: a sink that failed is tried again after it" {
  LIMIT=30 keeps_trying failover "--max-penalty 20ms"
}

@test "failover.sinks, balance.sinks: behind --, or one option for each word" {
  # Properties: failover.sinks, balance.sinks
  for group in failover balance; do
    rm -rf x y
    runs "0 0" "fl-source seq --count 3 | fl-sink $group --stream -- hdfs --file-prefix p file://$DIR/x + hdfs file://$DIR/y"
    (lines x; lines y) | sort -n | cmp - <(seq 0 2)
    ls x/p.*
    runs "0 0" "fl-source seq --count 3 | fl-sink $group --stream --sinks null --sinks + --sinks null"
    runs "75 64" "fl-source seq --count 3 | fl-sink $group --stream"
    said "SINK"
  done
}

@test "file_roll.sink.serializer.syncIntervalBytes: blocks of an Avro file" {
  mkdir large small
  runs "0 0" "fl-source seq --count 900 | fl-sink file_roll large --stream --serializer avro_event"
  runs "0 0" "fl-source seq --count 900 | fl-sink file_roll small --stream --serializer avro_event --sync-interval-bytes 100"
  [ "$(markers large/*)" -le 10 ]
  [ "$(markers small/*)" -ge 30 ]
  cmp <(fl-sink stdout < small/*) <(seq 0 899)
}

@test "file_roll.sink.serializer.compressionCodec: each codec is named in the file and can be read" {
  for codec in null deflate snappy bzip2 xz zstandard; do
    mkdir $codec
    runs "0 0" "fl-source seq --count 900 | fl-sink file_roll $codec --stream --serializer avro_event --compression-codec $codec"
    head -c 1000 $codec/* | tr '\n' . | grep -aq "avro.codec.$codec"
    cmp <(fl-sink stdout < $codec/*) <(seq 0 899)
  done
}

@test "null.logEveryNEvents: says how many it has discarded" {
  runs "0 0" "fl-source seq --count 5000 | fl-sink null --stream --log-every-n-events 2000 --log-level debug"
  said "4000 events discarded"
  runs "0 0" "fl-source seq --count 5000 | fl-sink null --stream --log-every-n-events 0 --log-level debug"
  ! grep discarded stderr
}

@test "exec.charset: lines keep their bytes; an encoding without lines is refused" {
  runs "0 0" "fl-source exec --charset ISO-8859-1 -- printf 'a\\351b\\n' | fl-sink stdout --stream"
  cmp stdout <(printf 'a\351b\n')
  runs "78 78" "fl-source exec --charset UTF-16 -- echo x | fl-sink stdout --stream"
  runs "78 78" "fl-source exec --charset klingon -- echo x | fl-sink stdout --stream"
}

@test "spooldir.fileSuffix: delivered files get it, and files that have it are passed over" {
  spool a=3
  echo old > spool/b.done
  runs "0 0" "fl-source spooldir spool --once --file-suffix .done | fl-sink stdout --stream"
  cmp stdout <(seq -f "a %.0f" 1 3)
  [ "$(ls spool)" = "$(printf 'a.done\nb.done')" ]
}

@test "spooldir.trackerDir: beside the files, or anywhere" {
  spool a=3
  for tracker in kept "$DIR/elsewhere"; do
    runs "0 0" "fl-source spooldir spool --once --tracking-policy tracker_dir --tracker-dir $tracker | fl-sink stdout --stream"
    cmp stdout <(seq -f "a %.0f" 1 3)
  done
  [ -e spool/a ]
  [ -e spool/kept/a.COMPLETED ]
  [ -e elsewhere/a.COMPLETED ]
}

@test "spooldir.fileHeaderKey: the header with the path" {
  spool a=1
  runs "0 0" "fl-source spooldir spool --once --file-header --file-header-key origin | fl-sink stdout --stream --format json"
  [ "$(jq -c .headers stdout)" = "{\"origin\":\"$DIR/spool/a\"}" ]
}

@test "spooldir.deserializer: lines are the only one" {
  spool a=2
  runs "64 64" "fl-source spooldir spool --once --deserializer AVRO | fl-sink stdout --stream"
  [ -e spool/a ]
  runs "0 0" "fl-source spooldir spool --once --deserializer LINE | fl-sink stdout --stream"
  cmp stdout <(seq -f "a %.0f" 1 2)
}

@test "spooldir.deserializer.maxLineLength: longer lines are handled by --long-line" {
  mkdir spool
  printf 'abcdefgh\nij\n' > spool/a
  runs "0 0" "fl-source spooldir spool --once --max-line-length 5 | fl-sink stdout --stream"
  cmp stdout <(printf 'abcde\nfgh\nij\n')
  mv spool/a.COMPLETED spool/b
  runs "0 0" "fl-source spooldir spool --once --max-line-length 5 --long-line truncate | fl-sink stdout --stream"
  cmp stdout <(printf 'abcde\nij\n')
}

@test "spooldir.inputCharset: UTF-8 and US-ASCII pass unchanged, others become UTF-8" {
  mkdir spool
  printf 'a\351b\n' > spool/a
  runs "0 0" "fl-source spooldir spool --once --input-charset US-ASCII | fl-sink stdout --stream"
  cmp stdout <(printf 'a\351b\n')
  mv spool/a.COMPLETED spool/b
  runs "0 0" "fl-source spooldir spool --once --input-charset ISO-8859-1 | fl-sink stdout --stream"
  cmp stdout <(printf 'aéb\n')
  printf 'aéb\n' | iconv -t UTF-16 > spool/c
  runs "0 0" "fl-source spooldir spool --once --input-charset UTF-16 | fl-sink stdout --stream"
  cmp stdout <(printf 'aéb\n')
  runs "78 78" "fl-source spooldir spool --once --input-charset klingon | fl-sink stdout --stream"
}

@test "spooldir.decodeErrorPolicy: a file stays, or bytes are replaced or left out" {
  mkdir spool
  printf 'a\0\0\330\n\0' > spool/a
  runs "65 65" "fl-source spooldir spool --once --input-charset UTF-16LE | fl-sink stdout --stream"
  [ -e spool/a ]
  for policy in REPLACE IGNORE; do
    rm -f spool/*.COMPLETED
    printf 'a\0\0\330\n\0' > spool/a
    runs "0 0" "fl-source spooldir spool --once --input-charset UTF-16LE --decode-error-policy $policy | fl-sink stdout --stream"
    if [ $policy = REPLACE ]; then cmp stdout <(printf 'a\357\277\275\n'); else cmp stdout <(echo a); fi
    said "1 malformed character"
  done
}

@test "hdfs.pathRules: an escape that does not exist is refused, or becomes nothing as in Flume" {
  runs "75 78" "fl-source seq --count 1 --ack off | fl-sink hdfs --stream 'file://$DIR/a%Q/b'"
  said "unknown escape '%Q' in PATH"
  runs "0 0" "fl-source seq --count 1 | fl-sink hdfs --path-rules flume --stream 'file://$DIR/a%Q/b'"
  said "unknown escape '%Q' in PATH: it becomes nothing"
  [ -d a/b ]
}

@test "hdfs.confDir: the cluster of that configuration" {
  mkdir conf
  echo '<configuration><property><name>fs.defaultFS</name><value>hdfs://127.0.0.1:1</value></property><property><name>dfs.namenode.http-address</name><value>127.0.0.1:1</value></property></configuration>' > conf/core-site.xml
  # Nobody listens there.
  runs "75 69" "fl-source seq --count 1 --ack off | fl-sink hdfs --stream --conf-dir conf --grace 50ms /x"
  said "127.0.0.1:1"
  runs "75 78" "fl-source seq --count 1 --ack off | fl-sink hdfs --stream --conf-dir none /x"
}

@test "hdfs.tokenFile: a file that cannot be read is named" {
  pipe "fl-source seq --count 1 --ack off | fl-sink hdfs --stream --token-file none --grace 50ms webhdfs://127.0.0.1:1/x"
  [ "$STATUS" != "0 0" ]
  said "'none'"
}

@test "hdfs.useProxy: requests go to the proxy of the environment" {
  cat > proxy.py << 'END'
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with open("port.new", "w") as file:
        file.write(str(server.getsockname()[1]))
    import os
    os.rename("port.new", "port")
    client, _ = server.accept()
    with client, open("asked", "w") as file:
        file.write(client.makefile().readline())
END
  pipe "python3 proxy.py & until [ -e port ]; do sleep 0.01; done; export http_proxy=http://127.0.0.1:\$(cat port); fl-source seq --count 1 --ack off | fl-sink hdfs --stream --use-proxy --grace 50ms webhdfs://127.0.0.1:1/x; wait \$!"
  grep -q "^GET http://127.0.0.1:1/webhdfs/" asked
}
