// A directory that goes with the test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace fl {

class TempDir {
 public:
  explicit TempDir(const std::filesystem::path& place = std::filesystem::temp_directory_path()) {
    std::string name = (place / "fl-test-XXXXXX").string();
    path_ = mkdtemp(name.data()) != nullptr ? name : std::string();
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace fl
