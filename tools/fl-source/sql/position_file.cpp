#include "tools/fl-source/sql/position_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/base/base64.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/base/small_file.h"
#include "common/base/text.h"
#include "common/base/units.h"
#include "common/event/event.h"
#include "common/io/dir_probe.h"
#include "common/io/local_dir.h"
#include "common/json/json.h"
#include "tools/fl-source/spool_lock.h"

namespace fl {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;

std::string array(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    text += text.empty() ? "" : ",";
    text += is_valid_utf8(value) ? json_quoted(value) : R"({"base64":")" + base64(value) + R"("})";
  }
  return "[" + text + "]";
}

std::optional<std::vector<std::string>> strings_of(const Json* list) {
  if (list == nullptr || list->type != Json::Type::array) {
    return std::nullopt;
  }
  std::vector<std::string> values;
  for (const Json& item : list->items) {
    if (item.type == Json::Type::string) {
      values.push_back(item.string);
      continue;
    }
    const Json* const coded = item.find("base64");
    std::optional<std::string> bytes =
        coded == nullptr ? std::nullopt : base64_decoded(coded->string);
    if (!bytes) {
      return std::nullopt;
    }
    values.push_back(std::move(*bytes));
  }
  return values;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return path.ends_with('/') || (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode));
}

Error no_file() {
  return {ErrorClass::usage, "--position names a directory", "give the path of a file"};
}

// Empty: there is none.
Result<std::string> text_of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) {
      return std::string();
    }
    return system_error("cannot open '" + path + "'", errno);
  }
  Result<std::string> text = read_small_file(file.get(), path, kLargestFile);
  if (text && (text->empty() || text->size() > kLargestFile)) {
    return Error{ErrorClass::config, "'" + path + "' is not a position of this source",
                 "if its rows may be delivered again, remove it"};
  }
  return text;
}

// Nothing: there is no file.
Result<std::optional<SqlPosition>> position_in(const std::string& path, const std::string& name,
                                               const std::string& server) {
  const Result<std::string> text = text_of(path);
  if (!text) {
    return text.error();
  }
  if (text->empty()) {
    return std::optional<SqlPosition>();
  }
  const Error unreadable{ErrorClass::config, "'" + path + "' is not a position of this source",
                         "if its rows may be delivered again, remove it"};
  const Result<Json> json = parse_json(*text);
  if (!json) {
    return unreadable;
  }
  const Json* const of = json->find("of");
  const Json* const id = json->find("id");
  const Json* const rows = json->find("rows");
  std::optional<std::vector<std::string>> columns = strings_of(json->find("key"));
  std::optional<std::vector<std::string>> values = strings_of(json->find("values"));
  if (of == nullptr || id == nullptr || of->type != Json::Type::string || id->string.empty() ||
      rows == nullptr || rows->type != Json::Type::number || rows->integer < 0 || !columns ||
      !values) {
    return unreadable;
  }
  // What was read from the server that the URL names did not say so, and does not now.
  const bool is_of = of->string == name || of->string + " at " + server == name ||
                     of->string == name + " at " + server;
  if (!is_of) {
    return Error{ErrorClass::config,
                 fmt::format("'{}' is the position of '{}', not of '{}'", path,
                             printable(of->string), printable(name)),
                 "name another file, or remove it to read everything again"};
  }
  if (values->size() != columns->size()) {
    return unreadable;
  }
  SqlPosition position;
  position.key = std::move(*columns);
  position.id = id->string;
  position.rows = static_cast<std::uint64_t>(rows->integer);
  position.values = std::move(*values);
  return std::optional(std::move(position));
}

}  // namespace

std::string SqlPosition::text() const {
  std::string text = fmt::format("{}:{}:", id, rows);
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += i == 0 ? "" : ",";
    append_base64(text, values[i]);
  }
  return text;
}

std::optional<SqlPosition> SqlPosition::parse(std::string_view text) {
  SqlPosition position;
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos || first == 0) {
    return std::nullopt;
  }
  position.id = text.substr(0, first);
  const Result<std::uint64_t> rows =
      parse_count(text.substr(first + 1, second - first - 1), INT64_MAX);
  if (!rows) {
    return std::nullopt;
  }
  position.rows = *rows;
  std::string_view left = text.substr(second + 1);
  // A place before the first row leaves nothing after the colon; one empty value looks the same.
  for (bool more = *rows != 0; more;) {
    const std::size_t comma = left.find(',');
    std::optional<std::string> value = base64_decoded(left.substr(0, comma));
    if (!value) {
      return std::nullopt;
    }
    position.values.push_back(std::move(*value));
    more = comma != std::string_view::npos;
    left.remove_prefix(more ? comma + 1 : left.size());
  }
  return left.empty() ? std::optional(std::move(position)) : std::nullopt;
}

