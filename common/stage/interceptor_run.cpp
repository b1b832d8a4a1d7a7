#include "common/stage/interceptor_run.h"

namespace fl {

Status run_interceptor(Interceptor& interceptor, Batch& batch, const StageContext& context) {
  batch.set_limits(context.limits);
  Status status = interceptor.process(batch);
  for (const Batch::TooLarge& refused : batch.too_large()) {
    if (!status) {
      break;
    }
    if (!batch.kept(refused.event)) {
      continue;
    }
    const Error why{ErrorClass::input, "an event grows too large: " + refused.why};
    status = context.rejects == nullptr ? Status(why)
                                        : context.rejects->reject(batch[refused.event], why);
    if (status) {
      batch.drop(refused.event);
    }
  }
  batch.clear_too_large();
  return status;
}

}  // namespace fl
