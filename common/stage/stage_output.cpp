#include "common/stage/stage_output.h"

#include "common/io/unix_endpoint.h"
#include "common/stage/kept_output.h"
#include "common/stage/open_out.h"
#include "common/stage/output.h"

namespace fl {

Result<std::unique_ptr<StageOutput>> make_stage_output(const std::string& out,
                                                       const std::vector<std::string>& inputs,
                                                       const OutputSettings& settings) {
  using Made = std::unique_ptr<StageOutput>;
  if (is_unix_endpoint(out)) {
    Result<std::string> path = unix_path(out);
    return path ? Result<Made>(std::make_unique<KeptOutput>(std::move(*path), settings))
                : Result<Made>(path.error());
  }
  Result<UniqueFd> fd = open_out(out, inputs, settings.give_up_ms);
  return fd ? Result<Made>(std::make_unique<Output>(std::move(*fd), settings))
            : Result<Made>(fd.error());
}

}  // namespace fl
