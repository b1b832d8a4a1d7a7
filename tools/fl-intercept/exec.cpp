// Passes bodies through a Unix filter.
#include <sys/wait.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/component/component_type.h"
#include "common/component/line_rules.h"
#include "common/io/child.h"
#include "tools/fl-intercept/filter_run.h"

namespace fl {
namespace {

constexpr std::size_t kMostLines = 1'000'000;

struct Options {
  std::vector<std::string> words;
  std::string lines = "same";
  std::uint64_t ok_status = 0;
  Duration timeout{60'000};
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("words", &Options::words, "WORD", "The command and its arguments, after --.")
      .after_dashes()
      .required()
      .cli_only();
  table
      .add("lines", &Options::lines, "same|fewer|any",
           "same: the command prints one line for each line. fewer: it may leave lines out. any: "
           "it may also add lines and change their order.")
      .choices({"same", "fewer", "any"})
      .cli_only();
  table
      .add("okStatus", &Options::ok_status, "N",
           "An exit status that is not a failure, in addition to 0, such as grep's 1.")
      .cli_only();
  table
      .add("timeout", &Options::timeout, "TIME",
           "End the stage when the command makes no progress for this long.")
      .cli_only();
  return std::move(table).erased();
}

class ExecInterceptor final : public Interceptor {
 public:
  explicit ExecInterceptor(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override {
    if (options_.ok_status > 255) {
      return Error{ErrorClass::usage, "--ok-status is not between 0 and 255"};
    }
    if (options_.timeout.ms == 0) {
      return Error{ErrorClass::usage, "--timeout is 0"};
    }
    if (context.text != nullptr) {
      const Result<LineRules> rules = line_rules(*context.text);
      if (!rules) {
        return rules.error();
      }
      delimiter_ = rules->delimiter;
    }
    body_limit_ = context.limits.body_bytes;
    limits_.silent_ms = options_.timeout.ms;
    limits_.grace_ms = context.grace_ms;
    return check_command(options_.words.front());
  }

  // One run of the command for all events, or, where another number of lines may come back, for
  // neighbours with the same headers: then it does not matter which of them a line came from.
  Status process(Batch& batch) override {
    std::vector<std::size_t> row;
    Headers headers;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch.kept(i)) {
        continue;
      }
      if (options_.lines != "same") {
        Headers own = batch.headers(i);
        if (!row.empty() && own != headers) {
          const std::size_t before = batch.size();
          if (Status status = filter(batch, row); !status) {
            return status;
          }
          i += batch.size() - before;  // lines that were added precede it
          row.clear();
        }
        headers = std::move(own);
      }
      row.push_back(i);
    }
    return row.empty() ? Status() : filter(batch, row);
  }

 private:
  Status filter(Batch& batch, const std::vector<std::size_t>& events) {
    input_.clear();
    for (const std::size_t i : events) {
      const std::string_view body = batch[i].body();
      if (body.find(delimiter_) != std::string_view::npos) {
        return Error{ErrorClass::input,
                     "the body of an event contains the byte that separates lines for the command",
                     "--null-data separates them by NUL (sed -z, grep -z, sort -z), --delimiter by "
                     "another byte"};
      }
      input_ += body;
      input_ += delimiter_;
    }
    const Result<int> status = run_filter(options_.words, input_, limits_, output_);
    if (!status) {
      return status.error();
    }
    if (Status judged = judge(*status); !judged) {
      return judged;
    }
    if (Status parted = part_output(); !parted) {
      return parted;
    }
    const std::size_t used = std::min(lines_.size(), events.size());
    if (options_.lines == "same" ? lines_.size() != events.size()
                                 : options_.lines == "fewer" && lines_.size() > used) {
      return Error{ErrorClass::input,
                   "the command '" + options_.words.front() + "' printed " +
                       count_of(lines_.size(), "line") + " for " + count_of(events.size(), "event"),
                   used < events.size() ? "--lines fewer allows lines to be left out"
                                        : "--lines any allows lines to be added"};
    }
    for (std::size_t k = 0; k < used; ++k) {
      if (lines_[k] != batch[events[k]].body()) {
        batch.set_body(events[k], lines_[k]);
      }
    }
    for (std::size_t k = used; k < events.size(); ++k) {
      batch.drop(events[k]);
    }
    if (options_.lines == "any" && used > 0) {
      lines_.erase(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(used));
      if (!lines_.empty()) {
        batch.insert(events.back(), lines_);
      }
      batch.join(events.front(), events.back() + lines_.size());
    }
    return {};
  }

