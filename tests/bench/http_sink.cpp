// A WebHDFS of one process that keeps nothing: what an upload costs without a file system behind
// it. Bodies are dropped in the kernel (MSG_TRUNC), so that the client is what is measured. A path
// outside /webhdfs/v1 takes any PUT, for clients that know no WebHDFS.
// usage: http_sink     prints "NAMENODE_PORT DATANODE_PORT", then a line for each request that was
//                      answered, "OP BEGIN END BYTES" (monotonic ns); ends with its stdin
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace {

constexpr std::size_t kMaxHead = 64 << 10;
constexpr std::string_view kPrefix = "/webhdfs/v1";

struct File {
  std::uint64_t id = 0;
  std::uint64_t length = 0;
};

std::mutex files_mutex;
std::map<std::string, File> files;  // guarded by files_mutex, as last_id
std::uint64_t last_id = 0;
int datanode_port = 0;

std::int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ec == std::errc()) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The value of `name` in a query, decoded; empty: it is not there.
std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return decode(pair.substr(name.size() + 1));
    }
  }
  return {};
}

/// The value of a header line; `name` is in lower case, with its colon.
std::string header(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;
       at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    std::string key(line.substr(0, name.size()));
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (key == name) {
      const std::size_t value = line.find_first_not_of(' ', name.size());
      return value == std::string_view::npos ? "" : std::string(line.substr(value));
    }
  }
  return {};
}

/// One connection's bytes: those that were read already, and the rest in the socket.
class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}

  /// Takes all up to and with `mark`; false: the connection has ended.
  bool take_until(std::string_view mark, std::string& out, std::int64_t* first_byte = nullptr) {
    std::size_t end = buffer_.find(mark);
    if (first_byte != nullptr && !buffer_.empty()) {
      *first_byte = now_ns();
    }
    while (end == std::string::npos) {
      char bytes[4096];
      const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0 || buffer_.size() > kMaxHead) {
        return false;
      }
      if (first_byte != nullptr && buffer_.empty()) {
        *first_byte = now_ns();
      }
      buffer_.append(bytes, static_cast<std::size_t>(got));
      end = buffer_.find(mark);
    }
    out = buffer_.substr(0, end + mark.size());
    buffer_.erase(0, end + mark.size());
    return true;
  }

  bool drop(std::uint64_t count) {
    const std::size_t here = std::min<std::uint64_t>(count, buffer_.size());
    buffer_.erase(0, here);
    count -= here;
    while (count != 0) {
      constexpr std::uint64_t kStep = 4 << 20;
      const ssize_t got = recv(fd_, nullptr, std::min(count, kStep), MSG_TRUNC);
      if (got <= 0) {
        return false;
      }
      count -= static_cast<std::uint64_t>(got);
    }
    return true;
  }

  /// A body in chunks; what it held.
  bool drop_chunks(std::uint64_t& total) {
    std::string line;
    for (;;) {
      std::uint64_t size = 0;
      if (!take_until("\r\n", line) ||
          std::from_chars(line.data(), line.data() + line.size(), size, 16).ec != std::errc() ||
          !drop(size + 2)) {
        return false;
      }
      total += size;
      if (size == 0) {
        return true;
      }
    }
  }

 private:
  const int fd_;
  std::string buffer_;
};

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

struct Answer {
  const char* status = "200 OK";
  std::string body{};
  std::string location{};
};

Answer missing() {
  return {"404 Not Found",
          R"({"RemoteException":{"exception":"FileNotFoundException",)"
          R"("javaClassName":"java.io.FileNotFoundException","message":"no such file"}})"};
}

