# Stages with several outputs, and groups of sinks.
load helper

# A sink that fails on command, plugged in as a third party would do it: a program in PATH.
brittle() {
  mkdir -p bin
  cat > bin/fl-sink-brittle << 'END'
#!/bin/sh
# usage: fl-sink-brittle NAME EVENTS --stream: notes its start; fails while there is a file
# NAME.broken, else writes files of EVENTS into the directory NAME
echo "$1" >> starts
if [ -e "$1.broken" ]; then
  exit 69
fi
exec fl-sink hdfs --stream "file://$PWD/$1" --roll-count "$2"
END
  chmod +x bin/fl-sink-brittle
  export PATH=$DIR/bin:$PATH
}

@test "replicate: every output gets every event, acknowledged by all" {
  spool a=50000 b=1
  runs "0 0" "fl-source spooldir spool --once | fl-channel replicate --stream --out >(fl-sink hdfs --stream file://$DIR/x) --out >(fl-sink hdfs --stream file://$DIR/y)"
  [ "$(completed)" = 2 ]
  [ "$(lines x | sort | sha256sum)" = "$(lines y | sort | sha256sum)" ]
  [ "$(lines x | wc -l)" = 50001 ]
}

# Outputs that acknowledge what a test tells them to are in test_groups.py.

@test "replicate: a source with state sends nothing if one required output does not acknowledge" {
  spool a=10
  pipe "fl-source spooldir spool --once | fl-channel replicate --stream --ack-wait 300ms --out >(cat > taken) --out >(fl-sink hdfs --stream file://$DIR/y)"
  matches "69 .*"
  said "does not acknowledge: nothing sent"
  [ "$(completed)" = 0 ]
  [ -z "$(ls y 2> /dev/null)" ]
  # An optional output does not fail the stage.
  runs "0 0" "fl-source spooldir spool --once | fl-channel replicate --stream --optional 1 --ack-wait 300ms --out >(cat > taken) --out >(fl-sink hdfs --stream file://$DIR/z)"
  [ "$(completed)" = 1 ]
  [ "$(lines z | wc -l)" = 10 ]
}

@test "replicate: the loss of a required output is 75, of an optional one a warning" {
  runs "75 75" "fl-source seq --count 300000 | fl-channel replicate --stream --out >(head -c 1 > /dev/null) --out >(fl-sink hdfs --stream file://$DIR/y)"
  runs "0 0" "fl-source seq --count 300000 | fl-channel replicate --stream --optional 1 --out >(head -c 1 > /dev/null) --out >(fl-sink hdfs --stream file://$DIR/z)"
  said "optional output"
  holds_numbers z 300000
}

@test "replicate: a stopped optional output delays nothing for longer than --keep-alive" {
  mkfifo stuck
  # Holds the named pipe open and never reads.
  runs "0 0" "exec 9<> stuck; fl-source seq --count 400000 | fl-channel replicate --stream --keep-alive 50ms --optional 1 --out stuck --out >(fl-sink hdfs --stream file://$DIR/y)"
  holds_numbers y 400000
  said "is too slow"
  said "missed "
}

@test "replicate, balance: an output that is also the input is refused, and the file stays" {
  fl-source seq --count 10 > in.avro
  cp in.avro before
  for each in replicate balance; do
    runs "64" "fl-channel $each --out in.avro < in.avro"
    said "also an input"
    runs "64" "fl-channel $each --in in.avro --out in.avro"
    cmp in.avro before
  done
}

@test "replicate: readers that ask for no more end it quietly" {
  runs "0 0" "fl-source seq | fl-channel replicate --stream --out >(fl-sink stdout --stream | head -1) --out >(fl-sink stdout --stream | head -1)"
}

@test "replicate: an output that is no number or too large, or none, is usage" {
  runs "64" "fl-channel replicate --stream"
  runs "64" "fl-channel replicate --stream --out a --optional 2"
  said "outputs from 1 to 1"
  runs "64" "fl-channel replicate --stream --out a --optional x"
  runs "64" "fl-channel memory --stream --out a --out b"
}

@test "multiplex: mapped, default, optional and unmapped values" {
  # Body and header: state=CZ for c*, US for u*, none for n*.
  for each in c1:CZ u1:US c2:CZ e1: x1:XX; do
    printf '%s\n' "${each%%:*}" | fl-intercept static --key state --value "${each##*:}" > "part-${each%%:*}"
  done
  printf 'n1\n' | fl-intercept ts > part-n1
  runs "0 0" "cat part-c1 part-u1 part-c2 part-e1 part-x1 part-n1 | fl-channel multiplex --stream --header state --map CZ=1 --map US=2,3 --default 4 --optional XX=1 --out o1 --out o2 --out o3 --out o4"
  for i in 1 2 3 4; do
    fl-sink stdout --stream < "o$i" > "text$i"
  done
  [ "$(cat text1)" = "$(printf 'c1\nc2\nx1')" ]
  [ "$(cat text2)" = u1 ]
  [ "$(cat text3)" = u1 ]
  [ "$(cat text4)" = "$(printf 'e1\nx1\nn1')" ]
}