Result<std::string> SqlPositionFile::usual_path(std::string_view name) {
  const char* const state = std::getenv("XDG_STATE_HOME");
  const char* const home = std::getenv("HOME");
  std::string path;
  if (state != nullptr && *state == '/') {
    path = state;
  } else if (home != nullptr && *home == '/') {
    path = std::string(home) + "/.local/state";
  } else {
    return Error{ErrorClass::config, "there is no place for the position: HOME is not set",
                 "--position FILE names one"};
  }
  std::string file;
  for (const char letter : name) {
    const bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                          (letter >= '0' && letter <= '9') || letter == '_' || letter == '-' ||
                          (letter == '.' && !file.empty());
    file += is_plain ? std::string(1, letter)
                     : fmt::format("%{:02x}", static_cast<unsigned char>(letter));
  }
  if (file.size() > 200) {
    return Error{ErrorClass::config, "the names are too long for a position file of their own",
                 "--position FILE names one"};
  }
  return path + "/fl/sql/" + file + ".json";
}

Error SqlPositionFile::damaged(const std::string& path, const Error& why) {
  return {why.kind, "'" + path + "' holds no position of this source: " + why.message,
          "if its rows may be delivered again, remove it"};
}

Result<SqlPosition> SqlPositionFile::check(const std::string& path, const std::string& of,
                                           const std::string& server) {
  if (is_directory(path)) {
    return no_file();
  }
  if (Status status = check_dir_can_be_made(directory_of(path)); !status) {
    return status.error();
  }
  Result<std::optional<SqlPosition>> found = position_in(path, of, server);
  if (!found) {
    return found.error();
  }
  return std::move(*found).value_or(SqlPosition());
}

Status SqlPositionFile::open(std::string path) {
  path_ = std::move(path);
  directory_ = directory_of(path_);
  if (is_directory(path_)) {
    return no_file();
  }
  if (const Result<LocalDir> made = LocalDir::open(directory_, LocalDir::Missing::create); !made) {
    return made.error();
  }
  // Not the file itself: that is replaced.
  const std::string lock = path_ + ".lock";
  lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666));
  if (!lock_) {
    return system_error("cannot open the lock file '" + lock + "'", errno);
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Error{ErrorClass::again, "'" + path_ + "' is locked by " + lock_holder(lock_.get())};
    }
    return system_error(ErrorClass::io, "cannot lock '" + lock + "'", errno);
  }
  return {};
}

Result<SqlPosition> SqlPositionFile::load(const std::string& of, const std::string& server) {
  of_ = of;
  Result<std::optional<SqlPosition>> found = position_in(path_, of, server);
  if (!found) {
    return found.error();
  }
  if (*found) {
    return std::move(**found);
  }
  SqlPosition position;
  position.id = random_hex(8);
  if (Status status = save(position); !status) {
    return status.error();
  }
  return position;
}

Status SqlPositionFile::save(const SqlPosition& position) {
  const std::string text = fmt::format(R"({{"of":{},"id":{},"rows":{},"key":{},"values":{}}})"
                                       "\n",
                                       json_quoted(of_), json_quoted(position.id), position.rows,
                                       array(position.key), array(position.values));
  const std::string fresh = path_ + ".new";
  UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!file) {
    return system_error(ErrorClass::create, "cannot create '" + fresh + "'", errno);
  }
  int number = 0;
  if (write_some(file.get(), text, number) != text.size()) {
    return system_error(ErrorClass::io, "cannot write '" + fresh + "'", number);
  }
  if (::fsync(file.get()) != 0) {
    return system_error(ErrorClass::io, "cannot sync '" + fresh + "'", errno);
  }
  if (::rename(fresh.c_str(), path_.c_str()) != 0) {
    return system_error(ErrorClass::io, "cannot replace '" + path_ + "'", errno);
  }
  const UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) {
    return system_error(ErrorClass::io, "cannot sync '" + directory_ + "'", errno);
  }
  return {};
}

Status SqlPositionFile::remove() {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return system_error(ErrorClass::io, "cannot remove '" + path_ + "'", errno);
  }
  return {};
}

}  // namespace fl
