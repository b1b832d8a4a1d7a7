#include "common/stage/runner.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/stage/announce.h"
#include "common/stage/open_out.h"
#include "common/stage/runner_state.h"

namespace fl {
namespace {

constexpr std::int64_t kLastWordsMs = 1000;

}  // namespace

Runner::Runner(Plan plan)
    : plan_(std::move(plan)),
      rejects_(plan_.name),
      give_up_(plan_.options.give_up_after.ms),
      window_(plan_.options.window.value) {
  const StageOptions& options = plan_.options;
  if (options.text && options.stream) {
    wrong_ = {ErrorClass::usage, "--text and --stream exclude each other", {}};
  } else if (options.max_event.value == 0 || options.max_event.value > (64u << 20)) {
    wrong_ = {ErrorClass::usage, "--max-event is not between 1 and 64MiB", {}};
  } else if (options.out.size() > 1 && !plan_.sink && !plan_.output) {
    wrong_ = {ErrorClass::usage, "--out is given more than once: this stage has one output",
              "fl-channel replicate, multiplex and balance have several"};
  }
  if (Status status = check_endpoints(options.in, options.out); !status) {
    wrong_ = status.error();
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
  context_.give_up_ms = options.give_up_after.ms;
  context_.terminal = isatty(STDERR_FILENO) == 1;
  context_.dry_run = options.dry_run;
  context_.input_over = [this] { return intake_ && intake_->no_more_comes(); };
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
  std::vector<std::string> paths = plan_.text.files;
  paths.insert(paths.end(), plan_.options.in.begin(), plan_.options.in.end());
  if (paths.empty() && reads()) {
    paths.emplace_back("-");
  }
  return paths;
}

Status Runner::open_output() {
  const StageOptions& options = plan_.options;
  Result<std::unique_ptr<StageOutput>> output =
      plan_.output
          ? Result<std::unique_ptr<StageOutput>>(plan_.output(context_))
          : make_stage_output(options.out.empty() ? std::string() : options.out.front(), inputs(),
                              {options.ack == "on", options.ack_wait.ms, context_.codec,
                               options.keep.value, context_.give_up_ms});
  if (!output) {
    return output.error();
  }
  output_ = std::move(*output);
  if (Status status = output_->open(); !status) {
    return status;
  }
  const bool is_text = !reads() || plan_.text_source || options.text;
  const bool is_joined = std::any_of(options.in.begin(), options.in.end(), is_unix_endpoint);
  // Numbers in the incoming header belong in ours.
  const bool is_stream = options.stream && (!plan_.keeps_numbers || is_joined);
  if ((is_text || is_stream) && !has_log()) {
    output_->start();
  }
  return output_->pump();
}

Status Runner::open() {
  if (wrong_) {
    return *wrong_;
  }
  if (plan_.sink && context_.codec.codec != BlockCodec::null && !plan_.sink->takes_codec()) {
    return Error{ErrorClass::usage, "--codec compresses a stream, and this sink writes none",
                 "for compressed files the hdfs sink has --code-c"};
  }
  if (!plan_.sink && !writes() && context_.codec.codec != BlockCodec::null) {
    return Error{ErrorClass::usage, "--codec compresses a stream, and --put alone writes none",
                 "what the file channel stores is compressed by --log-codec"};
  }
  // The header goes out before anything else that can fail, so that a failure is seen below.
  if (writes() && !plan_.options.dry_run) {
    if (Status status = open_output(); !status) {
      return status;
    }
  }
  Status status = plan_.options.dry_run ? check_paths() : open_metrics();
  if (!plan_.options.reject.empty() && !plan_.options.dry_run && status) {
    status = rejects_.open(plan_.options.reject, inputs());
  }
  each_component([&](Component& component, bool) {
    if (status) {
      status = component.open(context_);
    }
  });
  if (!status) {
    return status;
  }
  if (plan_.options.dry_run) {
    done_ = true;
    return {};
  }
  opened_ = true;
  put_keeps_positions_ = put() != nullptr && put()->positions().has_value();
  if (!reads()) {
    start_take();
    return {};
  }
  Intake::Settings settings;
  settings.limits = context_.limits;
  settings.rules = rules_;
  settings.text_source = plan_.text_source;
  settings.text = plan_.text;
  settings.rejects = &rejects_;
  if (output_) {
    settings.block_limit = output_->block_limit();
  }
  intake_ = std::make_unique<Intake>(plan_.options, std::move(settings));
  if (status = intake_->open(); status) {
    start_take();
  }
  return status;
}

// What a run would open and a dry run does not.
Status Runner::check_paths() {
  const StageOptions& options = plan_.options;
  if (reads()) {
    for (const std::string& path : inputs()) {
      if (Status status = check_in(path); !status) {
        return status;
      }
    }
  }
  for (const std::string& path : options.out) {
    if (Status status = check_out(path, inputs()); !status) {
      return status;
    }
  }
  if (!options.reject.empty()) {
    if (Status status = check_out(options.reject, inputs()); !status) {
      return status;
    }
  }
  if (options.metrics.empty()) {
    return {};
  }
  const Result<MetricsPlace> place = parse_metrics_place(options.metrics);
  if (!place) {
    return place.error();
  }
  if (!place->file.empty()) {
    return check_place(place->file);
  }
  const Result<std::unique_ptr<Metrics>> page = start_metrics();  // the port is free
  return page ? Status() : Status(page.error());
}

Result<std::unique_ptr<Metrics>> Runner::start_metrics() {
  const StageOptions& options = plan_.options;
  const std::string stage = plan_.name.substr(0, plan_.name.find(' '));
  return Metrics::start({options.metrics, options.metrics_every.ms,
                         MetricsIdentity{stage, join(plan_.components, "+"), {}, wall_ms()}},
                        figures());
}

Status Runner::open_metrics() {
  if (plan_.options.metrics.empty()) {
    return {};
  }
  Result<std::unique_ptr<Metrics>> metrics = start_metrics();
  if (!metrics) {
    return metrics.error();
  }
  metrics_ = std::move(*metrics);
  return {};
}

int Runner::run() {
  signal_fd_ = watch_signals();
  try {
    failed(open());
    start_progress();
    while (!done_ && !error_ && step()) {}
  } catch (const std::exception& exception) {
    fail(error_of(exception));
  }
  return finish();
}

void Runner::start_progress() {
  // One stage of a pipeline has the terminal's status line: the one at its end.
  const std::optional<Guarantee> guarantee =
      plan_.sink && opened_ ? plan_.sink->guarantee() : std::nullopt;
  const bool last = plan_.sink ? guarantee && guarantee->level != Level::printed
                               : output_ && output_->reader() == StageOutput::Reader::file;
  const bool live = plan_.options.progress ||
                    (context_.terminal && opened_ && last && !plan_.options.no_progress);
  progress_.emplace(plan_.name, live);
}

// ---------------------------------------------------------------- the end

int Runner::finish() {
  if (opened_ && (intake_ || !reads())) {
    propagate();
  }
  if (intake_) {
    intake_->flush(kLastWordsMs);  // the last acks go out even to a writer that is slow to read
  }
  if (progress_) {
    progress_->clear();
    if (opened_ && progress_->live()) {
      progress_->report_end(figures());
    }
  }
  StreamEnd end = outcome();
  const Figures last = figures();
  if (end) {
    tell_failure(*end);
    if (output_ && signals_.stop <= 1) {
      output_->tell_late_readers();
    }
  }
  if (plan_.sink) {
    if (const Status closed = plan_.sink->close(); !closed && !end) {
      log(closed.error());
      end = Failure(closed.error());
    }
  }
  const int status = end ? end->status : 0;
  if (plan_.options.dry_run && status == 0) {
    say_dry_run();
  }
  if (metrics_) {
    metrics_->end(last, status);
  }
  if (status == 0 && output_) {
    output_->remove_socket();
  }
  if (status == 0 && plan_.sink) {
    plan_.sink->remove_sockets();
  }
  return status;
}

void Runner::say_dry_run() const {
  const std::optional<Guarantee> guarantee = plan_.sink ? plan_.sink->guarantee() : std::nullopt;
  log(LogLevel::info, "dry run: the options are valid; nothing was read or written" +
                          (guarantee ? ". An event would count as delivered when it is: " +
                                           std::string(guarantee->text)
                                     : std::string()));
}

// How the stage ends, and the reasons that nobody has reported yet. Its own error comes before
// those of its input.
StreamEnd Runner::outcome() {
  StreamEnd end;
  if (error_) {
    end = Failure(*error_);
  }
  const auto judge = [&](const Error& error) {
    if (!end) {
      log(error);
      end = Failure(error);
    }
  };
  if (!std::exchange(settled_, true)) {
    if (const Status closed = close_components(); !closed) {
      judge(closed.error());
    }
  }
  if (plan_.source) {
    if (const std::string text = plan_.source->summary(); !text.empty() && opened_) {
      log(LogLevel::info, text);
    }
  }
  if (rejects_.count() > 0) {
    log(LogLevel::warning,
        count_of(rejects_.count(), "event") + " rejected and kept in '" + rejects_.path() + "'");
  }
  if (intake_ && !quiet_end_ && !end) {
    intake_->end_all();  // what is not over now is not read to its end
  }
  if (intake_ && !end) {
    end = intake_->outcome();
  }
  if (!opened_) {
    return end;
  }
  if (output_ && !output_->closed() && !quiet_end_) {
    judge({ErrorClass::again, "stopped before the next stage had received the end", {}});
  }
  if (const std::uint64_t left = figures().unacknowledged;
      left > 0 && (!quiet_end_ || has_state())) {
    judge({ErrorClass::again, "stopped with " + count_of(left, "event") + " unacknowledged", {}});
  }
  if (put() != nullptr && put()->traits().acks_at_put && !put()->traits().durable && take() &&
      output_->acked() < put()->safe()) {
    const Error lost{ErrorClass::again,
                     count_of(put()->safe() - output_->acked(), "event") +
                         " lost: acknowledged here, and not by the next stage",
                     "--ack-at sink acknowledges only what the next stage has"};
    if (end) {
      log(lost);  // the stage fails for another reason: this one is worth a line, too
    }
    judge(lost);
  }
  return end;
}

// The stages below end with this status too, and know why. They get --ack-wait to receive it; those
// above see at once that this one takes nothing more.
void Runner::tell_failure(const Failure& failure) {
  const bool writes_streams = plan_.sink ? plan_.kind != ComponentKind::sink : writes();
  if (plan_.options.dry_run || !writes_streams) {
    return;
  }
  intake_.reset();
  std::vector<std::string> unopened;
  if (plan_.sink) {
    const std::vector<std::string>& outs = plan_.options.out;
    const std::size_t opened = std::min(plan_.sink->outputs_opened(), outs.size());
    unopened.assign(outs.begin() + static_cast<std::ptrdiff_t>(opened), outs.end());
  } else if (!output_) {
    unopened = plan_.options.out;
  } else if (!output_->started()) {
    output_->start_failed(failure);
  }
  if (plan_.options.out.empty() && !output_) {
    unopened.emplace_back("-");
  }
  announce_failure(unopened, failure, plan_.options.ack_wait.ms);
  const std::int64_t deadline = monotonic_ms() + plan_.options.ack_wait.ms;
  for (;;) {
    const bool hurry = signals_.stop > 1 || monotonic_ms() >= deadline;
    bool told = true;
    if (output_ && !output_->closed()) {
      told = !output_->pump() || !output_->close(failure, hurry) || output_->closed();
    } else if (plan_.sink) {
      told = plan_.sink->tell_failure(failure);
    }
    if (told || hurry) {
      return;
    }
    poll_.clear();
    signal_index_ = poll_.add(signal_fd_, POLLIN);
    poll_.wake_at(deadline);
    if (output_) {
      output_->watch(poll_);
    } else {
      plan_.sink->watch(poll_, true);
    }
    poll_.wait();
    if (poll_.revents(signal_index_) != 0) {
      take_signals(signals_);
    }
    // Nothing is worse than the failure that is being reported.
    (void)(output_ ? output_->handle(poll_) : plan_.sink->handle(poll_)).ok();
  }
}

int run_stage(Plan plan) {
  try {
    return Runner(std::move(plan)).run();
  } catch (const std::exception& exception) {  // while it ended
    const Error error = error_of(exception);
    log(error);
    return static_cast<int>(error.kind);
  }
}

}  // namespace fl
