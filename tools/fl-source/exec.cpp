// Runs a command; each line that it prints is an event.
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/start.h"
#include "common/base/text.h"
#include "common/component/component_type.h"
#include "common/component/line_rules.h"
#include "common/component/reject_line.h"
#include "common/io/child.h"
#include "common/io/input_buffer.h"
#include "tools/fl-source/command.h"
#include "tools/fl-source/line_charset.h"

namespace fl {
namespace {

constexpr std::size_t kMaxErrorLine = 4096;
constexpr int kErrorReads = 16;  // before it is the output's turn again

struct Options {
  std::string command;
  std::vector<std::string> words;
  std::string shell;
  bool restart = false;
  Duration restart_throttle{10'000};
  bool log_std_err = false;
  bool strip_cr = false;
  std::string charset = "UTF-8";
  std::uint64_t batch_size = 20;
  std::uint64_t batch_timeout = 3000;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("command", &Options::command, "COMMAND",
            "The command, split at blanks (quotes have no meaning), or a line for --shell.");
  table
      .add("words", &Options::words, "WORD",
           "The command and its arguments, after --; instead of --command.")
      .after_dashes()
      .cli_only();
  table.add("shell", &Options::shell, "SHELL",
            "Run the command with this shell, for example '/bin/sh -c': it is split at blanks, and "
            "the command becomes its last argument.");
  table.add("restart", &Options::restart, "BOOL", "Run the command again whenever it ends.");
  table
      .add("restartThrottle", &Options::restart_throttle, "TIME",
           "How long to wait before running it again.")
      .flume_ms();
  table.add("logStdErr", &Options::log_std_err, "BOOL",
            "Log each line that the command writes to stderr. Otherwise the command shares the "
            "stderr of this stage.");
  table
      .add("stripCr", &Options::strip_cr, "BOOL",
           "Remove a carriage return before the newline, as --crlf strip does.")
      .flume("true");
  table.add("charset", &Options::charset, "NAME",
            "The encoding of the output. Bytes pass unchanged, so it must be one whose newline is "
            "the byte 10.");
  table.add("batchSize", &Options::batch_size, "N", "Lines in one transaction.")
      .ignored("blocks are cut by the size of the pipe");
  table.add("batchTimeout", &Options::batch_timeout, "MS", "How long a line may wait for others.")
      .ignored("a line is passed on at once when no other is waiting");
  return std::move(table).erased();
}

std::vector<std::string> split_words(const std::string& text) {
  constexpr const char* kBlanks = " \t\n\r\f\v";
  std::vector<std::string> words;
  std::size_t begin = 0;
  while ((begin = text.find_first_not_of(kBlanks, begin)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

class ExecSource final : public Source {
 public:
  explicit ExecSource(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  void stop() override;
  Status close() override;
  int wait_fd() const override { return epoll_.get(); }
  std::int64_t deadline_ms() const override { return restart_ms_ < 0 ? ending_ms_ : restart_ms_; }
  std::string summary() const override;

 private:
  enum class Phase { running, waiting, over };

  Status choose_words();
  Status start();
  Status watch_fd(int fd);
  Status read_errors();
  void log_errors(bool rest);
  Result<bool> read_output();
  Result<bool> finish_run();
  std::optional<Error> failure_of(const Command::Ended& ended) const;
  void note_own_end();

  const Options options_;
  LineRules rules_;
  RejectedLine rejected_lines_;
  std::vector<std::string> words_;
  UniqueFd epoll_;

  Phase phase_ = Phase::waiting;
  std::int64_t restart_ms_ = 0;
  std::optional<Command> command_;
  InputBuffer input_;
  std::optional<TextReader> lines_;
  bool at_end_ = false;         // of the output
  bool errors_at_end_ = false;  // of stderr
  bool result_known_ = false;
  std::int64_t ending_ms_ = -1;  // until when what the command left running may take to end
  bool is_stopping_ = false;
  std::string error_lines_;

  std::uint64_t runs_ = 0;
  std::uint64_t long_lines_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t produced_ = 0;
  std::uint64_t left_ = 0;  // bytes of output that were not taken when we stopped
  std::optional<Error> failure_;
};

// ---------------------------------------------------------------- start

Status ExecSource::choose_words() {
  if (options_.command.empty() == options_.words.empty()) {
    return Error{ErrorClass::usage,
                 options_.words.empty() ? "no command to run"
                                        : "--command and a command after -- exclude each other",
                 "fl-source exec -- tail -F FILE, or --command 'tail -F FILE'"};
  }
  if (options_.shell.empty()) {
    words_ = options_.words.empty() ? split_words(options_.command) : options_.words;
  } else {
    words_ = split_words(options_.shell);
    words_.push_back(options_.words.empty() ? options_.command : join(options_.words, " "));
  }
  if (words_.empty() || words_.front().empty()) {
    return Error{ErrorClass::usage, "no command to run", {}};
  }
  return {};
}

Status ExecSource::open(const StageContext& context) {
  if (Status status = choose_words(); !status) {
    return status;
  }
  const TextOptions defaults;
  auto rules = line_rules(context.text != nullptr ? *context.text : defaults);
  if (!rules) {
    return rules.error();
  }
  rules_ = *rules;
  rules_.strip_cr = rules_.strip_cr || options_.strip_cr;
  rejected_lines_ = reject_lines(context.rejects, context.limits,
                                 "--max-line (" + std::to_string(rules_.max_line) + ")");
  const auto charset = LineCharset::open(options_.charset);
  if (!charset) {
    return charset.error();
  }
  if (charset->unit().bytes != 1) {
    return Error{ErrorClass::config,
                 "--charset " + options_.charset + ": a newline is not one byte there",
                 "let the command convert its output, for example with iconv(1)"};
  }
  if (context.dry_run) {
    return check_command(words_.front());
  }
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) {
    return system_error(ErrorClass::io, "cannot wait for the command", errno);
  }
  return {};
}

Status ExecSource::watch_fd(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (fd >= 0 && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return system_error(ErrorClass::io, "cannot wait for the command", errno);
  }
  return {};
}

Status ExecSource::start() {
  auto command = Command::start(words_, options_.log_std_err);
  if (!command) {
    return command.error();
  }
  command_.emplace(std::move(*command));
  for (const int fd : {command_->output(), command_->errors(), command_->result_fd()}) {
    if (Status status = watch_fd(fd); !status) {
      return status;
    }
  }
  lines_.emplace(rules_, rejected_lines_);
  at_end_ = false;
  result_known_ = false;
  errors_at_end_ = !options_.log_std_err;
  phase_ = Phase::running;
  restart_ms_ = -1;
  ++runs_;
  return {};
}

// ---------------------------------------------------------------- events

Result<Source::State> ExecSource::produce(BlockBuilder& out) {
  const std::uint64_t before = out.count();
  for (;;) {
    if (phase_ == Phase::over) {
      return State::end;
    }
    if (phase_ == Phase::waiting) {
      if (monotonic_ms() < restart_ms_) {
        return State::wait;
      }
      if (Status status = start(); !status) {
        return status.error();
      }
    }
    if (Status status = read_errors(); !status) {
      return status.error();
    }
    if (!result_known_ && command_->result().known) {
      result_known_ = true;
      if (command_->result().is_lost) {  // else it is readable again when all of the group is gone
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, command_->result_fd(), nullptr);
      }
    }
    const Result<bool> is_full = lines_->read(input_, at_end_, out);
    if (!is_full) {
      return is_full.error();
    }
    produced_ += out.count() - before;
    if (*is_full || out.count() > before) {
      return State::more;  // what is there goes out before more is read
    }
    const Result<bool> moved = at_end_ ? finish_run() : read_output();
    if (!moved) {
      return moved.error();
    }
    if (!*moved) {
      return State::wait;
    }
  }
}

// True if something came, be it the end.
Result<bool> ExecSource::read_output() {
  const std::ptrdiff_t n = input_.read(command_->output());
  if (n == -EAGAIN || n == -EINTR) {
    return false;
  }
  if (n < 0) {
    return system_error(ErrorClass::io, "cannot read the command's output", static_cast<int>(-n));
  }
  if (n == 0) {
    at_end_ = true;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, command_->output(), nullptr);
  }
  return true;
}

Status ExecSource::read_errors() {
  for (int i = 0; i < kErrorReads && !errors_at_end_; ++i) {
    std::array<char, 4096> bytes;
    const ssize_t n = ::read(command_->errors(), bytes.data(), bytes.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      break;
    }
    if (n < 0) {
      return system_error(ErrorClass::io, "cannot read the command's stderr", errno);
    }
    if (n == 0) {
      errors_at_end_ = true;
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, command_->errors(), nullptr);
    }
    error_lines_.append(bytes.data(), static_cast<std::size_t>(n));
    log_errors(errors_at_end_);
  }
  return {};
}

void ExecSource::log_errors(bool rest) {
  std::size_t begin = 0;
  while (begin < error_lines_.size()) {
    const std::size_t newline = error_lines_.find('\n', begin);
    std::size_t size = std::min(newline, error_lines_.size()) - begin;
    if (newline == std::string::npos && size < kMaxErrorLine && !rest) {
      break;
    }
    size = std::min(size, kMaxErrorLine);
    log(LogLevel::warning, words_.front() + ": " + error_lines_.substr(begin, size));
    begin += size;
    if (begin < error_lines_.size() && error_lines_[begin] == '\n') {
      ++begin;
    }
  }
  error_lines_.erase(0, begin);
}

// The output is over. True when the command has ended, too. Does not wait: signals and
// acknowledgements are handled meanwhile.
Result<bool> ExecSource::finish_run() {
  if (!result_known_) {
    return false;
  }
  const Command::Ended ended = command_->result();
  // What the command left running ends now, so that nothing is doubled by the next run.
  if (ending_ms_ < 0) {
    command_->stop();
    ending_ms_ = monotonic_ms() + Command::kEndMs;
  }
  if (!command_->is_over()) {
    if (monotonic_ms() < ending_ms_) {
      return false;
    }
    log(LogLevel::warning, "processes of the command '" + words_.front() + "' do not end");
  }
  ending_ms_ = -1;
  if (Status status = read_errors(); !status) {
    return status.error();
  }
  log_errors(true);
  command_.reset();
  long_lines_ += lines_->long_lines();
  rejected_ += lines_->rejected();
  lines_.reset();

  std::optional<Error> failure = failure_of(ended);
  if (options_.restart && (ended.exec_error == 0 || runs_ > 1)) {
    log(failure ? LogLevel::warning : LogLevel::info,
        (failure ? failure->message : "the command '" + words_.front() + "' " + exit_text(ended)) +
            ": running it again in " + to_string(options_.restart_throttle));
    phase_ = Phase::waiting;
    restart_ms_ = monotonic_ms() + options_.restart_throttle.ms;
    return true;
  }
  phase_ = Phase::over;
  failure_ = std::move(failure);
  return true;
}

std::optional<Error> ExecSource::failure_of(const Command::Ended& ended) const {
  if (ended.exec_error != 0) {
    const std::string what = "cannot run '" + words_.front() + "'";
    if (is_limit(ended.exec_error)) {
      return refused_start(ErrorClass::io, what, ended.exec_error);
    }
    Error error = system_error(what, ended.exec_error);
    error.hint = "the words of a command are not read by a shell: --shell '/bin/sh -c' does that";
    return error;
  }
  if (ended.is_lost || ended.status != 0) {
    return Error{ErrorClass::unavailable,
                 "the command '" + words_.front() + "' " + exit_text(ended),
                 shell_word_hint(words_)};
  }
  return std::nullopt;
}

// ---------------------------------------------------------------- the end

// A command that had failed before we ended it has failed; one that we end has not.
void ExecSource::note_own_end() {
  if (!std::exchange(is_stopping_, true) && command_->result().known && !options_.restart) {
    failure_ = failure_of(command_->result());
  }
}

void ExecSource::stop() {
  if (!command_) {
    return;
  }
  note_own_end();
  int unread = 0;
  if (!at_end_ && ::ioctl(command_->output(), FIONREAD, &unread) != 0) {
    unread = 0;
  }
  left_ = input_.size() + (lines_ ? lines_->pending() : 0) + static_cast<std::uint64_t>(unread);
  command_->stop();
}

Status ExecSource::close() {
  if (command_) {
    note_own_end();
    command_->stop();
    if (!command_->wait_for_end()) {
      log(LogLevel::warning, "processes of the command '" + words_.front() + "' do not end");
    }
    (void)read_errors();
    log_errors(true);
    if (const Command::Ended& told = command_->told();
        !failure_ && told.known && !told.is_lost && !options_.restart) {
      failure_ = failure_of(told);  // it had ended, and we did not know it yet
    }
  }
  if (failure_) {
    return *failure_;
  }
  if (left_ > 0) {
    return Error{ErrorClass::again,
                 "stopped with " + count_of(left_, "byte") + " of the command's output not taken",
                 {}};
  }
  if (const std::uint64_t rejected = rejected_ + (lines_ ? lines_->rejected() : 0); rejected > 0) {
    return Error{ErrorClass::input, count_of(rejected, "line") + " rejected: too long",
                 "--reject FILE keeps them aside, --long-line split delivers them"};
  }
  return {};
}

std::string ExecSource::summary() const {
  std::string text = count_of(produced_, "event");
  if (options_.restart) {
    text += " of " + count_of(runs_, "run");
  }
  const std::uint64_t long_lines = long_lines_ + (lines_ ? lines_->long_lines() : 0);
  if (long_lines > 0) {
    text += ", " + count_of(long_lines, "line") + " longer than " +
            std::to_string(rules_.max_line) + " bytes";
  }
  return text;
}

}  // namespace

ComponentType exec_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "exec";
  type.class_names = {"org.apache.flume.source.ExecSource"};
  type.sought_as = {"command", "run", "sh", "shell"};
  type.summary = "lines that a command prints";
  type.description =
      "Runs a command and makes an event without headers of each line that it writes to stdout. "
      "Bytes pass unchanged; the last line needs no newline; a lone carriage return does not end a "
      "line. A line longer than --max-line is handled as --long-line says.\n\n"
      "The words after -- are the command and its arguments, as the shell has split them. "
      "--command is one string that is split at blanks, as in Flume; with --shell it is a line for "
      "that shell. The stdin of the command is /dev/null, and its stderr is that of this "
      "stage.\n\n"
      "When the stages after this one are full, the command waits at its full pipe; Flume would "
      "end it and lose its lines.\n\n"
      "When the command ends, the stage ends. If the command failed (a status other than 0, or a "
      "signal), its output counts as incomplete: the status is 69, and the stages after this one "
      "report the failure and end with 69 too. A command that cannot be run is 78 or 77. With "
      "--restart it is run again instead, forever.\n\n"
      "The command has a process group of its own. On a signal the group gets TERM, and after 2 s "
      "KILL; the same happens when this stage is killed.";
  type.delivery =
      "A command's output cannot be read again: delivery is best effort up to the first durable "
      "hop; fl-source spooldir loses nothing. The exit status is 0 only if the stages after this "
      "one acknowledged every event and the command succeeded. On a signal the status is 75 if the "
      "command had written more than was read.";
  type.examples = {
      {"fl-source exec -- seq 3 | fl-sink stdout", "Prints 1, 2 and 3."},
      {"fl-source exec --shell '/bin/sh -c' --command 'ls /etc | sort -r' | fl-sink null",
       "A line for a shell, as in a Flume file."},
      {"timeout 1 fl-source exec --restart --restart-throttle 100ms -- date | fl-sink logger",
       "Runs the same command again and again."},
  };
  type.options = options();
  type.source = factory<Source, ExecSource, Options>();
  return type;
}

}  // namespace fl
