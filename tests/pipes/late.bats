# Readers that start late, named pipes, other users, wrappers. Lateness is far above --ack-wait.
load helper

WAIT="--ack-wait 500ms"
LATE=${FL_TEST_LATE:-2}

@test "a reader that starts late: the header lies untouched, so the stages wait" {
  runs "0 0" "fl-source seq --count 1000 $WAIT | (sleep $LATE; exec fl-sink hdfs --stream $OUT)"
  holds_numbers out 1000
  spool a=1000
  runs "0 0" "fl-source spooldir spool --once $WAIT | (sleep $LATE; exec fl-sink hdfs --stream $OUT-2)"
  [ "$(completed)" = 1 ]
}

@test "a reader that starts late behind a middle stage" {
  runs "0 0 0" "fl-source seq --count 1000 $WAIT | fl-intercept ts --stream $WAIT | (sleep $LATE; exec fl-sink hdfs --stream $OUT)"
  holds_numbers out 1000
  spool a=1000
  runs "0 0 0" "fl-source spooldir spool --once $WAIT | fl-intercept ts --stream $WAIT | (sleep $LATE; exec fl-sink hdfs --stream $OUT-2)"
  [ "$(completed)" = 1 ]
}

@test "a late reader behind a middle stage and a channel, more data than pipes hold" {
  spool a=200000
  runs "0 0 0 0" "fl-source spooldir spool --once $WAIT | fl-intercept ts --stream $WAIT | fl-channel memory --stream $WAIT | (sleep $LATE; exec fl-sink hdfs --stream $OUT)"
  [ "$(completed)" = 1 ]
  [ "$(lines out | wc -l)" = 200000 ]
}

@test "a named pipe, opened by the shell" {
  mkfifo p
  runs "0" "fl-source seq --count 1000 > p & p1=\$!; fl-sink hdfs --stream $OUT < p; s=\$?; wait \$p1 || echo failed >&2; (exit \$s)"
  [ "$(grep -c failed stderr)" = 0 ]
  holds_numbers out 1000
}

@test "a named pipe, opened by --in and --out, from a source with state" {
  mkfifo p
  spool a=1000
  runs "0" "fl-source spooldir spool --once --out p & p1=\$!; fl-sink hdfs --stream --in p $OUT; s=\$?; wait \$p1 || echo failed >&2; (exit \$s)"
  [ "$(grep -c failed stderr)" = 0 ]
  [ "$(completed)" = 1 ]
  [ "$(lines out | wc -l)" = 1000 ]
}

@test "wrappers that hold the pipe open: timeout, sh -c, a subshell" {
  runs "0 0" "timeout 60 fl-source seq --count 1000 | fl-sink hdfs --stream $OUT"
  runs "0 0" "sh -c 'fl-source seq --count 1000; exit \$?' | fl-sink hdfs --stream $OUT-2"
  runs "0 0" "(fl-source seq --count 1000) | fl-sink hdfs --stream $OUT-3"
  holds_numbers out-3 1000
}

as_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }

# The programs where user nobody may run them, and a directory that it may write to.
for_nobody() {
  as_root
  mkdir bin
  cp "$FL_BIN"/fl-* bin/
  chmod -R a+rX bin
  mkdir -m 777 theirs
  # sudo clears FL_RUNTIME_DIR: the default place is meant here.
  THEIR_SOCKETS=/tmp/fl-$(id -u nobody)
  [ -e "$THEIR_SOCKETS" ] || REMOVE_SOCKETS=yes
}

@test "sudo -u OTHER on the sink's side" {
  for_nobody
  spool a=1000
  runs "0 0" "fl-source spooldir spool --once | sudo -n -u nobody bin/fl-sink hdfs --stream file://$DIR/theirs/out"
  [ "$(completed)" = 1 ]
  [ "$(lines theirs/out | wc -l)" = 1000 ]
}

@test "sudo -u OTHER in the middle" {
  for_nobody
  spool a=1000
  pipe "fl-source spooldir spool --once $WAIT | sudo -n -u nobody bin/fl-intercept ts --stream $WAIT | fl-sink hdfs --stream $OUT"
  [ "${REMOVE_SOCKETS:-}" = "" ] || rm -rf "$THEIR_SOCKETS"
  matches "0 0 0"
  [ "$(completed)" = 1 ]
  [ "$(lines out | wc -l)" = 1000 ]
}

@test "sudo -u OTHER on the source's side" {
  for_nobody
  pipe "sudo -n -u nobody bin/fl-source seq --count 1000 $WAIT | fl-sink hdfs --stream $OUT"
  [ "${REMOVE_SOCKETS:-}" = "" ] || rm -rf "$THEIR_SOCKETS"
  matches "0 0"
  holds_numbers out 1000
}

@test "sudo on both sides as the same user" {
  for_nobody
  runs "0 0" "sudo -n -u nobody bin/fl-source seq --count 1000 | sudo -n -u nobody bin/fl-sink hdfs --stream file://$DIR/theirs/out"
  [ "${REMOVE_SOCKETS:-}" = "" ] || rm -rf "$THEIR_SOCKETS"
  holds_numbers theirs/out 1000
}
