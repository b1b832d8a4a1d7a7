# --codec: a compressed stream between stages, in files and on the way to another host.
load helper

@test "every codec between every pair of stages: the same events, all acknowledged" {
  local first second
  for first in null deflate snappy bzip2 xz zstandard; do
    for second in null deflate snappy bzip2 xz zstd; do
      runs "0 0 0" "fl-source seq --count 3000 --codec $first | fl-intercept ts --stream --codec $second | fl-sink stdout --stream"
      seq 0 2999 | cmp - stdout
    done
  done
}

@test "a source with state behind a codec: its file is done when all is stored" {
  spool a=20000
  runs "0 0 0" "fl-source spooldir spool --once --codec zstandard | fl-channel memory --stream --codec deflate | fl-sink hdfs $OUT --stream"
  [ "$(completed)" = 1 ]
  [ "$(lines out | wc -l)" = 20000 ]
}

@test "a saved stream is small, says its codec, and is read again" {
  runs "0" "fl-source seq --count 50000 --codec zstandard --codec-level 19 --out saved"
  [ "$(stat -c %s saved)" -lt 100000 ]
  head -c 400 saved | grep -aq zstandard
  runs "0 0" "cat saved | fl-sink stdout --stream"
  seq 0 49999 | cmp - stdout
}

@test "a middle stage that changes nothing packs again what it passes on" {
  runs "0" "fl-source seq --count 50000 --codec bzip2 --out saved"
  runs "0 0" "cat saved | fl-channel memory --stream --codec xz --out again"
  head -c 400 again | grep -aq xz
  [ "$(stat -c %s again)" -lt 100000 ]
  runs "0 0" "cat again | fl-channel memory --stream --out plain"
  head -c 400 plain | grep -aq null
  runs "0 0" "cat plain | fl-sink stdout --stream"
  seq 0 49999 | cmp - stdout
}

@test "an idle writer behind a codec holds nothing back" {
  mkfifo lines
  timeout 60 bash -c 'fl-source stdin --codec zstandard < lines | fl-sink stdout --stream > out' 3>&- &
  GROUPS_USED+=("$!")
  exec 7> lines
  echo first >&7
  wait_for out first
  echo second >&7
  wait_for out second
  exec 7>&-
  wait "$!"
}

@test "blocks larger than the pipe that cannot be packed" {
  head -c 3000000 /dev/urandom | base64 -w 100000 > noise
  runs "0 0 0" "fl-source stdin noise --codec snappy | cat | fl-sink stdout --stream"
  cmp noise stdout
}

@test "stdout --format avro takes --codec" {
  runs "0 0" "fl-source seq --count 50000 | fl-sink stdout --format avro --codec xz"
  mv stdout saved
  [ "$(stat -c %s saved)" -lt 100000 ]
  runs "0 0" "cat saved | fl-sink stdout --stream"
  seq 0 49999 | cmp - stdout
}

@test "what cannot be done is said before anything is written" {
  runs "64" "fl-source seq --count 1 --codec gzip"
  said "gzip"
  runs "64" "fl-source seq --count 1 --codec xz --codec-level 10"
  said "levels 0 to 9, not 10"
  runs "64" "fl-source seq --count 1 --codec snappy --codec-level 1"
  said "no levels"
  runs "64" "fl-source seq --count 1 --codec-level 1"
  runs "64" "fl-source seq --count 1 --codec zstd --codec-level x"
  runs "64" "fl-sink null --codec zstd"
  said "writes none"
  runs "64" "fl-sink stdout --codec zstd"
}

@test "a damaged block: what stands before it is delivered, 65, and the codec is named" {
  local codec size
  for codec in deflate snappy bzip2 xz zstandard; do
    runs "0" "fl-source seq --count 5000 --codec $codec --out saved"
    size=$(stat -c %s saved)
    # In the last block, far from counts and marker.
    printf '\377\377\377\377\377\377\377\377' | dd of=saved bs=1 seek=$((size - 40)) conv=notrunc status=none
    runs "0 65" "cat saved | fl-sink stdout --stream"
    seq 0 3999 | cmp - stdout
    said "$codec block is damaged"
  done
}

@test "several outputs: each is packed" {
  runs "0" "fl-source seq --count 5000 --out plain"
  runs "0 0" "cat plain | fl-channel replicate --stream --codec zstandard --out one --out two"
  local each
  for each in one two; do
    head -c 400 "$each" | grep -aq zstandard
    runs "0 0" "cat $each | fl-sink stdout --stream"
    seq 0 4999 | cmp - stdout
  done
}
