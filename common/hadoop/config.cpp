#include "common/hadoop/config.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <pugixml.hpp>

#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr std::size_t kMaxFile = std::size_t{16} << 20;
constexpr std::size_t kMaxExpanded = std::size_t{1} << 20;
constexpr int kMaxIncludes = 20;
constexpr int kMaxExpansions = 20;

struct Renamed {
  std::string_view old_name;
  std::string_view name;
};
// From hadoop's table of deprecated properties: those that lead to a name node or shape a file.
constexpr std::array kRenamed = {
    Renamed{"fs.default.name", "fs.defaultFS"},
    Renamed{"dfs.http.address", "dfs.namenode.http-address"},
    Renamed{"dfs.https.address", "dfs.namenode.https-address"},
    Renamed{"dfs.federation.nameservices", "dfs.nameservices"},
    Renamed{"dfs.federation.nameservice.id", "dfs.nameservice.id"},
    Renamed{"dfs.block.size", "dfs.blocksize"},
    Renamed{"dfs.permissions", "dfs.permissions.enabled"},
    Renamed{"dfs.umaskmode", "fs.permissions.umask-mode"},
};

std::string_view current_name(std::string_view key) {
  for (const Renamed& renamed : kRenamed) {
    if (renamed.old_name == key) {
      return renamed.name;
    }
  }
  return key;
}

/// As Java's String.trim(): everything up to the blank goes.
std::string_view trim(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') {
    text.remove_suffix(1);
  }
  return text;
}

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

Error config_error(std::string message, std::string hint = {}) {
  return {ErrorClass::config, std::move(message), std::move(hint)};
}

/// The errno is left in `number` when the file cannot be read.
std::optional<std::string> read_file(const std::string& path, int& number) {
  number = 0;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    number = errno;
    return std::nullopt;
  }
  std::string text;
  std::array<char, 65536> buffer;
  while (text.size() <= kMaxFile) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got == 0) {
      return text;
    }
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      number = errno;
      return std::nullopt;
    }
  }
  number = EFBIG;
  return std::nullopt;
}

std::string text_of(const pugi::xml_node& node) {
  std::string text;
  for (const pugi::xml_node& child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      text += child.value();
    }
  }
  return text;
}

std::string_view local_name(const pugi::xml_node& node) {
  std::string_view name(node.name());
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string place_of(const std::string& path, std::string_view text, std::ptrdiff_t offset) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i < text.size() && static_cast<std::ptrdiff_t>(i) < offset; ++i) {
    ++column;
    if (text[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  return "'" + path + "', line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::optional<std::string> login(bool home) {
  std::array<char, 16384> buffer;
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return std::string(home ? entry.pw_dir : entry.pw_name);
}

/// ${env.NAME}, ${env.NAME:-default} (also when empty), ${env.NAME-default}, and the two system
/// properties of Java that configurations use.
std::optional<std::string> foreign_variable(std::string_view name) {
  if (name == "user.name" || name == "user.home") {
    return login(name == "user.home");
  }
  if (!name.starts_with("env.")) {
    return std::nullopt;
  }
  name.remove_prefix(4);
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos) {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }
  const bool colon = dash > 0 && name[dash - 1] == ':';
  const char* value = std::getenv(std::string(name.substr(0, colon ? dash - 1 : dash)).c_str());
  if (value == nullptr || (colon && *value == '\0')) {
    return std::string(name.substr(dash + 1));
  }
  return value;
}

}  // namespace

/// Reads files into a configuration.
class HadoopConfigReader {
 public:
  explicit HadoopConfigReader(HadoopConfig& config) : config_(config) {}

  Status read(const std::string& path) {
    if (Status status = read(path, 0); !status) {
      return status;
    }
    config_.files_.push_back(path);
    return {};
  }

 private:
  Status read(const std::string& path, int depth) {
    int number = 0;
    const std::optional<std::string> text = read_file(path, number);
    if (!text && number == EFBIG) {
      return config_error("cannot read '" + path + "': larger than 16 MiB");
    }
    if (!text) {
      return system_error(ErrorClass::config, "cannot read '" + path + "'", number);
    }
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer(text->data(), text->size());
    if (!parsed) {
      return config_error("cannot read " + place_of(path, *text, parsed.offset) + ": " +
                          parsed.description());
    }
    const pugi::xml_node root = document.document_element();
    if (local_name(root) != "configuration") {
      return config_error("cannot read " + place_of(path, *text, root.offset_debug()) + ": <" +
                          root.name() + "> instead of <configuration>");
    }
    return take(root, path, *text, depth);
  }

  Status take(const pugi::xml_node& parent, const std::string& path, const std::string& text,
              int depth) {
    if (depth > kMaxIncludes) {
      return config_error("cannot read '" + path + "': files and elements are nested deeper than " +
                          std::to_string(kMaxIncludes));
    }
    for (const pugi::xml_node& node : parent.children()) {
      const std::string_view name = local_name(node);
      Status status;
      if (name == "property") {
        take_property(node);
      } else if (name == "include") {
        status = include(node, path, text, depth + 1);
      } else if (name == "configuration") {
        status = take(node, path, text, depth + 1);
      }
      if (!status) {
        return status;
      }
    }
    return {};
  }

