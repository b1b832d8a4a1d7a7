# Properties of Flume that no other test of this folder sets (tests/registry/options_set.py):
# interceptors, files and what is printed. Kafka's are in test_kafka_options.py.
load helper

# The headers that a chain of interceptors gives to one line.
headers() { echo x | fl-intercept "$@" | fl-sink stdout --format json | jq -cS .headers; }

@test "timestamp: the header, and what is kept" {
  [[ $(headers timestamp --header-name at) =~ ^\{\"at\":\"[0-9]{13}\"\}$ ]]
  [ "$(headers static timestamp=5 + timestamp --preserve-existing)" = '{"timestamp":"5"}' ]
  [[ $(headers static timestamp=5 + timestamp) =~ ^\{\"timestamp\":\"[0-9]{13}\"\}$ ]]
}

@test "host: the header, and what is kept" {
  [[ $(headers host --host-header from) =~ ^\{\"from\":\"[^\"]+\"\}$ ]]
  [ "$(headers static host=mine + host --preserve-existing)" = '{"host":"mine"}' ]
  [ "$(headers static host=mine + host)" != '{"host":"mine"}' ]
}

@test "uuid: the text before it, and what is kept" {
  [[ $(headers uuid --prefix id-) =~ ^\{\"id\":\"id-[0-9a-f]{8}-[0-9a-f-]{27}\"\}$ ]]
  [ "$(headers static id=mine + uuid)" = '{"id":"mine"}' ]
  [ "$(headers static id=mine + uuid --preserve-existing=false)" != '{"id":"mine"}' ]
}

@test "remove_header: one name with commas, names that match, and another separator" {
  local all=(static a,b=1 + static c=2 + static cc=3 + static d=4 +)
  [ "$(headers "${all[@]}" remove_header --with-name a,b)" = '{"c":"2","cc":"3","d":"4"}' ]
  [ "$(headers "${all[@]}" remove_header --matching 'c+')" = '{"a,b":"1","d":"4"}' ]
  [ "$(headers "${all[@]}" remove_header --from-list 'a,b;d' --from-list-separator ';')" = '{"c":"2","cc":"3"}' ]
  [ "$(headers "${all[@]}" remove_header --from-list 'a,b,d')" = '{"a,b":"1","c":"2","cc":"3"}' ]
}

@test "search_replace.charset: the expression sees characters of that encoding" {
  runs "0 0 0" "printf 'a\\351b\\n' | fl-intercept search_replace é e --charset ISO-8859-1 | fl-sink stdout --stream"
  cmp stdout <(printf 'aeb\n')
  runs "0 0 0" "printf 'a\\351b\\n' | fl-intercept search_replace é e | fl-sink stdout --stream"
  cmp stdout <(printf 'a\351b\n')
}

@test "logger.maxBytesToLog: how much of a body is shown" {
  runs "0 0" "echo 0123456789 | fl-sink logger --max-bytes-to-log 4"
  grep -q 'body: 30 31 32 33 .*0123 }$' stdout
  ! grep -q 34 stdout
}

@test "appendNewline: bodies end as they are" {
  mkdir rolled
  runs "0 0" "printf 'a\\nb\\n' | fl-sink file_roll rolled --append-newline=false"
  cmp rolled/* <(printf ab)
  runs "0 0" "printf 'a\\nb\\n' | fl-sink hdfs $OUT --append-newline=false"
  cmp out/* <(printf ab)
}

@test "spooldir.deletePolicy: delivered files go" {
  spool a=2 b=2
  runs "0 0" "fl-source spooldir spool --once --delete-policy immediate | fl-sink null --stream"
  [ -z "$(ls spool)" ]
}

@test "spooldir.ignorePattern: such files are left alone" {
  spool a.log=2 a.tmp=2
  runs "0 0" "fl-source spooldir spool --once --ignore-pattern '.*\\.tmp' | fl-sink stdout --stream"
  cmp stdout <(seq -f "a.log %.0f" 1 2)
  [ -e spool/a.tmp ]
}

@test "spooldir.consumeOrder: by the time of the last change" {
  local order
  for order in oldest youngest; do
    rm -rf spool
    spool b=1 a=1 c=1
    touch -d 2024-01-02 spool/a
    touch -d 2024-01-01 spool/b
    touch -d 2024-01-03 spool/c
    runs "0 0" "fl-source spooldir spool --once --consume-order $order | fl-sink stdout --stream"
    if [ $order = oldest ]; then cmp stdout <(printf '%s 1\n' b a c); else cmp stdout <(printf '%s 1\n' c a b); fi
  done
}

# ---- files of the hdfs sink

# An event at 2024-02-29T12:34:56Z.
at_noon() { echo x | fl-intercept static timestamp=1709210096000; }

@test "hdfs.round: times in paths are rounded down" {
  at_noon > event
  runs "0 0" "cat event | fl-sink hdfs --time-zone UTC $OUT/%H%M%S"
  runs "0 0" "cat event | fl-sink hdfs --time-zone UTC --round --round-value 10 --round-unit minute $OUT/%H%M%S"
  runs "0 0" "cat event | fl-sink hdfs --time-zone UTC --round --round-value 5 --round-unit hour $OUT/%H%M%S"
  [ "$(ls out | tr '\n' ' ')" = "100000 123000 123456 " ]
}

@test "hdfs.useLocalTimeStamp: the time of this host" {
  at_noon > event
  runs "0 0" "cat event | fl-sink hdfs --use-local-time-stamp $OUT/%Y"
  [ "$(ls out)" = "$(date +%Y)" ]
}

@test "hdfs.fileType, writeFormat and compressType: a SequenceFile says what it is" {
  runs "0 0" "seq 100 | fl-sink hdfs $OUT --file-type SequenceFile --write-format Text"
  head -c 100 out/* | grep -aq '^SEQ.*LongWritable.*org.apache.hadoop.io.Text'
  runs "0 0" "seq 100 | fl-sink hdfs $OUT-2 --file-type SequenceFile"
  head -c 100 out-2/* | grep -aq BytesWritable
  local kind bytes
  for kind in block record; do
    runs "0 0" "seq 100 | fl-sink hdfs $OUT-$kind --file-type SequenceFile --code-c gzip --compress-type $kind"
    bytes=$(od -An -v -tx1 -N 100 out-$kind/* | tr -d ' \n')
    # After the names of the classes (the last is BytesWritable): compressed, in blocks.
    bytes=${bytes#*42797465735772697461626c65}
    if [ $kind = block ]; then [ "${bytes:0:4}" = 0101 ]; else [ "${bytes:0:4}" = 0100 ]; fi
  done
}

@test "hdfs.compressionLevel: files are smaller" {
  seq 30000 > numbers
  runs "0 0" "cat numbers | fl-sink hdfs $OUT-1 --code-c zstd --compression-level 1"
  runs "0 0" "cat numbers | fl-sink hdfs $OUT-9 --code-c zstd --compression-level 9"
  [ "$(stat -c %s out-9/*)" -lt "$(stat -c %s out-1/*)" ]
  runs "0 0" "fl-source stdin --decompress auto out-9/* | fl-sink stdout --stream"
  cmp stdout numbers
}

@test "hdfs.spoolDir: where files are collected" {
  runs "0 73" "echo x | fl-sink hdfs --spool-dir missing --grace 0 webhdfs://127.0.0.1:1/x"
  said "missing"
}

@test "hdfs.rollSize: a file ends at so many bytes" {
  runs "0 0" "seq 100 199 | fl-sink hdfs $OUT --roll-size 90"
  [ "$(files out | wc -l)" -ge 3 ]
  lines out | sort | cmp - <(seq 100 199)
}

@test "serializer.compressionCodec: the codec of an Avro file" {
  runs "0 0" "seq 900 | fl-sink hdfs $OUT --serializer avro_event --compression-codec deflate"
  head -c 400 out/* | grep -aq deflate
  cmp <(fl-sink stdout < out/*) <(seq 900)
}

@test "serializer.syncIntervalBytes, schemaURL and schemaDir: Avro files" {
  runs "0 0" "seq 900 | fl-sink hdfs $OUT-large --serializer avro_event"
  runs "0 0" "seq 900 | fl-sink hdfs $OUT-small --serializer avro_event --sync-interval-bytes 100"
  [ "$(stat -c %s out-small/*)" -gt "$(stat -c %s out-large/*)" ]
  cmp <(fl-sink stdout < out-small/*) <(seq 900)
  mkdir schemas
  echo '{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}' > schemas/r.avsc
  # A record of one long: 1.
  printf '\2\n' > record
  runs "0 0" "cat record | fl-sink hdfs --text $OUT-url --serializer avro_schema --schema-url $DIR/schemas/r.avsc"
  head -c 200 out-url/* | grep -aq '"name":"id"'
  fl-intercept static "flume.avro.schema.url=file://$DIR/schemas/r.avsc" --text < record > event
  runs "0 0" "cat event | fl-sink hdfs $OUT-dir --serializer avro_schema --schema-dir $DIR/schemas"
  head -c 200 out-dir/* | grep -aq '"name":"id"'
  pipe "cat event | fl-sink hdfs $OUT-none --serializer avro_schema"
  [ "$STATUS" != "0 0" ]
}
