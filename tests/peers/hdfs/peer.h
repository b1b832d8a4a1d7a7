// What the tests against a real HDFS share; they run below tests/peers/hdfs/run.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "common/base/unique_fd.h"
#include "common/hadoop/hdfs_error.h"

namespace fl {

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

inline int cluster(const std::string& verb, const std::string& arguments) {
  return std::system(
      ("\"$HDFS_CLUSTER\" " + verb + " \"$HDFS_DIR\" " + arguments + " >&2").c_str());
}

inline std::string shell(const std::string& arguments) {
  const std::string command = "\"$HDFS_CLUSTER\" shell \"$HDFS_DIR\" " + arguments;
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  for (std::size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    out.append(buffer, got);
  }
  pclose(pipe);
  return out;
}

inline UniqueFd file_with(const std::string& text) {
  char name[] = "/tmp/webhdfs_test.XXXXXX";
  UniqueFd fd(mkstemp(name));
  unlink(name);
  EXPECT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return fd;
}

/// Repeats while the answer is "try again", as a sink does.
template <typename Action>
auto patiently(Action action) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  for (;;) {
    auto result = action();
    if (result.ok() || result.error().retry() != HdfsRetry::soon ||
        std::chrono::steady_clock::now() > end) {
      return result;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace fl
