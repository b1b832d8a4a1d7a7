# Sourced by the bats files of this folder.
#
# Each test runs in a directory of its own, with our programs in PATH, sockets in ./run and no
# Hadoop configuration. A pipeline runs under a limit of $LIMIT seconds (60).

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
FL_BIN=${FL_BIN:-$ROOT/build/dev/bin}

setup() {
  DIR=$(mktemp -d "${TMPDIR:-/tmp}/fl-test-XXXXXX")
  chmod 755 "$DIR"
  cd "$DIR" || return 1
  mkdir -m 1733 run
  mkdir home
  export FL_RUNTIME_DIR=$DIR/run HOME=$DIR/home PATH=$FL_BIN:$PATH LC_ALL=C.UTF-8
  unset HADOOP_CONF_DIR HADOOP_HOME HADOOP_USER_NAME RUNTIME_DIRECTORY
  OUT=file://$DIR/out
  GROUPS_USED=()
}

teardown() {
  local group
  for group in "${GROUPS_USED[@]}"; do
    kill -KILL -- "-$group" 2> /dev/null || true
  done
  cd / && rm -rf "$DIR"
}

# Runs a line of shell. Then $STATUS has the statuses of its last pipeline ("0 0 75"), and the files
# stdout and stderr what it said.
pipe() {
  # timeout makes itself the leader of a process group, which teardown ends.
  timeout --kill-after=1 "${LIMIT:-60}" bash -c "$1
echo \"\${PIPESTATUS[*]}\" > status" > stdout 2> stderr < "${STDIN:-/dev/null}" 3>&- &
  local pid=$!
  GROUPS_USED+=("$pid")
  if ! wait "$pid" || [ ! -s status ]; then
    STATUS=none
    echo "no end within ${LIMIT:-60} s, or a broken line: $1"
    cat stderr
    return 1
  fi
  STATUS=$(cat status)
}

# The statuses match the extended regular expression as a whole.
matches() {
  [[ "$STATUS" =~ ^($1)$ ]] && return 0
  echo "statuses $STATUS, expected $1"
  cat stderr
  return 1
}

# pipe(), and the statuses must be these.
runs() {
  pipe "$2" && matches "$1" && return 0
  echo "in: $2"
  return 1
}

# A file's content comes to match a pattern within 30 s.
wait_for() {
  local i
  for ((i = 0; i < 3000; i++)); do
    ! grep -qs -e "$2" "$1" || return 0
    sleep 0.01
  done
  echo "no '$2' in $1 within 30 s"
  return 1
}

said() {
  grep -q -e "$1" stderr && return 0
  echo "stderr does not say '$1':"
  cat stderr
  return 1
}

# Files with a final name, and their lines.
files() { find "$1" -type f ! -name '_*' ! -name '.*' ! -name '*.tmp' | sort; }
lines() { files "$1" | xargs -r cat; }

# The directory holds exactly the numbers 0 to N-1, in order within each file.
holds_numbers() {
  local found
  found=$(lines "$1" | sort -n | cmp - <(seq 0 $(($2 - 1))) 2>&1) || {
    echo "$1 does not hold 0..$(($2 - 1)): $found; $(lines "$1" | wc -l) lines"
    return 1
  }
}

# A directory with files for spooldir: spool NAME=LINES...
spool() {
  mkdir -p spool
  local each
  for each; do
    seq -f "${each%%=*} %.0f" 1 "${each##*=}" > "spool/${each%%=*}"
  done
}
completed() { find "${1:-spool}" -name '*.COMPLETED' | wc -l; }
