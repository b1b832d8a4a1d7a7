// One interceptor on one batch, with the check that all interceptors share.
#pragma once

#include "common/component/component.h"

namespace fl {

/// Lets `interceptor` process `batch`. An event that it would have made larger than the limits
/// stays as it was and is rejected (Rejects::reject), so that no stage below meets it.
Status run_interceptor(Interceptor& interceptor, Batch& batch, const StageContext& context);

}  // namespace fl