  void take_property(const pugi::xml_node& node) {
    std::string name = node.attribute("name").value();
    std::optional<std::string> value;
    if (const auto attribute = node.attribute("value")) {
      value = attribute.value();
    }
    std::string is_final = node.attribute("final").value();
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view element = local_name(child);
      if (element == "name") {
        name = text_of(child);
      } else if (element == "value") {
        value = text_of(child);
      } else if (element == "final") {
        is_final = text_of(child);
      }
    }
    const std::string key(current_name(trim(name)));
    if (key.empty() || !value) {
      return;
    }
    auto& properties = config_.properties_;
    const auto old = properties.find(key);
    if (old != properties.end() && old->second.is_final) {
      return;
    }
    properties[key] = {std::string(trim(*value)), trim(is_final) == "true"};
  }

  Status include(const pugi::xml_node& node, const std::string& path, const std::string& text,
                 int depth) {
    std::string target = node.attribute("href").value();
    const std::string place = place_of(path, text, node.offset_debug());
    if (target.starts_with("file:")) {
      target.erase(0, target.starts_with("file://") ? 7 : 5);
    }
    if (target.empty() || target.find("://") != std::string::npos) {
      return config_error("cannot read " + place + ": '" + node.attribute("href").value() +
                          "' is not a file to include");
    }
    if (target.front() != '/') {
      target.insert(0, path.substr(0, path.rfind('/') + 1));
    }
    if (depth > kMaxIncludes) {
      return config_error("cannot read " + place + ": more than " + std::to_string(kMaxIncludes) +
                          " files include each other");
    }
    if (is_file(target)) {
      return read(target, depth);
    }
    for (const pugi::xml_node& child : node.children()) {
      if (local_name(child) == "fallback") {
        return take(child, path, text, depth);
      }
    }
    return config_error("cannot read " + place + ": no file '" + target +
                        "' to include, and no fallback");
  }

  HadoopConfig& config_;
};

Result<HadoopConfig> HadoopConfig::load_files(const std::vector<std::string>& files) {
  HadoopConfig config;
  HadoopConfigReader reader(config);
  for (const std::string& file : files) {
    if (Status status = reader.read(file); !status) {
      return status.error();
    }
  }
  return config;
}

Result<HadoopConfig> HadoopConfig::load(const std::string& explicit_dir) {
  HadoopConfig config;
  std::string directory;
  if (!explicit_dir.empty()) {
    directory = explicit_dir;
    config.searched_.push_back(directory);
  } else if (const auto conf_dir = environment("HADOOP_CONF_DIR")) {
    // It decides even when nothing is there: another directory may name another cluster.
    directory = *conf_dir;
    config.searched_.push_back("HADOOP_CONF_DIR (" + directory + ")");
  } else {
    config.searched_.emplace_back("HADOOP_CONF_DIR (not set)");
    if (const auto home = environment("HADOOP_HOME")) {
      directory = *home + "/etc/hadoop";
      config.searched_.push_back("HADOOP_HOME/etc/hadoop (" + directory + ")");
    } else {
      config.searched_.emplace_back("HADOOP_HOME/etc/hadoop (not set)");
    }
    if (directory.empty() || !is_directory(directory)) {
      directory = "/etc/hadoop/conf";
      config.searched_.push_back(directory);
    }
  }
  HadoopConfigReader reader(config);
  for (const char* name : {"/core-site.xml", "/hdfs-site.xml"}) {
    const std::string path = directory + name;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
      continue;
    }
    if (Status status = reader.read(path); !status) {
      return status.error();
    }
  }
  if (!explicit_dir.empty() && !config.found()) {
    return config_error("cannot find core-site.xml or hdfs-site.xml in '" + explicit_dir + "'",
                        "--conf-dir is the directory that holds them, such as /etc/hadoop/conf");
  }
  return config;
}

std::optional<std::string> HadoopConfig::get(std::string_view key) const {
  const auto found = properties_.find(current_name(key));
  if (found == properties_.end()) {
    return std::nullopt;
  }
  std::string value = found->second.value;
  for (int i = 0; i < kMaxExpansions && value.size() <= kMaxExpanded; ++i) {
    const std::size_t end = value.find('}', std::min(value.find("${"), value.size()));
    if (end == std::string::npos) {
      break;
    }
    const std::size_t begin = value.rfind("${", end);  // the innermost one
    const std::string_view name = std::string_view(value).substr(begin + 2, end - begin - 2);
    std::optional<std::string> replacement = foreign_variable(name);
    if (const auto other = properties_.find(current_name(name));
        !replacement && other != properties_.end()) {
      replacement = other->second.value;
    }
    if (!replacement) {
      break;
    }
    value.replace(begin, end + 1 - begin, *replacement);
  }
  return std::string(trim(value));
}

}  // namespace fl
