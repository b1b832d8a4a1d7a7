#include "common/stage/runner.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/stage/open_out.h"
#include "common/stage/runner_state.h"

namespace fl {
namespace {

constexpr std::int64_t kLastWordsMs = 1000;

}  // namespace

Runner::Runner(Plan plan)
    : plan_(std::move(plan)), rejects_(plan_.name), window_(plan_.options.window.value) {
  const StageOptions& options = plan_.options;
  if (options.text && options.stream) {
    wrong_ = {ErrorClass::usage, "--text and --stream exclude each other", {}};
  } else if (options.max_event.value == 0 || options.max_event.value > (64u << 20)) {
    wrong_ = {ErrorClass::usage, "--max-event is not between 1 and 64MiB", {}};
  } else if (options.out.size() > 1 && !plan_.sink) {
    wrong_ = {ErrorClass::usage, "--out is given more than once: this stage has one output",
              "fl-channel replicate, multiplex and balance have several"};
  }
  if (Result<LineRules> rules = line_rules(options.line); rules) {
    rules_ = *rules;
  } else {
    wrong_ = rules.error();
  }
  if (Result<CodecChoice> codec = codec_choice(options); codec) {
    context_.codec = *codec;
  } else {
    wrong_ = codec.error();
  }
  context_.limits.body_bytes =
      std::max(static_cast<std::uint32_t>(options.max_event.value), rules_.max_line);
  context_.grace_ms = options.grace.ms;
  context_.terminal = isatty(STDERR_FILENO) == 1;
  context_.dry_run = options.dry_run;
  context_.input_over = [this] { return feed_ && feed_->over(); };
  context_.text = &plan_.options.line;
  context_.stage = &plan_.options;
  context_.rejects = &rejects_;
}

void Runner::fail(const Error& error) {
  if (!error_) {
    log(error);
    error_ = error;
  }
}

bool Runner::failed(const Status& status) {
  if (!status) {
    fail(status.error());
  }
  return !status;
}

// ---------------------------------------------------------------- opening

std::vector<std::string> Runner::inputs() const {
  std::vector<std::string> paths = plan_.files;
  paths.insert(paths.end(), plan_.options.in.begin(), plan_.options.in.end());
  if (paths.empty() && !plan_.source) {
    paths.emplace_back("-");
  }
  return paths;
}

Status Runner::open_output() {
  Result<UniqueFd> fd =
      open_out(plan_.options.out.empty() ? std::string() : plan_.options.out.front(), inputs());
  if (!fd) {
    return fd.error();
  }
  Result<std::unique_ptr<Output>> output = Output::open(
      std::move(*fd), {plan_.options.ack == "on", plan_.options.ack_wait.ms, context_.codec});
  if (!output) {
    return output.error();
  }
  output_ = std::move(*output);
  if (plan_.source || plan_.text_source || plan_.options.text || plan_.options.stream) {
    output_->start();
  }
  return output_->pump();
}

Status Runner::open() {
  if (wrong_) {
    return *wrong_;
  }
  if (plan_.sink && context_.codec.codec != BlockCodec::null && !plan_.sink->takes_codec()) {
    return Error{ErrorClass::usage, "--codec compresses a stream, and this sink writes none"};
  }
  // The header goes out before anything else that can fail, so that a failure is seen below.
  if (!plan_.sink && !plan_.options.dry_run) {
    if (Status status = open_output(); !status) {
      return status;
    }
  }
  Status status = open_metrics();
  if (!plan_.options.reject.empty() && !plan_.options.dry_run && status) {
    status = rejects_.open(plan_.options.reject, inputs());
  }
  if (plan_.source && status) {
    status = plan_.source->open(context_);
  }
  for (std::size_t i = 0; i < plan_.interceptors.size() && status; ++i) {
    status = plan_.interceptors[i]->open(context_);
  }
  if (plan_.channel && status) {
    status = plan_.channel->open(context_);
  }
  if (plan_.sink && status) {
    status = plan_.sink->open(context_);
  }
  if (!status) {
    return status;
  }
  if (plan_.options.dry_run) {
    done_ = true;
    return {};
  }
  opened_ = true;
  if (plan_.source) {
    return {};
  }
  Feed::Settings settings;
  settings.limits = context_.limits;
  settings.rules = rules_;
  settings.text_source = plan_.text_source;
  settings.files = plan_.files;
  if (output_) {
    settings.block_limit = output_->block_limit();
  }
  feed_ = std::make_unique<Feed>(plan_.options, std::move(settings));
  return feed_->open();
}

Status Runner::open_metrics() {
  const StageOptions& options = plan_.options;
  if (options.metrics.empty() || options.dry_run) {
    return {};
  }
  const std::string stage = plan_.name.substr(0, plan_.name.find(' '));
  Result<std::unique_ptr<Metrics>> metrics =
      Metrics::start({options.metrics, options.metrics_every.ms,
                      MetricsIdentity{stage, join(plan_.components, "+"), {}, wall_ms()}},
                     figures());
  if (!metrics) {
    return metrics.error();
  }
  metrics_ = std::move(*metrics);
  return {};
}

int Runner::run() {
  signal_fd_ = watch_signals();
  failed(open());
  // One stage of a pipeline has the terminal's status line: the one at its end.
  const std::string_view rule = plan_.sink && opened_ ? plan_.sink->rule() : "";
  const bool last = plan_.sink ? !rule.empty() && rule != "printed"
                               : output_ && output_->reader() == Output::Reader::file;
  const bool live = plan_.options.progress ||
                    (context_.terminal && opened_ && last && !plan_.options.no_progress);
  progress_.emplace(plan_.name, live);
  while (!done_ && !error_ && step()) {}
  return finish();
}

// ---------------------------------------------------------------- the end

int Runner::finish() {
  if (opened_ && (feed_ || plan_.source)) {
    propagate();
  }
  if (feed_) {
    feed_->flush(kLastWordsMs);  // the last acks go out even to a writer that is slow to read
  }
  progress_->clear();
  if (opened_ && progress_->live()) {
    progress_->report(figures());
  }
  const int status = verdict();
  if (metrics_) {
    metrics_->end(figures(), status);
  }
  if (status == 0 && output_) {
    output_->remove_socket();
  }
  return status;
}

// The exit status, and the reasons that nobody has told yet. The first one counts.
int Runner::verdict() {
  std::optional<ErrorClass> worst;
  if (error_) {
    worst = error_->kind;
  }
  const auto judge = [&](const Status& status) {
    if (!status) {
      if (!worst) {
        log(status.error());
      }
      worst = worst.value_or(status.error().kind);
    }
  };
  if (feed_ && (feed_->damaged() || feed_->rejected())) {
    worst = worst.value_or(ErrorClass::input);
  }
  if (plan_.source) {
    judge(plan_.source->close());
    if (const std::string text = plan_.source->summary(); !text.empty() && opened_) {
      log(LogLevel::info, text);
    }
  }
  if (plan_.sink) {
    judge(plan_.sink->close());
  }
  if (rejects_.count() > 0) {
    log(LogLevel::warning,
        count_of(rejects_.count(), "event") + " rejected and kept in '" + rejects_.path() + "'");
  }
  if (feed_ && feed_->early()) {
    worst = worst.value_or(ErrorClass::again);
  }
  const Figures last = figures();
  if (opened_ && last.unacknowledged > 0 && (!quiet_end_ || has_state())) {
    judge(Error{ErrorClass::again,
                "stopped with " + count_of(last.unacknowledged, "event") + " unacknowledged",
                {}});
  }
  return worst ? static_cast<int>(*worst) : 0;
}

int run_stage(Plan plan) { return Runner(std::move(plan)).run(); }

}  // namespace fl
