// Adds this host's address or name as a header.
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <climits>
#include <memory>
#include <string>

#include "common/base/log.h"
#include "common/component/component_type.h"
#include "tools/fl-intercept/header_check.h"

namespace fl {
namespace {

struct Options {
  bool preserve_existing = false;
  bool use_ip = true;
  std::string host_header = "host";
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("preserveExisting", &Options::preserve_existing, "BOOL",
            "Keep the value of events that already have the header.");
  table.add("useIP", &Options::use_ip, "BOOL",
            "Use the IP address; with --use-ip=false the canonical host name.");
  table.add("hostHeader", &Options::host_header, "NAME", "The header that gets the host.");
  return std::move(table).erased();
}

/// The address (IPv4 where there is one) or canonical name that this host's own name leads to.
Result<std::string> look_up_host(bool use_ip) {
  char name[HOST_NAME_MAX + 1] = {};
  if (::gethostname(name, sizeof name - 1) != 0) {
    return system_error("cannot get the host name", errno);
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = use_ip ? 0 : AI_CANONNAME;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(name, nullptr, &hints, &found);
  if (status != 0 || found == nullptr) {
    return Error{ErrorClass::unavailable,
                 "cannot look up this host's name '" + std::string(name) + "': " +
                     (status == EAI_SYSTEM ? system_error("", errno).message.substr(2)
                                           : std::string(::gai_strerror(status)))};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  if (!use_ip) {
    return std::string(list->ai_canonname != nullptr ? list->ai_canonname : name);
  }
  const addrinfo* best = list.get();
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET) {
      best = entry;
      break;
    }
  }
  char text[NI_MAXHOST] = {};
  const int failed =
      ::getnameinfo(best->ai_addr, best->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  if (failed != 0) {
    return Error{ErrorClass::unavailable,
                 std::string("cannot print this host's address: ") + ::gai_strerror(failed)};
  }
  return std::string(text);
}

class HostInterceptor final : public Interceptor {
 public:
  explicit HostInterceptor(const Options& options)
      : use_ip_(options.use_ip),
        name_(utf8_escaped(options.host_header)),
        existing_(options.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status open(const StageContext& context) override {
    if (Status checked = check_header(context.limits, name_); !checked) {
      return checked;
    }
    Result<std::string> host = look_up_host(use_ip_);
    if (host) {
      host_ = utf8_escaped(*host);
    } else {
      log(LogLevel::warning, host.error().message + "; the header '" + name_ + "' is not set");
    }
    return {};
  }

  Status process(Batch& batch) override {
    if (!host_.empty()) {
      batch.put(name_, host_, existing_);
    }
    return {};
  }

 private:
  const bool use_ip_;
  const std::string name_;
  const Batch::Existing existing_;
  std::string host_;  // empty: the look-up failed
};

}  // namespace

ComponentType host_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "host";
  type.class_names = {"org.apache.flume.interceptor.HostInterceptor",
                      "org.apache.flume.interceptor.HostInterceptor$Builder"};
  type.summary = "add this host's address or name to each event";
  type.description =
      "Sets a header to the IP address of this host, or to its canonical name. The host is looked "
      "up once, when the stage starts. If that fails, a warning is logged and events pass through "
      "without the header.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept host | fl-sink logger", "One event with this host's address."},
      {"printf 'a\\n' | fl-intercept host --use-ip=false --host-header origin | fl-sink logger",
       "The name in another header."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, HostInterceptor, Options>();
  return type;
}

}  // namespace fl
