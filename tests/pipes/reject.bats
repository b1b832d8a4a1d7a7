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
  # Fed in again behind what was missing, and rejected ones of a second run are appended.
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
