# Readers and middlemen that know nothing of acknowledgements (fl-ack(7)).
#
# "spooldir" stands for a source with state: it may forget nothing that is not safe. "seq" stands
# for one without.
load helper

WAIT="--ack-wait 500ms"

@test "the answer into head -1: all end quietly with 0" {
  runs "0 0 0" "fl-source seq | fl-sink stdout --stream | head -1"
  [ "$(cat stdout)" = 0 ]
}

@test "the answer into head -1 behind a middle stage" {
  runs "0 0 0 0" "fl-source seq | fl-intercept ts --stream | fl-sink stdout --stream | head -1"
  [ "$(cat stdout)" = 0 ]
}

@test "the answer into head -1 from a source with state: it forgets nothing and says 75" {
  # More than the pipes hold, so that head closes while there is something left.
  spool a=200000
  runs "75 0 0" "fl-source spooldir spool --once | fl-sink stdout --stream | head -1"
  [ "$(completed)" = 0 ]
}

@test "a stream into head -1: nobody acknowledged, so not 0" {
  runs "75 0" "fl-source seq | head -1"
  runs "75 75 0" "fl-source seq | fl-intercept ts --stream | head -1"
}

@test "the answer into jq" {
  runs "0 0 0" "fl-source seq --count 1000 | fl-sink stdout --format json --stream | jq -r .body"
  seq 0 999 | cmp - stdout
}

@test "a stream into jq: nothing is forgotten" {
  spool a=10
  pipe "fl-source spooldir spool --once $WAIT | jq ."
  matches "(69|75) .*"
  [ "$(completed)" = 0 ]
}

@test "into cat > /dev/null: handed over for a source without state" {
  runs "0 0" "fl-source seq --count 200000 | cat > /dev/null"
}

@test "into cat: a source with state stops with 69, sends nothing and names --ack=off" {
  spool a=10
  runs "69 0" "fl-source spooldir spool --once $WAIT | cat > taken"
  said "ack=off"
  said "ack-wait"
  [ "$(completed)" = 0 ]
  # The header went out, no event; and its writer failed, which its socket still says.
  runs "0 75" "cat taken | fl-sink stdout --stream"
  [ ! -s stdout ]
}

@test "into cat with --ack=off: handed over is delivered" {
  spool a=10
  runs "0 0" "fl-source spooldir spool --once --ack=off | cat > taken"
  [ "$(completed)" = 1 ]
  runs "0 0" "cat taken | fl-sink stdout --stream"
  [ "$(wc -l < stdout)" = 10 ]
}

@test "a middle stage before a foreign reader: handed on" {
  runs "0 0 0" "fl-source seq --count 100000 | fl-intercept ts --stream $WAIT | cat > /dev/null"
  spool a=10
  pipe "fl-source spooldir spool --once | fl-intercept ts --stream $WAIT | cat > /dev/null"
  matches "69 69 0"
  [ "$(completed)" = 0 ]
}

@test "through tee into a file" {
  runs "0 0 0" "fl-source seq --count 100000 | tee f | fl-sink hdfs --stream $OUT"
  holds_numbers out 100000
  runs "0 0" "cat f | fl-sink stdout --stream"
  seq 0 99999 | cmp - stdout
}

@test "through tee, from a source with state" {
  spool a=1000 b=1000
  runs "0 0 0" "fl-source spooldir spool --once | tee f | fl-sink hdfs --stream $OUT"
  [ "$(completed)" = 2 ]
  [ "$(lines out | wc -l)" = 2000 ]
}

@test "through tee into two sinks: both are true, the source names replicate" {
  runs "0 0 0" "fl-source seq --count 100000 | tee >(fl-sink hdfs --stream $OUT-1; echo \$? > inner) | fl-sink hdfs --stream $OUT-2"
  wait_for inner .
  [ "$(cat inner)" = 0 ]
  holds_numbers out-1 100000
  holds_numbers out-2 100000
  said replicate
}

@test "through tee into two sinks: both hear how a short stream ends" {
  local source i
  for source in "seq --count 1" "spooldir missing --once" "exec -- sh -c 'seq 10; exit 3'"; do
    for i in {1..10}; do
      rm -f inner
      pipe "fl-source $source | tee >(fl-sink null --stream; echo \$? > inner) | fl-sink null --stream"
      wait_for inner .
      # tee may have been killed by the pipe of the reader that ended first.
      matches "(0|69|78) (0|141) ${STATUS%% *}"
      STATUS="${STATUS%% *} $(cat inner)" matches "${STATUS%% *} ${STATUS%% *}"
    done
  done
}

@test "through pv" {
  runs "0 0 0" "fl-source seq --count 100000 | pv -q | fl-sink hdfs --stream $OUT"
  holds_numbers out 100000
  spool a=1000
  runs "0 0 0" "fl-source spooldir spool --once | pv -q | fl-sink hdfs --stream $OUT-spool"
  [ "$(completed)" = 1 ]
}

@test "into a regular file: written and synced is safe" {
  runs "0" "fl-source seq --count 1000 > s"
  runs "0 0" "cat s | fl-sink stdout --stream"
  seq 0 999 | cmp - stdout
  spool a=10
  runs "0" "fl-source spooldir spool --once > t"
  [ "$(completed)" = 1 ]
}

@test "into /dev/null: foreign at once" {
  runs "0" "fl-source seq --count 100000 > /dev/null"
  spool a=10
  # With a wait this long the pipeline's limit would end it.
  LIMIT=20 runs "69" "fl-source spooldir spool --once --ack-wait 60s > /dev/null"
  [ "$(completed)" = 0 ]
  runs "0" "fl-source spooldir spool --once --ack=off > /dev/null"
  [ "$(completed)" = 1 ]
}

@test "into /dev/full: not 0" {
  pipe "fl-source seq --count 1000 > /dev/full"
  matches "(74|75)"
  pipe "printf 'a\n' | fl-sink stdout > /dev/full"
  matches "0 74"
}

@test "into a process substitution" {
  runs "0" "fl-source seq --count 100000 > >(fl-sink hdfs --stream $OUT; echo \$? > inner)"
  wait_for inner .
  [ "$(cat inner)" = 0 ]
  holds_numbers out 100000
  spool a=1000
  runs "0" "fl-source spooldir spool --once > >(fl-sink hdfs --stream $OUT-spool)"
  [ "$(completed)" = 1 ]
}

@test "from a process substitution" {
  runs "0" "fl-sink hdfs --stream --in <(fl-source seq --count 1000; echo \$? > inner) $OUT"
  wait_for inner .
  [ "$(cat inner)" = 0 ]
  holds_numbers out 1000
}

@test "a sink that fails leaves no stage before it with 0" {
  printf x > blocked
  pipe "fl-source seq --count 1000 | fl-intercept ts --stream | fl-sink hdfs --stream file://$DIR/blocked/dir"
  matches "75 75 (73|74|77|78)"
}

@test "a source that fails leaves no stage behind it with 0" {
  runs "78 78 78" "fl-source spooldir ./none --once | fl-intercept ts --stream | fl-sink hdfs --stream $OUT"
}

@test "--explain names the guarantee of the whole pipeline" {
  spool a=10
  runs "0 0 0" "fl-source spooldir spool --once --explain | fl-intercept ts --stream | fl-sink hdfs --stream $OUT"
  said "closed and renamed\|renamed"
}
