// The options of the hdfs sink; the table that names them is in hdfs.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/units.h"
#include "tools/fl-sink/serializer_options.h"

namespace fl {

struct HdfsOptions {
  std::string path;
  std::string path_rules = "strict";
  std::string conf_dir;
  std::string user;

  // How HDFS is reached.
  std::string httpfs;
  std::string auth = "auto";
  std::string kerberos_principal;
  std::string kerberos_keytab;
  std::string token_file;
  std::string proxy_user;
  std::string cacert;
  std::string cert;
  std::string key;
  std::string connect_to;
  bool use_proxy = false;
  Duration call_timeout{30'000};

  // What files are made like.
  std::string permission;
  std::uint64_t replication = 0;
  Bytes block_size{0};
  bool sync_block = false;
  std::uint64_t min_block_replicas = 0;

  std::string file_prefix = "FlumeData";
  std::string file_suffix;
  std::string in_use_prefix;
  std::string in_use_suffix = ".tmp";
  bool empty_in_use_suffix = false;

  Duration roll_interval{300'000};
  Bytes roll_size{128ull << 20};
  std::uint64_t roll_count = 0;
  Duration idle_timeout{60'000};
  std::uint64_t max_open_files = 5000;
  std::uint64_t batch_size = 100;
  std::uint64_t threads_pool_size = 4;
  std::uint64_t roll_timer_pool_size = 1;

  bool round = false;
  std::uint64_t round_value = 1;
  std::string round_unit = "second";
  std::string time_zone;
  bool use_local_time_stamp = false;

  std::string file_type = "auto";
  std::string codec;
  std::uint64_t codec_level = 0;
  std::string compress_type = "block";
  std::string write_format = "Writable";
  SerializerOptions serializer;

  std::string spool_dir;
  Bytes spool_size{4ull << 30};
  Duration min_commit{1'000};
  std::int64_t close_tries = 0;
  Duration retry_interval{60'000};
  bool use_raw_local_file_system = false;
  Duration stale_temp{86'400'000};
};

}  // namespace fl