@test "multiplex: without a default an unmapped event is dropped and acknowledged, as in Flume" {
  spool a=5
  runs "0 0 0" "fl-source spooldir spool --once | fl-intercept static --stream --key k --value v | fl-channel multiplex --stream --header k --map other=1 --out o1"
  [ "$(completed)" = 1 ]
  [ "$(fl-sink stdout --stream < o1 2> /dev/null | wc -c)" = 0 ]
}

@test "multiplex: an output without events is not waited for" {
  spool a=100000
  runs "0 0 0" "fl-source spooldir spool --once --basename-header | fl-intercept static --stream --key k --value v | fl-channel multiplex --stream --header basename --map a=2 --default 1 --out >(fl-sink hdfs --stream file://$DIR/x) --out >(fl-sink hdfs --stream file://$DIR/y)"
  [ "$(completed)" = 1 ]
  [ "$(lines y | wc -l)" = 100000 ]
  [ ! -e x ] || [ "$(lines x | wc -l)" = 0 ]
}

@test "balance: all events, by turns, beginning with the first" {
  runs "0 0" "fl-source seq --count 200000 | fl-channel balance --stream --out >(fl-sink hdfs --stream file://$DIR/x) --out >(fl-sink hdfs --stream file://$DIR/y)"
  [ "$( (lines x; lines y) | sort -n | uniq | wc -l)" = 200000 ]
  [ "$(lines x | wc -l)" -gt 0 ]
  [ "$(lines y | wc -l)" -gt 0 ]
  lines x | grep -qx 0
}

@test "balance: what a killed output had not acknowledged goes to the other" {
  runs "0 0" "fl-source seq --count 300000 | fl-channel balance --stream --out >(fl-sink hdfs --stream file://$DIR/x & echo \$! > pid; wait) --out >(until [ -s pid ]; do sleep 0.01; done; kill -KILL \$(cat pid); fl-sink hdfs --stream file://$DIR/y)"
  [ "$( (lines x; lines y) | sort -n | uniq | wc -l)" = 300000 ]
}

@test "failover: the first sink that works, in the order of the list" {
  brittle
  runs "0 0" "fl-source seq --count 1000 | fl-sink failover --stream -- brittle x 1000000 + brittle y 1000000"
  [ "$(cat starts)" = x ]
  holds_numbers x 1000
  rm -r starts x
  touch x.broken
  runs "0 0" "fl-source seq --count 1000 | fl-sink failover --stream -- brittle x 1000000 + brittle y 1000000"
  [ "$(head -2 starts | tr '\n' ' ')" = "x y " ]
  holds_numbers y 1000
  said "ended with status 69"
}

@test "failover: the preferred sink takes over again after its penalty" {
  brittle
  touch x.broken
  mkfifo lines
  # Two seconds after its first failure x is tried again; until then y has everything.
  pipe "(fl-sink failover --text -- brittle x 1 + brittle y 1 < lines & exec 9> lines; echo one >&9; until [ -n \"\$(cat y/* 2> /dev/null)\" ]; do sleep 0.05; done; rm x.broken; for i in \$(seq 1 200); do echo again >&9; sleep 0.05; ls x > /dev/null 2>&1 && break; done; exec 9>&-; wait \$!)"
  matches 0
  lines x | grep -qx again
  lines y | grep -qx one
}

@test "failover: no sink works: nothing is acknowledged, and a signal ends it with 75" {
  brittle
  touch x.broken y.broken
  pipe "fl-source seq --count 3 | { fl-sink failover --stream --grace 2s -- brittle x 1 + brittle y 1 <&0 & until [ \"\$(grep -c . starts)\" -ge 2 ]; do sleep 0.05; done; kill -TERM \$!; wait \$!; echo \$? > sink; }"
  [ "$(cat sink)" = 75 ]
}