Answer answer_namenode(const std::string& op, const std::string& target, const std::string& path,
                       std::string_view query) {
  if (op == "CREATE") {
    return {"307 Temporary Redirect", "",
            "http://127.0.0.1:" + std::to_string(datanode_port) + target + "&step=2"};
  }
  if (op == "GETHOMEDIRECTORY") {
    return {"200 OK", R"({"Path":"/user/bench"})"};
  }
  if (op == "MKDIRS") {
    return {"200 OK", R"({"boolean":true})"};
  }
  const std::lock_guard lock(files_mutex);
  const auto file = files.find(path);
  if (op == "DELETE") {
    const bool found = file != files.end();
    if (found) {
      files.erase(file);
    }
    return {"200 OK", found ? R"({"boolean":true})" : R"({"boolean":false})"};
  }
  if (file == files.end()) {
    return missing();
  }
  if (op == "GETFILESTATUS") {
    return {"200 OK", R"({"FileStatus":{"pathSuffix":"","type":"FILE","modificationTime":1,)"
                      R"("fileId":)" +
                          std::to_string(file->second.id) + R"(,"length":)" +
                          std::to_string(file->second.length) + "}}"};
  }
  if (op == "RENAME") {
    files[parameter(query, "destination")] = file->second;
    files.erase(file);
    return {};
  }
  return {"400 Bad Request", ""};
}

void serve(int fd, bool is_datanode) {
  Input input(fd);
  std::string head;
  std::int64_t begin = 0;
  bool open = true;
  while (open && input.take_until("\r\n\r\n", head, &begin)) {
    const std::size_t first = head.find(' ');
    const std::size_t second = head.find(' ', first + 1);
    const std::string method = head.substr(0, first);
    const std::string target = head.substr(first + 1, second - first - 1);
    const std::size_t mark = std::min(target.find('?'), target.size());
    const std::string query = target.substr(std::min(mark + 1, target.size()));
    const bool is_webhdfs = target.starts_with(kPrefix);
    const std::string op = is_webhdfs ? parameter(query, "op") : method;
    const std::string path = decode(target.substr(0, mark)).substr(is_webhdfs ? kPrefix.size() : 0);

    if (!header(head, "expect:").empty() && !send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n")) {
      break;
    }
    std::uint64_t bytes = std::strtoull(header(head, "content-length:").c_str(), nullptr, 10);
    const bool is_chunked = header(head, "transfer-encoding:") == "chunked";
    if (is_chunked ? !input.drop_chunks(bytes) : !input.drop(bytes)) {
      break;
    }

    Answer answer{"201 Created"};
    if (is_webhdfs && is_datanode) {
      const std::lock_guard lock(files_mutex);
      files[path] = {++last_id, bytes};
    } else if (is_webhdfs) {
      answer = answer_namenode(op, target, path, query);
    }
    open = !is_datanode;  // a DataNode closes
    std::string reply = std::string("HTTP/1.1 ") + answer.status +
                        "\r\nContent-Type: application/json\r\nContent-Length: " +
                        std::to_string(answer.body.size()) + "\r\n";
    if (!answer.location.empty()) {
      reply += "Location: " + answer.location + "\r\n";
    }
    if (!open) {
      reply += "Connection: close\r\n";
    }
    if (!send_all(fd, reply + "\r\n" + answer.body)) {
      break;
    }
    (void)std::printf("%s%s %lld %lld %llu\n", is_datanode && is_webhdfs ? "DATA-" : "", op.c_str(),
                      static_cast<long long>(begin), static_cast<long long>(now_ns()),
                      static_cast<unsigned long long>(bytes));
    (void)std::fflush(stdout);
  }
  (void)close(fd);
}

int listen_any(int& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(fd, 128) != 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("http_sink");
    std::exit(74);
  }
  port = ntohs(address.sin_port);
  return fd;
}

void accept_all(int listener, bool is_datanode) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      continue;
    }
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread(serve, fd, is_datanode).detach();
  }
}

}  // namespace

int main() {
  int namenode_port = 0;
  const int namenode = listen_any(namenode_port);
  const int datanode = listen_any(datanode_port);
  (void)std::printf("%d %d\n", namenode_port, datanode_port);
  (void)std::fflush(stdout);
  std::thread(accept_all, namenode, false).detach();
  std::thread(accept_all, datanode, true).detach();
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {}
  std::_Exit(0);
}
