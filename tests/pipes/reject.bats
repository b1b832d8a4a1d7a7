# Events that a destination will never take (--reject).
load helper

@test "reject: an event that the path cannot take is kept with its reason, and can be fed in again" {
  printf 'no time\n' | fl-intercept static --key a --value b > first
  printf 'time\n' | fl-intercept ts > second
  runs "0 0" "cat first second first | fl-sink hdfs --stream 'file://$DIR/out/%Y' --reject bad.avro"
  [ "$(cat out/*/*)" = time ]
  said "2 events rejected"
  [ "$(fl-sink stdout --stream --format json < bad.avro | jq -r '.body + " " + .headers.a' | uniq)" = "no time b" ]
  fl-sink stdout --stream --format json < bad.avro | jq -r '.headers["fl.reject.reason"]' | grep -q timestamp
  # Fed in again after what was missing, and rejected ones of a second run are appended.
  runs "0 0 0" "cat bad.avro | fl-intercept ts --stream | fl-sink hdfs --stream 'file://$DIR/again/%Y'"
  [ "$(cat again/*/* | wc -l)" = 2 ]
  runs "0 0" "cat first | fl-sink hdfs --stream 'file://$DIR/out/%Y' --reject bad.avro"
  [ "$(fl-sink stdout --stream < bad.avro | wc -l)" = 3 ]
}

@test "reject: without it such an event is 65 and nothing is acknowledged" {
  spool a=1
  pipe "fl-source spooldir spool --once | fl-sink hdfs --stream 'file://$DIR/out/%Y'"
  matches "75 65"
  said "reject FILE"
  [ "$(completed)" = 0 ]
}

@test "reject: the file is locked, must be a stream, and a torn end is cut off" {
  printf 'no time\n' | fl-intercept static --key a --value b > first
  printf 'plain text\n' > mine
  runs "0 73" "cat first | fl-sink hdfs --stream 'file://$DIR/out/%Y' --reject mine"
  [ "$(cat mine)" = "plain text" ]
  runs "0 0" "cat first | fl-sink hdfs --stream 'file://$DIR/out/%Y' --reject bad.avro"
  whole=$(stat -c %s bad.avro)
  head -c 40 bad.avro >> bad.avro.part
  cat bad.avro.part >> bad.avro
  runs "0 0" "cat first | fl-sink hdfs --stream 'file://$DIR/out/%Y' --reject bad.avro"
  said "cut off"
  [ "$(fl-sink stdout --stream < bad.avro | wc -l)" = 2 ]
  runs "0 75" "exec 9< bad.avro; flock 9; cat first | fl-sink hdfs --stream 'file://$DIR/out/%Y' --reject bad.avro"
  said "in use"
}

@test "reject: an event that an expression takes too long for is kept, and the others go on" {
  # Steps without end, in a body that stays as it is.
  printf '%s\n' one "$(printf 'a%.0s' {1..40})b" two > in
  for interceptor in "regex_filter --invert '(a+)+\$'" "search_replace '(a+)+\$' x"; do
    rm -f bad.avro
    runs "0 0" "fl-intercept $interceptor --reject bad.avro < in | fl-sink stdout --stream"
    [ "$(cat stdout)" = "$(printf 'one\ntwo')" ]
    said "1 event rejected and kept in 'bad.avro'"
    [ "$(fl-sink stdout --stream < bad.avro)" = "$(sed -n 2p in)" ]
    fl-sink stdout --stream --format json < bad.avro | jq -r '.headers["fl.reject.reason"]' | grep -q limit
    runs "65 65" "fl-intercept $interceptor < in | fl-sink stdout --stream"
    said "reject FILE"
  done
}

@test "reject: acknowledged only when it is on disk" {
  mkdir spool
  printf '%s\n' "$(printf 'a%.0s' {1..40})b" > spool/a
  runs "0 0 0" "fl-source spooldir spool --once | fl-intercept regex_filter '(a+)+\$' --stream --reject bad.avro | fl-sink null --stream"
  [ "$(completed)" = 1 ]
  [ "$(fl-sink stdout --stream < bad.avro | wc -l)" = 1 ]
}

@test "reject: the file is no input of the same stage" {
  fl-source seq --count 3 > in.avro
  cp in.avro before
  runs "64" "fl-sink null --stream --reject in.avro < in.avro"
  said "also an input"
  runs "64" "fl-sink null --stream --reject in.avro --in in.avro"
  cmp in.avro before
}

@test "reject: the message about a line of a spool file without it names both remedies" {
  mkdir -p spool
  printf 'one\nlonger than ten\ntwo\n' > spool/a
  runs "65 65" "fl-source spooldir spool --once --max-line 10 --long-line reject | fl-sink stdout --stream"
  said "reject FILE"
  said "long-line split"
}
