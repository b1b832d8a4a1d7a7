#include "tools/fl-sink/hdfs/schema_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr std::string_view kUrlHeader = "flume.avro.schema.url";
constexpr std::string_view kLiteralHeader = "flume.avro.schema.literal";
constexpr std::size_t kMaxRemembered = 256;

Error refused(std::string why) { return Error{ErrorClass::input, std::move(why), {}}; }

std::string shown(std::string_view text) { return "'" + std::string(text.substr(0, 200)) + "'"; }

// The local path of file:///x, file:/x or a plain path; nothing for another scheme.
std::optional<std::string_view> local_path(std::string_view url) {
  if (url.starts_with("file:///")) {
    return url.substr(7);
  }
  if (url.starts_with("file:/") && !url.starts_with("file://")) {
    return url.substr(5);
  }
  const std::size_t colon = url.find(':');
  if (colon != std::string_view::npos && colon < url.find('/')) {
    return std::nullopt;
  }
  return url;
}

// A regular file of at most AvroSchema::kMaxBytes, whole.
Result<std::string> read_schema(const UniqueFd& fd, std::string_view name) {
  if (!fd) {
    return system_error(ErrorClass::input, "cannot open the schema " + shown(name), errno);
  }
  struct stat status {};
  if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return refused("the schema " + shown(name) + " is not a regular file");
  }
  std::string text(AvroSchema::kMaxBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return system_error(ErrorClass::input, "cannot read the schema " + shown(name), errno);
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;  // one byte too many is AvroSchema's to refuse
}

}  // namespace

Result<SchemaSource> SchemaSource::make(const SerializerOptions& options) {
  SchemaSource source;
  source.url_ = options.schema_url;
  if (!source.url_.empty()) {
    const auto path = local_path(source.url_);
    if (!path) {
      return Error{ErrorClass::config, "cannot read a schema from " + shown(source.url_),
                   "copy it to a local file and name that"};
    }
    const UniqueFd fd(open(std::string(*path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    const Result<std::string> text = read_schema(fd, *path);
    Result<AvroSchema> parsed = text ? AvroSchema::parse(*text) : Result<AvroSchema>(text.error());
    if (!parsed) {
      return Error{ErrorClass::config, shown(source.url_) + ": " + parsed.error().message, {}};
    }
    source.fixed_ = std::make_shared<AvroSchema>(std::move(*parsed));
  }
  if (!options.schema_dir.empty()) {
    Result<LocalDir> opened = LocalDir::open(options.schema_dir, LocalDir::Missing::fail);
    if (!opened) {
      Error error = opened.error();
      error.kind = ErrorClass::config;
      return error;
    }
    source.directory_ = std::move(*opened);
    source.directory_path_ = options.schema_dir;
    if (!source.directory_path_.starts_with('/')) {
      std::error_code error;
      const std::filesystem::path here = std::filesystem::current_path(error);
      if (error) {
        return system_error(ErrorClass::config, "cannot find the working directory", error.value());
      }
      source.directory_path_ = (here / source.directory_path_).lexically_normal().string();
    }
    while (source.directory_path_.ends_with('/')) {
      source.directory_path_.pop_back();
    }
  }
  return source;
}

Result<SchemaSource::Schema> SchemaSource::remembered(
    Cache& cache, std::string_view key, const std::function<Result<std::string>()>& read) {
  const auto found = cache.find(key);
  if (found != cache.end()) {
    return found->second;
  }
  const Result<std::string> text = read();
  if (!text) {
    return text.error();
  }
  Result<AvroSchema> parsed = AvroSchema::parse(*text);
  if (!parsed) {
    return parsed.error();
  }
  if (cache.size() >= kMaxRemembered) {
    cache.clear();
  }
  auto schema = std::make_shared<const AvroSchema>(std::move(*parsed));
  cache.emplace(std::string(key), schema);
  return schema;
}

Result<SchemaSource::Schema> SchemaSource::from_url(std::string_view url) {
  if (fixed_ != nullptr && url == url_) {
    return fixed_;
  }
  const std::string what = "the schema " + shown(url) + " that an event's header names";
  if (!directory_) {
    return refused(what + " is not read: no --schema-dir allows it");
  }
  std::optional<std::string_view> path = local_path(url);
  if (path && path->starts_with('/')) {
    const bool below = path->size() > directory_path_.size() &&
                       path->starts_with(directory_path_) && (*path)[directory_path_.size()] == '/';
    path = below ? std::optional(path->substr(directory_path_.size() + 1)) : std::nullopt;
  }
  if (!path || path->find('\0') != std::string_view::npos) {
    return refused(what + " is not read: it is not in " + shown(directory_path_));
  }
  return remembered(by_url_, url, [&]() -> Result<std::string> {
    const std::size_t slash = path->rfind('/');
    const std::string name(slash == std::string_view::npos ? *path : path->substr(slash + 1));
    const Result<LocalDir> parent = directory_->below(
        slash == std::string_view::npos ? "" : path->substr(0, slash), LocalDir::Missing::fail);
    if (!parent) {
      return refused("cannot read " + what + ": " + parent.error().message);
    }
    const UniqueFd fd(
        name.empty() || name == ".."
            ? -1
            : openat(parent->fd(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    return read_schema(fd, url);
  });
}

Result<std::shared_ptr<const AvroSchema>> SchemaSource::find(const Event& event) {
  if (const auto url = find_header(event, kUrlHeader)) {
    return from_url(*url);
  }
  if (const auto literal = find_header(event, kLiteralHeader)) {
    return remembered(by_literal_, *literal,
                      [&]() -> Result<std::string> { return std::string(*literal); });
  }
  if (fixed_ != nullptr) {
    return fixed_;
  }
  return refused("there is no schema for the event: neither a header " + std::string(kUrlHeader) +
                 " or " + std::string(kLiteralHeader) + " nor --schema-url");
}

}  // namespace fl
