// The spooldir source at its start: options, directories, lock, what earlier runs left.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "common/component/reject_line.h"
#include "common/io/dir_probe.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {

Status SpooldirSource::open(const StageContext& context) {
  limits_ = context.limits;
  dry_run_ = context.dry_run;
  terminal_ = context.terminal;
  any_bytes_ = context.stage != nullptr && context.stage->text;
  const TextOptions defaults;
  auto rules = line_rules(context.text != nullptr ? *context.text : defaults);
  if (!rules) {
    return rules.error();
  }
  rules_ = *rules;
  if (options_.max_line_length != 0) {
    rules_.max_line = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(options_.max_line_length, limits_.body_bytes));
  }
  rejects_ = context.rejects;
  lines_.emplace(rules_,
                 reject_lines(rejects_, limits_,
                              "--max-line (" + std::to_string(rules_.max_line) + ")", &map_));
  finder_.emplace(rules_);
  if (Status status = check_options(); !status) {
    return status;
  }
  auto scanner =
      SpoolScan::make({options_.file_suffix, options_.include_pattern, options_.ignore_pattern,
                       options_.consume_order, options_.recursive});
  if (!scanner) {
    return scanner.error();
  }
  scanner_.emplace(std::move(*scanner));
  if (Status status = open_directories(); !status) {
    return status;
  }
  return dry_run_ ? Status() : open_records();
}

Status SpooldirSource::check_options() {
  const auto empty = [](const char* what) {
    return Error{ErrorClass::usage, std::string(what) + " is an empty string",
                 "is a variable unset?"};
  };
  if (options_.spool_dir.empty()) {
    return empty("the directory to read");
  }
  if (options_.tracker_dir.empty()) {
    return empty("--tracker-dir");
  }
  if (options_.file_header && options_.file_header_key.empty()) {
    return empty("--file-header-key");
  }
  if (options_.basename_header && options_.basename_header_key.empty()) {
    return empty("--basename-header-key");
  }
  for (const std::string* const name : {&options_.file_header_key, &options_.basename_header_key}) {
    if (name->size() > limits_.name_bytes) {
      return Error{ErrorClass::config,
                   "the header name '" + name->substr(0, 40) + "...' is longer than " +
                       std::to_string(limits_.name_bytes) + " bytes",
                   {}};
    }
  }
  if (options_.file_suffix.empty() && options_.delete_policy == "never") {
    return empty("--file-suffix");
  }
  if (options_.file_suffix.find('/') != std::string::npos) {
    return Error{ErrorClass::usage,
                 "cannot use '" + options_.file_suffix + "' as the suffix of delivered files"};
  }
  if (options_.min_age != "auto") {
    const auto age = parse_duration(options_.min_age);
    if (!age) {
      return Error{ErrorClass::usage, "--min-age: " + age.error().message, age.error().hint};
    }
    min_age_ = age->ms;
  }
  auto charset = charset_name(options_.input_charset);
  if (!charset) {
    return charset.error();
  }
  charset_ = std::move(*charset);
  if (!charset_.empty() && open_converter("UTF-8", charset_) == nullptr) {
    return unknown_charset(options_.input_charset);
  }
  return {};
}

Status SpooldirSource::open_directories() {
  auto root = LocalDir::open(options_.spool_dir, LocalDir::Missing::fail);
  if (!root) {
    Error error = root.error();
    if (error.kind == ErrorClass::config) {
      error.hint = "create the directory first, or name another one";
    }
    return error;
  }
  root_.emplace(std::move(*root));
  root_path_ = options_.spool_dir;
  if (!root_path_.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof here) == nullptr) {
      return system_error(ErrorClass::io, "cannot get the current directory", errno);
    }
    root_path_ = std::string(here) == "/" ? "/" + root_path_ : std::string(here) + "/" + root_path_;
  }
  while (root_path_.size() > 1 && root_path_.ends_with('/')) {
    root_path_.pop_back();
  }
  if (root_path_ == "/") {
    root_path_.clear();
  }
  if (!marks() && ::faccessat(root_->fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    Error error =
        system_error("cannot rename or delete files in '" + options_.spool_dir + "'", errno);
    error.hint = "--tracking-policy tracker_dir reads a directory without writing to it";
    return error;
  }
  const std::string& name = options_.tracker_dir;
  if (dry_run_) {
    return check_dir_can_be_made(name.starts_with('/') ? name : root_path_ + "/" + name);
  }
  auto tracker = name.starts_with('/') ? LocalDir::open(name, LocalDir::Missing::create)
                                       : root_->below(name, LocalDir::Missing::create);
  if (!tracker) {
    return tracker.error();
  }
  tracker_dir_.emplace(std::move(*tracker));
  return {};
}

/// The lock, and then what it protects.
Status SpooldirSource::open_records() {
  if (Status status = lock_.take(*root_, *tracker_dir_, options_.spool_dir); !status) {
    return status;
  }
  tracker_.emplace(*tracker_dir_);
  ledger_.emplace(*tracker_dir_);
  auto mark = tracker_->load();
  if (!mark) {
    return mark.error();
  }
  if (mark->has_value()) {
    begun_ = std::move(**mark);
  }
  if (Status status = ledger_->load(); !status) {
    return status;
  }
  ledger_->remove_settled([this](const SpoolLedger::Record& record) {
    check_settled(record);
    return true;  // reported once, or long enough unchanged
  });
  if (!options_.once) {
    watch_.start(options_.recursive);
  }
  return {};
}

}  // namespace fl
