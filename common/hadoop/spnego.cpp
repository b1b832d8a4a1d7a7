#include "common/hadoop/spnego.h"

#include <gssapi/gssapi.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "common/base/base64.h"
#include "common/base/start.h"
#include "common/base/unique_fd.h"
#include "common/hadoop/kerberos.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

std::string reason_of(OM_uint32 code, int type) {
  OM_uint32 minor = 0;
  OM_uint32 more = 0;
  gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
  if (gss_display_status(&minor, code, type, GSS_C_NO_OID, &more, &text) != GSS_S_COMPLETE) {
    return "unknown reason";
  }
  std::string out(static_cast<const char*>(text.value), text.length);
  gss_release_buffer(&minor, &text);
  return out;
}

// From the process's credentials.
Result<std::string> token_for(const std::string& host) {
  static char spnego_id[] = "\x2b\x06\x01\x05\x05\x02";
  gss_OID_desc spnego = {6, spnego_id};
  std::string service = "HTTP@" + host;
  gss_buffer_desc name = {service.size(), service.data()};
  gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
  gss_name_t target = GSS_C_NO_NAME;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  OM_uint32 why = 0;
  OM_uint32 code = gss_import_name(&why, &name, GSS_C_NT_HOSTBASED_SERVICE, &target);
  if (!GSS_ERROR(code)) {
    code = gss_init_sec_context(&why, GSS_C_NO_CREDENTIAL, &context, target, &spnego,
                                GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG, 0, GSS_C_NO_CHANNEL_BINDINGS,
                                GSS_C_NO_BUFFER, nullptr, &token, nullptr, nullptr);
  }
  Result<std::string> out =
      Error{ErrorClass::permission,
            "cannot log in to " + host + " with Kerberos: " +
                reason_of(why != 0 ? why : code, why != 0 ? GSS_C_MECH_CODE : GSS_C_GSS_CODE),
            "run kinit, or give a keytab and its principal"};
  if (!GSS_ERROR(code)) {
    out = "Negotiate " +
          base64(std::string_view(static_cast<const char*>(token.value), token.length));
  }
  OM_uint32 ignored = 0;
  gss_release_buffer(&ignored, &token);
  gss_delete_sec_context(&ignored, &context, GSS_C_NO_BUFFER);
  gss_release_name(&ignored, &target);
  return out;
}

}  // namespace

struct SpnegoTokens::Ticket {
  Ticket(const std::string& file, const std::string& principal)
      : keytab(file), kerberos(file, principal) {}

  const std::string keytab;
  std::mutex mutex;  // of what follows
  KerberosTicket kerberos;

  // May take as long as libkrb5 waits for KDCs.
  Result<std::string> token(const std::string& host, bool renew) {
    const std::lock_guard lock(mutex);
    Status status = check_private(keytab);
    if (status) {
      status = kerberos.ensure(renew);
    }
    if (status) {
      status = kerberos.ensure_service(host);
    }
    return status ? token_for(host) : Result<std::string>(status.error());
  }
};

struct SpnegoTokens::Question {
  Question(std::string to, bool anew) : host(std::move(to)), renew(anew) {}

  const std::string host;
  const bool renew;
  UniqueFd wake;
  std::mutex mutex;  // of what follows
  std::optional<Result<std::string>> answer;

  bool is_answered() {
    const std::lock_guard lock(mutex);
    return answer.has_value();
  }

  void set(Result<std::string> found) {
    const std::lock_guard lock(mutex);
    answer = std::move(found);
    (void)eventfd_write(wake.get(), 1);
  }
};

SpnegoTokens::SpnegoTokens(const std::string& keytab, const std::string& principal)
    : ticket_(std::make_shared<Ticket>(keytab, principal)) {}

SpnegoTokens::~SpnegoTokens() = default;

void SpnegoTokens::ask(const std::string& host, bool renew) {
  if (last_ && last_->host == host && last_->renew == renew && !last_->is_answered()) {
    question_ = last_;
    return;
  }
  last_ = question_ = std::make_shared<Question>(host, renew);
  question_->wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!question_->wake) {
    question_->answer = system_error("cannot create an eventfd", errno);
    return;
  }
  Result<std::thread> thread = start_thread([ticket = ticket_, question = question_] {
    question->set(ticket->token(question->host, question->renew));
  });
  if (thread) {
    thread->detach();
  } else {
    question_->answer = thread.error();
  }
}

void SpnegoTokens::watch(PollSet& set) {
  if (!question_) {
    return;
  }
  if (question_->wake) {
    set.add(question_->wake.get(), POLLIN);
  }
  if (question_->is_answered()) {
    set.wake_now();
  }
}

std::optional<Result<std::string>> SpnegoTokens::take() {
  std::optional<Result<std::string>> answer;
  if (question_) {
    const std::lock_guard lock(question_->mutex);
    answer = std::exchange(question_->answer, std::nullopt);
  }
  if (answer) {
    question_.reset();
    last_.reset();
  }
  return answer;
}

}  // namespace fl
