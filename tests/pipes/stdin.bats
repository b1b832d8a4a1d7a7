# Text in, statuses, help: what one stage or two do with ordinary and with wrong input.
load helper

@test "two lines flow through an interceptor into a file and are acknowledged" {
  runs "0 0 0" "printf 'a\nb\n' | fl-intercept ts | fl-sink hdfs --stream $OUT"
  [ "$(lines out)" = "$(printf 'a\nb')" ]
  [ "$(find run -mindepth 1 | wc -l)" = 0 ]
}

@test "a last line without newline is an event" {
  runs "0 0" "printf 'a\nb' | fl-sink stdout"
  [ "$(cat stdout)" = "$(printf 'a\nb')" ]
}

@test "any bytes pass unchanged" {
  for i in $(seq 1 255); do [ "$i" = 10 ] || printf "%b" "\\x$(printf %x "$i")"; done > bytes
  printf '\n' >> bytes
  runs "0 0 0 0" "cat bytes | fl-source stdin | fl-intercept ts --stream | fl-sink stdout --stream"
  cmp bytes stdout
}

@test "a byte order mark of UTF-8 belongs to no event" {
  printf '\xef\xbb\xbfone\n\xef\xbb\xbftwo\n' > marked
  printf 'one\n\xef\xbb\xbftwo\n' > expected    # in the middle it is text
  gzip -k marked
  local pipeline
  for pipeline in "cat marked | fl-sink stdout" "cat marked | fl-source stdin | fl-sink stdout" \
    "fl-source stdin marked | cat | fl-sink stdout" \
    "fl-source stdin --decompress auto marked.gz | cat | fl-sink stdout"; do
    bash -c "$pipeline" > stdout 2> stderr
    cmp expected stdout
    [ "$(grep -c "byte order mark" stderr)" = 1 ]
  done
  fl-sink stdout --text < marked | cmp marked
}

@test "empty input is no events, said, and 0" {
  runs "0 0" ": | fl-sink hdfs $OUT"
  said "0 events"
  runs "0 0 0" ": | fl-source stdin | fl-sink hdfs --stream $OUT"
  [ ! -d out ] || [ -z "$(files out)" ]
}

@test "empty input with --stream is 65" {
  runs "0 65" ": | fl-sink hdfs --stream $OUT"
  runs "0 65 65" ": | fl-intercept ts --stream | fl-sink null --stream"
}

@test "NUL or control characters in detection are 65" {
  runs "0 65" "printf 'a\0b\n' | fl-sink null"
  runs "0 65" "printf 'ab\004\n' | fl-sink null"
  runs "0 65" "head -c 4096 /dev/zero | fl-sink null"
  runs "0 0" "printf 'tab\t form\f esc\033[0m cr\r\n' | fl-sink null"
  runs "0 0" "printf 'a\001b\002c\n' | fl-sink null"  # Hive's separators
}

@test "NUL passes through fl-source stdin and --text" {
  runs "0 0 0" "printf 'a\0b\n' | fl-source stdin | fl-sink stdout --stream"
  printf 'a\0b\n' | cmp - stdout
  runs "0 0" "printf 'a\0b\n' | fl-sink stdout --text"
  printf 'a\0b\n' | cmp - stdout
}

@test "text where a stream was promised is 65, a stream where text was promised is bytes" {
  runs "0 65" "printf 'hello\n' | fl-sink null --stream"
  runs "0" "fl-source seq --count 3 > s"
  runs "0 0" "cat s | fl-sink stdout --text"
  head -c 3 stdout | grep -q Obj
}

@test "fl-source stdin reads files and delimiters" {
  printf 'a\n' > f1
  printf 'b' > f2
  runs "0 0" "fl-source stdin f1 f2 | fl-sink stdout --stream"
  [ "$(cat stdout)" = "$(printf 'a\nb')" ]
  runs "0 0 0" "printf 'a\0b\nc\0' | fl-source stdin --null-data | fl-sink stdout --format json --stream"
  [ "$(wc -l < stdout)" = 2 ]
  runs "0 0 0" "printf 'a;b;c' | fl-source stdin --delimiter ';' | fl-sink stdout --stream"
  [ "$(wc -l < stdout)" = 3 ]
}

