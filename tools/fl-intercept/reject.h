// Events that an interceptor can never treat.
#pragma once

#include "common/stage/component.h"
#include "common/stage/stage_options.h"

namespace fl {

/// Keeps event `i` in the file of --reject, with the message of `why`, and drops it. Without that
/// option, or for another error than one of the input, `why` itself is the status.
inline Status reject_or_fail(const StageContext& context, Batch& batch, std::size_t i,
                             const Error& why) {
  if (why.kind != ErrorClass::input || context.rejects == nullptr || context.stage == nullptr) {
    return why;
  }
  if (context.stage->reject.empty()) {
    return Error{why.kind, why.message,
                 why.hint + (why.hint.empty() ? "" : "; ") +
                     "--reject FILE keeps such events aside and goes on without them"};
  }
  Status status = context.rejects->reject(batch[i], why.message);
  if (status) {
    batch.drop(i);
  }
  return status;
}

}  // namespace fl
