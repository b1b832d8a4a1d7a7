# Sources with state: several of them, their locks, their windows.
load helper

@test "two stateful sources one after the other: both are acknowledged and end with 0" {
  mkdir s1 s2
  seq 1 1000 > s1/a
  seq 1001 2000 > s2/b
  runs "0 0" "(fl-source spooldir s1 --once; echo \$? > st1; fl-source spooldir s2 --once; echo \$? > st2) | fl-sink hdfs --stream $OUT"
  [ "$(cat st1 st2 | tr '\n' ' ')" = "0 0 " ]
  [ "$(completed s1)$(completed s2)" = 11 ]
  lines out | sort -n | cmp - <(seq 1 2000)
}

@test "two stateful sources behind a middle stage" {
  mkdir s1 s2
  seq 1 1000 > s1/a
  seq 1001 2000 > s2/b
  runs "0 0 0" "(fl-source spooldir s1 --once; echo \$? > st1; fl-source spooldir s2 --once; echo \$? > st2) | fl-intercept ts --stream | fl-sink hdfs --stream $OUT"
  [ "$(cat st1 st2 | tr '\n' ' ')" = "0 0 " ]
  [ "$(completed s1)$(completed s2)" = 11 ]
  lines out | sort -n | cmp - <(seq 1 2000)
}

@test "a window smaller than one file, three buckets, one with a single event, all rolls off" {
  spool many=60000 more=60000
  echo "lonely 1" > spool/lonely
  LIMIT=${LIMIT:-120} runs "0 0" "fl-source spooldir spool --once --basename-header --window 256K | fl-sink hdfs --stream --min-commit 50ms --roll-size 0 --roll-count 0 --roll-interval 0 --idle-timeout 0 $OUT/%{basename}"
  [ "$(completed)" = 3 ]
  [ "$(lines out/lonely)" = "lonely 1" ]
  [ "$(lines out/many | sort -u | wc -l)" = 60000 ]
  [ "$(lines out | wc -l)" = 120001 ]
}

@test "the same through a middle stage and a channel smaller than the window" {
  spool many=60000 more=60000
  echo "lonely 1" > spool/lonely
  LIMIT=${LIMIT:-120} runs "0 0 0 0" "fl-source spooldir spool --once --basename-header --window 1M | fl-intercept ts --stream | fl-channel memory --stream --byte-capacity 128K | fl-sink hdfs --stream --min-commit 50ms --roll-size 0 --roll-count 0 --roll-interval 0 --idle-timeout 0 $OUT/%{basename}"
  [ "$(completed)" = 3 ]
  [ "$(lines out | wc -l)" = 120001 ]
}

@test "spooldir: an empty file is one empty event, done files and dot files are left alone" {
  mkdir spool
  : > spool/empty
  echo old > spool/old.COMPLETED
  echo hidden > spool/.hidden
  runs "0 0" "fl-source spooldir spool --once | fl-sink stdout --format json --stream"
  [ "$(wc -l < stdout)" = 1 ]
  jq -e '.body == ""' stdout
  [ -e spool/empty.COMPLETED ]
  [ -e spool/.hidden ]
}

@test "spooldir: nothing to do is 0" {
  mkdir spool
  runs "0 0" "fl-source spooldir spool --once | fl-sink hdfs --stream $OUT"
}

@test "spooldir: no such directory is 78" {
  runs "78 78" "fl-source spooldir none --once | fl-sink hdfs --stream $OUT"
}

@test "exec: added lines are events, and a file is done when all of them are stored" {
  spool a=2000 b=1
  runs "0 0 0" "fl-source spooldir spool --once | fl-intercept exec --stream --lines any -- sed 'p; s/^/+/' | fl-sink hdfs --stream $OUT"
  [ "$(completed)" = 2 ]
  [ "$(lines out | wc -l)" = 4002 ]
  [ "$(lines out | grep -c '^+')" = 2001 ]
}