@test "a missing file is an error, and every stage says so by its status" {
  pipe "fl-source stdin ./no-such-file | fl-intercept ts --stream | fl-sink hdfs --stream $OUT"
  matches "78 78 78"
  said "no-such-file"
}

@test "long lines are split, truncated or rejected" {
  head -c 25 /dev/zero | tr '\0' x > long
  runs "0 0 0" "cat long | fl-source stdin --max-line 10 | fl-sink stdout --stream"
  [ "$(awk '{print length($0)}' stdout | tr '\n' ' ')" = "10 10 5 " ]
  runs "0 0 0" "cat long | fl-source stdin --max-line 10 --long-line truncate | fl-sink stdout --stream"
  [ "$(awk '{print length($0)}' stdout | tr '\n' ' ')" = "10 " ]
  pipe "(cat long; echo; echo ok) | fl-source stdin --max-line 10 --long-line reject | fl-sink stdout --stream"
  [ "$(cat stdout)" = ok ]
}

@test "every tool has help and a version" {
  local tool count=0
  for tool in "$FL_BIN"/fl-*; do
    [[ $tool != *.so ]] || continue
    count=$((count + 1))
    "$tool" --help > help
    [ -s help ]
    "$tool" --version | grep -q '[0-9]'
    if "$tool" --help > /dev/full 2> err; then
      echo "$tool --help says 0 when it cannot write"
      return 1
    fi
  done
  [ $count -ge 5 ]
  fl-sink list | grep -q hdfs
}

@test "usage errors are 64 and name what is known" {
  runs "64" "fl-sink nul"
  said null
  runs "64" "fl-sink null --grase 3"
  said grace
  runs "64" "fl-intercept"
}

@test "with a terminal as input and nothing to read: help and 64" {
  run timeout 30 script -qec "fl-sink null; echo status=\$?" /dev/null < /dev/null
  [[ "$output" == *status=64* ]]
}

@test "a saved stream is read quietly, and with --need-end refused" {
  runs "0" "fl-source seq --count 10 > s"
  runs "0 0" "cat s | fl-sink stdout --stream"
  [ "$(wc -l < stdout)" = 10 ]
  runs "0 65" "cat s | fl-sink null --stream --need-end"
}

@test "an empty input ends with 0, and with --need-end or --stream with 65" {
  runs "0 0" ": | fl-sink null"
  runs "0 65" ": | fl-sink null --need-end"
  runs "0 65" ": | fl-sink null --stream"
  runs "0 65" ": | fl-channel file log --put --need-end"
  runs "0 65 65" ": | fl-intercept ts --need-end | fl-sink null --stream"
}

@test "streams one after the other are one input" {
  runs "0" "fl-source seq --count 10 > a"
  runs "0" "fl-source seq --count 5 > b"
  runs "0 0 0" "cat a b | fl-intercept ts | fl-sink stdout --stream"
  [ "$(wc -l < stdout)" = 15 ]
}

@test "a stream that is cut is 65 and its whole blocks count" {
  runs "0" "fl-source seq --count 5000 > s"
  size=$(stat -c %s s)
  head -c $((size - 9)) s > cut
  runs "0 65" "cat cut | fl-sink hdfs --stream $OUT"
  holds_numbers out 4000  # the last of five blocks is not whole
}

@test "regex_filter drops events and acknowledgements still add up" {
  runs "0 0 0" "fl-source seq --count 100000 | fl-intercept regex_filter --regex 7 --stream | fl-sink hdfs --stream $OUT"
  [ "$(lines out | wc -l)" = "$(seq 0 99999 | grep -c 7)" ]
  runs "0 0 0" "fl-source seq --count 100000 | fl-intercept regex_filter --regex nothing --stream | fl-sink hdfs --stream $OUT-none"
}

@test "interceptors chain with +" {
  runs "0 0 0" "printf 'a\n' | fl-intercept ts + static --key dc --value ams | fl-sink stdout --format json --stream"
  jq -e '.headers.dc == "ams" and (.headers.timestamp | length) == 13' stdout
}

@test "a channel merges several inputs" {
  mkfifo p q
  runs "0 0" "fl-source seq --count 1000 > p & fl-source seq --count 500 > q &
    fl-channel memory --in p --in q | fl-sink hdfs --stream $OUT"
  [ "$(lines out | wc -l)" = 1500 ]
}
