#include "common/stage/metrics.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/component/programs.h"
#include "common/io/local_dir.h"

namespace fl {
namespace {

constexpr std::string_view kPath = "/metrics";
constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";
// A stage that hangs in a call is not waited for: its last page is given instead.
constexpr std::chrono::milliseconds kPatience{500};

Error bad_place(std::string_view text, std::string_view why) {
  return {ErrorClass::usage, "--metrics '" + std::string(text) + "': " + std::string(why),
          "FILE is a path, HOST:PORT or :PORT is served over HTTP"};
}

/// "/var/lib/node/access.prom" -> "access".
std::string name_of_file(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".prom") && name.size() > 5) {
    name.remove_suffix(5);
  }
  return std::string(name);
}

/// Makes the file anew: one that is there was left by a process of the same number that was killed
/// (in a container every start has the same one).
UniqueFd make_anew(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), kFlags, 0644));
  if (!fd && errno == EEXIST && ::unlink(path.c_str()) == 0) {
    fd.reset(::open(path.c_str(), kFlags, 0644));
  }
  return fd;
}

}  // namespace

Result<MetricsPlace> parse_metrics_place(std::string_view text) {
  MetricsPlace place;
  const std::size_t colon = text.rfind(':');
  if (text.find('/') != std::string_view::npos ||
      (colon == std::string_view::npos && !parse_count(text))) {
    if (text.empty() || text == "-" || text.ends_with('/')) {
      return bad_place(text, "not a file");
    }
    place.file = text;
    return place;
  }
  if (colon == std::string_view::npos) {
    return bad_place(text, "a file or a port?");
  }
  const Result<std::uint64_t> port = parse_count(text.substr(colon + 1), 65'535);
  if (!port) {
    return bad_place(text, "no port between 0 and 65535");
  }
  place.port = static_cast<std::uint16_t>(*port);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad_place(text, "put an IPv6 address in brackets");
  }
  place.host = host;
  return place;
}

Result<std::unique_ptr<Metrics>> Metrics::start(Settings settings, const Figures& figures) {
  Result<MetricsPlace> place = parse_metrics_place(settings.place);
  if (!place) {
    return place.error();
  }
  if (settings.interval_ms < 100) {
    return Error{ErrorClass::usage, "--metrics-interval is less than 100ms", {}};
  }
  if (!place->file.empty()) {
    settings.identity.name = name_of_file(place->file);
  }
  std::unique_ptr<Metrics> metrics(new Metrics(std::move(settings)));
  metrics->file_ = place->file;
  const Status status =
      place->file.empty() ? metrics->open_server(*place, figures) : metrics->open_file(figures);
  if (!status) {
    return status.error();
  }
  return metrics;
}

Metrics::~Metrics() = default;

Status Metrics::open_file(const Figures& figures) {
  struct stat info {};
  if (::lstat(file_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return {{ErrorClass::usage, "--metrics '" + file_ + "' is there and is not a regular file",
             "it would be replaced"}};
  }
  temporary_ = file_ + "." + std::to_string(::getpid()) + ".tmp";
  const UniqueFd probe = make_anew(temporary_);
  if (!probe && !is_disk_full(errno)) {
    return system_error(ErrorClass::create, "cannot create '" + temporary_ + "' (--metrics)",
                        errno);
  }
  publish(figures);
  return {};
}

Status Metrics::open_server(const MetricsPlace& place, const Figures& figures) {
  const std::string path = find_beside(kPageServerLibrary);
  // Never closed: its thread may run its code until the process ends.
  void* const library = path.empty() ? nullptr : ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library == nullptr ? nullptr : ::dlsym(library, kPageServerSymbol);
  if (symbol == nullptr) {
    const char* const why = path.empty() ? nullptr : ::dlerror();
    return {{ErrorClass::config,
             std::string("cannot load ") + kPageServerLibrary + ", which serves --metrics: " +
                 (why == nullptr ? "it is not installed beside this program" : why),
             "--metrics FILE needs nothing"}};
  }
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) {
    return system_error(ErrorClass::io, "cannot create an eventfd", errno);
  }
  publish(figures);
  PageServer::Settings settings;
  settings.host = place.host;
  settings.port = place.port;
  settings.path = kPath;
  settings.content_type = kContentType;
  settings.page = [this] { return page_now(); };
  auto* const start = reinterpret_cast<StartPageServer*>(symbol);
  if (Status status = start(settings, server_); !status) {
    Error error = status.error();
    error.message += " (--metrics)";
    return error;
  }
  log(LogLevel::info, "metrics at http://" + server_->address() + std::string(kPath));
  if (!server_->is_loopback()) {
    log(LogLevel::warning, "the metrics can be read by everybody who can reach " +
                               server_->address() + ", without TLS or password");
  }
  return {};
}

// In the server's thread.
std::string Metrics::page_now() {
  std::unique_lock lock(mutex_);
  const std::uint64_t before = serial_;
  (void)eventfd_write(wake_.get(), 1);
  made_.wait_for(lock, kPatience, [&] { return serial_ != before; });
  const double age = static_cast<double>(monotonic_ms() - text_ms_) / 1000.0;
  return text_ + age_text(settings_.identity, serial_ != before ? 0.0 : age);
}

void Metrics::watch(PollSet& set) {
  index_ = wake_ ? set.add(wake_.get(), POLLIN) : -1;
  set.wake_at(next_ms_);
}

bool Metrics::due(const PollSet& set) {
  if (index_ >= 0) {
    return set.revents(index_) != 0;
  }
  return next_ms_ >= 0 && monotonic_ms() >= next_ms_;
}

void Metrics::publish(const Figures& figures) {
  std::string text = metrics_text(settings_.identity, figures, std::nullopt);
  if (!file_.empty()) {
    report(write_file(text));
    next_ms_ = monotonic_ms() + settings_.interval_ms;
    return;
  }
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
  {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
    text_ms_ = monotonic_ms();
    ++serial_;
  }
  made_.notify_all();
}

void Metrics::end(const Figures& figures, int exit_status) {
  if (!file_.empty()) {
    report(
        write_file(metrics_text(settings_.identity, figures, MetricsEnd{exit_status, wall_ms()})));
  }
}

Status Metrics::write_file(const std::string& text) {
  const UniqueFd fd = make_anew(temporary_);
  if (!fd) {
    return system_error("cannot create '" + temporary_ + "' (--metrics)", errno);
  }
  int number = 0;
  if (write_some(fd.get(), text, number) != text.size()) {
    (void)::unlink(temporary_.c_str());
    return system_error("cannot write '" + file_ + "' (--metrics)", number);
  }
  if (std::rename(temporary_.c_str(), file_.c_str()) != 0) {
    number = errno;
    (void)::unlink(temporary_.c_str());
    return system_error("cannot replace '" + file_ + "' (--metrics)", number);
  }
  return {};
}

// The flow matters more than its figures: a failure is reported once and the page tried again.
void Metrics::report(const Status& written) {
  if (!written && !troubled_) {
    log(LogLevel::warning, written.error().message + "; the stage continues");
  } else if (written.ok() && troubled_) {
    log(LogLevel::info, "'" + file_ + "' is written again (--metrics)");
  }
  troubled_ = !written;
}

}  // namespace fl
