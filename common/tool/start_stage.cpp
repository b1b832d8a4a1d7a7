#include "common/tool/start_stage.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "common/fanout/group_output.h"
#include "common/stage/runner.h"
#include "common/tool/tool_text.h"

namespace fl {
namespace {

void add(Plan& plan, const ChosenType& chosen) {
  const ComponentType& type = *chosen.type;
  plan.keeps_numbers = type.keeps_numbers && (plan.components.empty() || plan.keeps_numbers);
  plan.components.push_back(type.name);
  if (type.text) {
    plan.text_source = true;
    plan.text = type.text(chosen.options);
  } else if (type.source) {
    plan.source = type.source(chosen.options);
  } else if (type.interceptor) {
    plan.interceptors.push_back(type.interceptor(chosen.options));
  } else if (type.channel) {
    plan.channel = type.channel(chosen.options);
    if (type.shares_out && plan.channel.take && plan.options.out.size() > 1) {
      plan.output = [](const StageContext& context) {
        return std::make_unique<GroupOutput>(context);
      };
    }
  } else {  // a channel with several outputs, too
    plan.sink = type.sink(chosen.options);
  }
}

bool reads_stdin(const Plan& plan) {
  return plan.options.in.empty() && plan.text.files.empty() &&
         (plan.kind != ComponentKind::source || plan.text_source);
}

}  // namespace

Result<int> start_stage(const Tool& tool, const std::string& name, const StageOptions& options,
                        const std::vector<ChosenType>& chain) {
  Plan plan;
  plan.name = name;
  plan.kind = chain.front().type->kind;  // a subcommand may be a source
  plan.options = options;
  if (options.quiet) {
    plan.options.log_level = options.log_level == "error" ? "error" : "warning";
    plan.options.progress = false;
    plan.options.no_progress = true;
  }
  for (const ChosenType& chosen : chain) {
    add(plan, chosen);
  }
  if (tool.kind == ComponentKind::sink && !options.out.empty()) {
    return Error{ErrorClass::usage, "a sink writes no stream, so it has no --out",
                 "fl-sink stdout writes to stdout: redirect that"};
  }
  // Nobody types a stream; --text says that somebody means to type lines.
  if (reads_stdin(plan) && !options.text && !options.dry_run && ::isatty(STDIN_FILENO) == 1) {
    (void)std::fputs(short_help(tool).c_str(), stderr);
    return Error{ErrorClass::usage, "stdin is a terminal: there is nothing to read",
                 "pipe something into it, or give --text to type lines"};
  }
  return run_stage(std::move(plan));
}

}  // namespace fl
