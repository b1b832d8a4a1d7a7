// What a user sets of the sql source.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/option/secret.h"

namespace fl {

struct SqlSourceOptions {
  std::string url;
  std::string query;
  std::string format = "json";
  std::string separator = "\\t";
  std::string schema_dir;
  std::string since;
  std::vector<std::string> key;
  std::uint64_t split = 0;
  std::string position;
  bool once = false;
  Duration poll{0};

  std::string user;
  Secret password;
  std::string option_file;
  std::string socket;
  Duration connect_timeout{10'000};

  bool tls = false;
  std::string truststore;
  bool trust_all_certs = false;
  std::string keystore;
  std::string keystore_key;
  Secret keystore_password;
};

}  // namespace fl