@test "failover: while the sink in use takes nothing, the others cost no time" {
  mkdir bin
  printf '#!/bin/sh\nread go < gate\nexec fl-sink hdfs --stream "file://%s/x"\n' "$DIR" > bin/fl-sink-late
  chmod +x bin/fl-sink-late
  mkfifo gate
  # More than pipe and window hold; the second sink stays free. A loop that does not sleep makes
  # tens of thousands of calls in this second.
  runs "0 0" "export PATH=$DIR/bin:\$PATH; (sleep 1; echo go > gate) & fl-source seq --count 400000 | strace -o calls -e trace=poll,ppoll fl-sink failover --stream -- late + null"
  [ "$(grep -c poll calls)" -lt 3000 ]
  holds_numbers x 400000
}

@test "failover: a source with state waits for the first sink that shakes hands" {
  brittle
  touch x.broken
  spool a=3
  runs "0 0" "fl-source spooldir spool --once | fl-sink failover --stream -- brittle x 1000 + brittle y 1000"
  [ "$(completed)" = 1 ]
  [ "$(lines y | wc -l)" = 3 ]
}

@test "group balance: both sinks share the events, none is lost" {
  brittle
  runs "0 0" "fl-source seq --count 200000 | fl-sink balance --stream -- brittle x 1000000 + brittle y 1000000"
  [ "$( (lines x; lines y) | sort -n | uniq | wc -l)" = 200000 ]
  [ "$(lines x | wc -l)" -gt 0 ] && [ "$(lines y | wc -l)" -gt 0 ]
}

@test "group balance: a sink that fails is left out" {
  brittle
  touch x.broken
  runs "0 0" "fl-source seq --count 200000 | fl-sink balance --stream --backoff -- brittle x 1000000 + brittle y 1000000"
  holds_numbers y 200000
}

@test "groups: a sink that can never work is not tried for ever" {
  runs "75 64" "fl-source seq --count 3 | fl-sink failover --stream -- nulll"
  said "nulll"
  pipe "fl-source seq --count 3 | fl-sink failover --stream -- null +"
  matches "(0|75) 64"
  runs "75 64" "fl-source seq --count 3 | fl-sink failover --stream -- nulll + null"
  runs "75 64" "fl-source seq --count 3 | fl-sink balance --stream -- null --cuont 3 + hdfs file://$DIR/x"
  runs "64" "fl-sink stdout --stream --out x"
}

@test "a wrapped writer before a stage that writes a file: nobody waits for ever" {
  LIMIT=20 runs "0 0" "timeout 15 fl-source seq --count 1000 | fl-channel memory --stream --out q1"
  LIMIT=20 runs "0 0" "(fl-source seq --count 3000; fl-source seq --count 100) | fl-channel replicate --stream --out q2 --out q3"
  LIMIT=20 runs "0 0" "(fl-source seq --count 3000; fl-source seq --count 100) | fl-intercept ts --stream > q4"
  LIMIT=20 runs "0 0" "(fl-source seq --count 3000; fl-source seq --count 100) | fl-channel balance --stream --out q5 --out q6"
  [ "$(fl-sink stdout --stream < q3 | wc -l)" = 3100 ]
  [ "$(fl-sink stdout --stream < q4 | wc -l)" = 3100 ]
}

@test "two outputs that are one file are refused" {
  pipe "fl-source seq --count 5 | fl-channel balance --stream --out m1 --out m1"
  matches "(0|75) 64"
  touch m2
  ln m2 m3
  pipe "fl-source seq --count 5 | fl-channel replicate --stream --out m2 --out m3"
  matches "(0|75) 64"
}

@test "several outputs: --metrics tells of them" {
  runs "0 0 0" "fl-source seq --count 10 | fl-channel replicate --stream --optional 2 --metrics copy.prom --out - --out >(head -c 1 > /dev/null) | fl-sink failover --stream --metrics group.prom -- null + null"
  grep -q '^fl_channel_replicate_outputs{.*} 2$' copy.prom
  grep -q '^fl_channel_replicate_events_missed_total{' copy.prom
  grep -q '^fl_sink_failover_outputs{.*} 2$' group.prom
  grep -q '^fl_sink_failover_outputs_in_use{' group.prom
  grep -q '^fl_sink_failover_events_given_again_total{.*} 0$' group.prom
}

@test "failover: a sink with a limit leaves a full disk to the next one" {
  mkdir full
  sudo -n mount -t tmpfs -o size=1m tmpfs "$DIR/full" || skip "cannot mount a tmpfs here"
  pipe "fl-source seq --count 300000 | fl-sink failover --stream -- hdfs --give-up-after 1s file://$DIR/full/x + hdfs file://$DIR/y"
  sudo -n umount -l "$DIR/full"
  matches "0 0"
  said "no progress for 1s: .*No space left on device"
  [ -n "$(files y)" ]
}
