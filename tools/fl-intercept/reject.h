// Events that an interceptor can never treat.
#pragma once

#include "common/component/component.h"

namespace fl {

/// Keeps event `i` in the file of --reject and drops it (Rejects::reject).
inline Status reject_or_fail(const StageContext& context, Batch& batch, std::size_t i,
                             const Error& why) {
  Status status = context.rejects == nullptr ? Status(why) : context.rejects->reject(batch[i], why);
  if (status) {
    batch.drop(i);
  }
  return status;
}

}  // namespace fl
