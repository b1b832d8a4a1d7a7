#include "common/access/open_tls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/log.h"
#include "common/base/small_file.h"
#include "common/base/unique_fd.h"
#include "common/component/programs.h"

namespace fl {
namespace {

constexpr std::size_t kLargestFile = 2 << 20;

void wipe(std::string& text) {
  if (!text.empty()) {
    ::explicit_bzero(text.data(), text.size());
  }
}

/// A plan whose secrets are wiped from memory with it.
struct Plan : TlsPlan {
  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    for (std::string* const text :
         {&password, &trusted_password, &certificate.bytes, &key.bytes, &trusted.bytes}) {
      wipe(*text);
    }
  }
};

bool is_jks(std::string_view bytes) {
  return bytes.starts_with("\xfe\xed\xfe\xed") || bytes.starts_with("\xce\xce\xce\xce");
}

Status read_file(const std::string& path, TlsFile& file) {
  if (path.empty()) {
    return {};
  }
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return system_error("cannot open '" + path + "'", errno);
  }
  file.path = path;
  Result<std::string> bytes = read_small_file(fd.get(), path, kLargestFile);
  if (!bytes) {
    return bytes.error();
  }
  file.bytes = std::move(*bytes);
  if (file.bytes.size() > kLargestFile) {
    return Error{ErrorClass::config, "'" + path + "' is too large for certificates", {}};
  }
  if (is_jks(file.bytes)) {
    return Error{ErrorClass::config, "'" + path + "' is a JKS store, which only Java reads",
                 "keytool -importkeystore -srckeystore " + path + " -destkeystore " + path +
                     ".p12 -deststoretype PKCS12"};
  }
  return {};
}

Status reveal(const Secret& secret, std::string& to) {
  if (!secret.is_set()) {
    return {};
  }
  Result<std::string> text = secret.reveal();
  if (!text) {
    return text.error();
  }
  to = std::move(*text);
  return {};
}

Status fill(Plan& plan, const TlsOptions& options, TlsSide side) {
  plan.is_server = side == TlsSide::server;
  plan.trusts_all = options.trust_all_certs;
  plan.include_protocols = options.include_protocols;
  plan.exclude_protocols = options.exclude_protocols;
  plan.include_ciphers = options.include_ciphers;
  plan.exclude_ciphers = options.exclude_ciphers;
  for (const auto& [path, file] : {std::pair(&options.keystore, &plan.certificate),
                                   std::pair(&options.keystore_key, &plan.key),
                                   std::pair(&options.truststore, &plan.trusted)}) {
    if (Status status = read_file(*path, *file); !status) {
      return status;
    }
  }
  if (Status status = reveal(options.keystore_password, plan.password); !status) {
    return status;
  }
  return reveal(options.truststore_password, plan.trusted_password);
}

Result<MakeTlsContext*> load() {
  const std::string path = find_beside(kTlsLibrary);
  // Never closed: sessions run its code until the process ends.
  void* const library = path.empty() ? nullptr : ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library == nullptr ? nullptr : ::dlsym(library, kTlsSymbol);
  if (symbol == nullptr) {
    const char* const why = path.empty() ? nullptr : ::dlerror();
    return Error{ErrorClass::config,
                 std::string("cannot load ") + kTlsLibrary + ", which does TLS: " +
                     (why == nullptr ? "it is not installed beside this program" : why),
                 {}};
  }
  return reinterpret_cast<MakeTlsContext*>(symbol);
}

void warn_without_tls(const TlsOptions& options) {
  const bool is_given = !options.keystore.empty() || !options.truststore.empty() ||
                        options.trust_all_certs || options.keystore_password.is_set();
  if (is_given) {
    log(LogLevel::warning,
        "certificates have no effect without " + options.asked_by + ": nothing is encrypted");
  }
}

}  // namespace

Result<std::shared_ptr<TlsContext>> open_tls(const TlsOptions& options, TlsSide side) {
  std::shared_ptr<TlsContext> context;
  if (!options.use) {
    warn_without_tls(options);
    return context;
  }
  if (side == TlsSide::server && options.keystore.empty()) {
    return Error{ErrorClass::config, "--tls needs a certificate and its key",
                 "--keystore FILE, and --keystore-key FILE if the key is in another file"};
  }
  if (!options.keystore_key.empty() && options.keystore.empty()) {
    return Error{ErrorClass::config, "--keystore-key needs the certificate of the key",
                 "--keystore FILE"};
  }
  Plan plan;
  if (Status status = fill(plan, options, side); !status) {
    return status.error();
  }
  const Result<MakeTlsContext*> make = load();
  if (!make) {
    return make.error();
  }
  if (Status status = (*make)(plan, context); !status) {
    return status.error();
  }
  for (const std::string& note : context->notes()) {
    log(LogLevel::warning, note);
  }
  if (options.trust_all_certs && side == TlsSide::client) {
    log(LogLevel::warning, "--trust-all-certs: the identity of the server is not checked");
  }
  return context;
}

std::shared_ptr<TlsContext> reopen_tls(const TlsOptions& options, TlsSide side) {
  if (!options.use) {
    return nullptr;
  }
  Result<std::shared_ptr<TlsContext>> context = open_tls(options, side);
  if (!context) {
    log(LogLevel::warning, "the certificates from before stay in use: " + context.error().message);
    return nullptr;
  }
  log(LogLevel::info, "certificates were read again; connections that exist keep theirs");
  return std::move(*context);
}

}  // namespace fl