  // Fills lines_ from output_.
  Status part_output() {
    lines_.clear();
    std::string_view rest = output_;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(delimiter_), rest.size());
      lines_.push_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (lines_.back().size() > body_limit_ || lines_.size() > kMostLines) {
        const bool is_long = lines_.size() <= kMostLines;
        return Error{
            ErrorClass::input,
            "the command '" + options_.words.front() + "' prints " +
                (is_long ? "a line of " + std::to_string(lines_.back().size()) + " bytes"
                         : "more than " + std::to_string(kMostLines) + " lines for one batch"),
            is_long ? "--max-event N allows longer ones; the stages after this one need it too"
                    : ""};
      }
    }
    return {};
  }

  Status judge(int status) const {
    const std::string name = "the command '" + options_.words.front() + "' ";
    if (WIFSIGNALED(status)) {
      const int number = WTERMSIG(status);
      return Error{
          ErrorClass::unavailable,
          name + "was killed by signal " + std::to_string(number) + " (" + strsignal(number) + ")"};
    }
    const int code = WEXITSTATUS(status);
    if (code != 0 && code != static_cast<int>(options_.ok_status)) {
      const std::string hint = shell_word_hint(options_.words);
      return Error{ErrorClass::unavailable, name + "exited with status " + std::to_string(code),
                   hint.empty() ? "--ok-status N allows one status in addition to 0" : hint};
    }
    return {};
  }

  const Options options_;
  char delimiter_ = '\n';
  std::size_t body_limit_ = EventLimits().body_bytes;
  FilterLimits limits_;
  std::string input_;
  std::string output_;
  std::vector<std::string_view> lines_;  // of output_
};

}  // namespace

ComponentType exec_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "exec";
  type.summary = "pass bodies through any Unix filter";
  type.description =
      "Runs a command as a filter: each body is one line of its stdin, and each line that it "
      "prints becomes the body of the corresponding event. Headers and order are kept.\n\n"
      "The command runs once for each batch (up to 1,000 events or 64 KiB; an idle stream makes "
      "small ones): its input ends with the batch, so commands that buffer their output, as sed "
      "and sort do in a pipe, delay nothing. It knows nothing of earlier batches: a line counter "
      "starts again, and sort sorts within the batch. Each run costs about a millisecond.\n\n"
      "The command must print as many lines as it reads; any other number ends the stage with "
      "status 65. With --lines fewer it may leave lines out, as grep does; with --lines any it may "
      "also add lines, as fold does, and change their order, as sort does. It then runs once for "
      "each group of consecutive events with the same headers, because there is no telling which "
      "event a line came from; all lines get these headers.\n\n"
      "A body must not contain the byte that separates lines: --null-data makes that byte NUL. A "
      "command that exits with a status other than 0 or --ok-status, is killed, or makes no "
      "progress for --timeout ends the stage with status 69; its output is discarded. It runs in a "
      "process group of its own, which never outlives its batch, and shares the stderr of this "
      "stage.\n\n"
      "An argument + begins the next interceptor of a chain; write a command that needs one as sh "
      "-c '...'.";
  type.delivery =
      "Passes acknowledgements through unchanged. Events whose lines are left out count as "
      "delivered with those before them; with --lines any the events of one run count as delivered "
      "when all of its lines are.";
  type.examples = {
      {"printf 'a b\\n' | fl-intercept static k v + exec -- sed s/a/x/ | fl-sink logger",
       "The body changes; the header stays."},
      {"printf 'GET /\\nPOST /\\n' | fl-intercept exec --lines fewer --ok-status 1 -- grep GET | "
       "fl-sink stdout",
       "Only lines with GET; grep's status 1 means that a batch had none."},
      {"printf 'one two\\nthree\\n' | fl-intercept exec --lines any -- tr ' ' '\\n' | fl-sink "
       "stdout",
       "An event for each word."},
  };
  type.options = options();
  type.interceptor = factory<Interceptor, ExecInterceptor, Options>();
  return type;
}

}  // namespace fl
