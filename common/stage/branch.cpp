#include "common/stage/branch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/io/signals.h"
#include "common/io/standard_fds.h"
#include "common/stage/stage_options.h"

namespace fl {

Result<Branch> Branch::open(const std::string& path, const StageContext& context) {
  UniqueFd fd(path == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                          : ::open(path.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644));
  if (!fd) {
    return system_error(ErrorClass::create, "cannot open '" + path + "' for writing", errno);
  }
  if (Status status = check_writable(fd.get()); !status) {
    return status.error();
  }
  return open(std::move(fd), path, context);
}

Result<Branch> Branch::open(UniqueFd fd, std::string name, const StageContext& context) {
  Result<std::unique_ptr<Output>> output = Output::open(
      std::move(fd), {context.stage->ack == "on", context.stage->ack_wait.ms, context.codec});
  if (!output) {
    return output.error();
  }
  Branch branch(std::move(*output), std::move(name));
  branch.output_->start();
  branch.pump();
  return branch;
}

void Branch::settle(const Status& status) {
  if (!status) {
    why_ = status.error().message;
    state_ = State::lost;
  } else if (output_->enough()) {
    state_ = State::enough;
  } else if (output_->closed_early() || output_->reader_lost()) {
    // A reader that has everything may go: after our end, or because it stops as we do.
    const bool done = !output_->busy() && output_->acked() == output_->sent();
    if (!done || !(output_->closed() || stop_requested())) {
      why_ = "its reader closed early";
      state_ = State::lost;
    }
  }
}

void Branch::handle(const PollSet& set) {
  if (is_live()) {
    settle(output_->handle(set));
  }
}

void Branch::pump() {
  if (is_live()) {
    settle(output_->pump());
  }
}

bool Branch::close(bool whole) {
  if (is_live() && !output_->closed()) {
    settle(output_->close(whole, stop_requested()));
  }
  return !is_live() || output_->closed();
}

Status check_distinct(const std::vector<std::string>& paths) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    struct stat one {};
    const bool exists = ::stat(paths[i].c_str(), &one) == 0;
    for (std::size_t k = 0; k < i; ++k) {
      struct stat other {};
      const bool same = paths[i] == paths[k] ||
                        (exists && !S_ISCHR(one.st_mode) && ::stat(paths[k].c_str(), &other) == 0 &&
                         one.st_dev == other.st_dev && one.st_ino == other.st_ino);
      if (same) {
        return Error{ErrorClass::usage, "--out '" + paths[i] + "' is given twice",
                     "each output needs a file or pipe of its own"};
      }
    }
  }
  return {};
}

std::string weakest_rule(const std::vector<const Branch*>& branches) {
  static constexpr std::array<std::string_view, 3> kWeak = {"handed on", "printed",
                                                            "held in memory"};
  std::string weakest;
  std::size_t rank = kWeak.size() + 1;
  for (const Branch* branch : branches) {
    const std::optional<std::string> rule = branch->output().rule();
    if (!rule) {
      return {};
    }
    std::size_t own = 0;
    while (own < kWeak.size() && kWeak[own] != *rule) {
      ++own;
    }
    if (own < rank) {
      rank = own;
      weakest = *rule;
    }
  }
  return weakest;
}

}  // namespace fl
