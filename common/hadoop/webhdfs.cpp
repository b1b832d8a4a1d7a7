#include "common/hadoop/webhdfs.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <variant>

#include "common/hadoop/answers.h"
#include "common/hadoop/namenodes.h"
#include "common/hadoop/session.h"
#include "common/hadoop/upload.h"

namespace fl {
namespace {

constexpr std::size_t kMaxEntries = 1'000'000;

std::string quoted(const std::string& path) { return "'" + path + "'"; }

/// Whether `target` may be what `source` was before its rename; a value of 0 is not known.
bool is_same_file(const WebHdfs::FileStatus& source, const WebHdfs::FileStatus& target) {
  if (source.file_id != 0 && target.file_id != 0) {
    return source.file_id == target.file_id;
  }
  return source.modified_ms == 0 ||
         (source.modified_ms == target.modified_ms && source.length == target.length);
}

bool is_known(const WebHdfs::FileStatus& source) {
  return source.file_id != 0 || source.modified_ms != 0;
}

}  // namespace

struct WebHdfs::Impl {
  explicit Impl(Settings given)
      : settings(std::move(given)),
        session(settings.session ? settings.session : make_hdfs_session(settings)),
        namenodes(settings, session),
        uploader(settings, session, namenodes) {}

  HdfsReply ask(const HdfsCall& call) { return namenodes.ask(call); }
  std::string peer() const { return namenodes.peer(); }
  HdfsStatus settle_rename(const std::string& action, const std::string& from,
                           const std::string& to, const FileStatus& known, HdfsError why);
  HdfsResult<std::optional<FileStatus>> status(const std::string& path);
  /// HttpFS moves a file into a directory of the new name: moves it out again, `exists`.
  HdfsStatus take_back(const std::string& action, const std::string& from, const std::string& to);

  Settings settings;
  std::shared_ptr<HdfsSession> session;
  NameNodes namenodes;
  Uploader uploader;
  // The rename whose answer was lost: when it is repeated, "not found" may mean "already done".
  std::optional<std::pair<std::string, std::string>> uncertain;
};

WebHdfs::WebHdfs(Settings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
WebHdfs::~WebHdfs() = default;

HdfsResult<std::string> WebHdfs::home_directory() {
  const std::string action = "cannot get the home directory from the NameNode";
  HdfsCall call{action, "GET", "/", "op=GETHOMEDIRECTORY"};
  call.standby_answers = true;
  HdfsReply outcome = impl_->ask(call);
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  auto path = parse_member(reply.body, "Path");
  if (!path || !path->starts_with('/')) {
    return odd_answer(action, impl_->peer(), reply);
  }
  return std::move(*path);
}

HdfsStatus WebHdfs::mkdirs(const std::string& path, const std::string& permission) {
  const std::string action = "cannot create directory " + quoted(path);
  HdfsReply outcome =
      impl_->ask({action, "PUT", path, "op=MKDIRS&permission=" + url_encode(permission)});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  const std::optional<bool> done = parse_boolean(reply.body);
  if (!done) {
    return odd_answer(action, impl_->peer(), reply);
  }
  if (!*done) {
    return hdfs_error(HdfsTrouble::other, action + ": " + impl_->peer() + " refuses");
  }
  return {};
}

HdfsResult<std::optional<WebHdfs::FileStatus>> WebHdfs::Impl::status(const std::string& path) {
  const std::string action = "cannot get the status of " + quoted(path);
  HdfsReply outcome = ask({action, "GET", path, "op=GETFILESTATUS"});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    if (error->trouble == HdfsTrouble::missing) {
      return std::optional<FileStatus>();
    }
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  std::optional<FileStatus> status = parse_file_status(reply.body);
  if (!status) {
    return odd_answer(action, peer(), reply);
  }
  return status;
}

HdfsResult<std::optional<WebHdfs::FileStatus>> WebHdfs::status(const std::string& path) {
  return impl_->status(path);
}

HdfsResult<std::vector<WebHdfs::FileStatus>> WebHdfs::list(const std::string& path) {
  const std::string action = "cannot list " + quoted(path);
  std::vector<FileStatus> all;
  std::unordered_set<std::string> seen;
  bool by_pages = true;
  for (;;) {
    std::string query = "op=LISTSTATUS";
    if (by_pages) {
      // The NameNode knows only the first spelling, HttpFS only the second.
      const std::string after = all.empty() ? "" : url_encode(all.back().name);
      query = "op=LISTSTATUS_BATCH&startafter=" + after + "&startAfter=" + after;
    }
    HdfsReply outcome = impl_->ask({action, "GET", path, query, kMaxListing});
    if (auto* error = std::get_if<HdfsError>(&outcome)) {
      if (by_pages && all.empty() && error->trouble == HdfsTrouble::invalid &&
          error->kind != ErrorClass::input) {
        by_pages = false;  // older than Hadoop 2.9
        continue;
      }
      return std::move(*error);
    }
    const HttpReply& reply = std::get<HttpReply>(outcome);
    std::optional<ListPage> page = reply.cut ? std::nullopt : parse_list_page(reply.body);
    if (!page) {
      return odd_answer(action, impl_->peer(), reply);
    }
    bool any_new = false;
    for (FileStatus& entry : page->entries) {
      if (seen.insert(entry.name).second) {
        all.push_back(std::move(entry));
        any_new = true;
      }
    }
    if (all.size() > kMaxEntries) {
      return hdfs_error(HdfsTrouble::other,
                        action + ": more than " + std::to_string(kMaxEntries) + " entries");
    }
    if (!any_new || page->remaining == 0) {
      return all;
    }
  }
}

HdfsStatus WebHdfs::Impl::settle_rename(const std::string& action, const std::string& from,
                                        const std::string& to, const FileStatus& known,
                                        HdfsError why) {
  const auto source = status(from);
  const auto target = source ? status(to) : source;
  if (!source || !target) {
    uncertain.emplace(from, to);
    HdfsError error = source ? target.error() : source.error();
    error.message = action + ": the outcome is unknown: " + error.message;
    error.outcome_unknown = true;
    return error;
  }
  if (!source->has_value() && target->has_value() && is_same_file(known, **target)) {
    uncertain.reset();
    return {};
  }
  if (target->has_value()) {
    uncertain.reset();
    return hdfs_error(HdfsTrouble::exists, action + ": " + quoted(to) + " already exists");
  }
  if (source->has_value()) {
    if (why.retry() == HdfsRetry::soon) {
      uncertain.emplace(from, to);  // the lost request may still be in flight
    } else {
      uncertain.reset();
    }
    return why;
  }
  uncertain.reset();
  return hdfs_error(HdfsTrouble::missing, action + ": " + quoted(from) + " does not exist");
}

HdfsStatus WebHdfs::Impl::take_back(const std::string& action, const std::string& from,
                                    const std::string& to) {
  const auto target = status(to);
  if (!target || !target->has_value() || !(*target)->is_directory) {
    return {};
  }
  const std::string inside = to + from.substr(from.rfind('/'));
  const auto moved = status(inside);
  if (!moved || !moved->has_value()) {
    return {};  // a directory was renamed, to a name that was free
  }
  HdfsReply outcome = ask({action, "PUT", inside, "op=RENAME&destination=" + url_encode(from)});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    error->message += "; it is now " + quoted(inside);
    error->trouble = HdfsTrouble::other;
    error->kind = ErrorClass::io;
    return std::move(*error);
  }
  return hdfs_error(HdfsTrouble::exists,
                    action + ": " + quoted(to) + " already exists, as a directory");
}

HdfsStatus WebHdfs::rename(const std::string& from, const std::string& to,
                           const FileStatus& source) {
  const std::string action = "cannot rename " + quoted(from) + " to " + quoted(to);
  if (HdfsStatus valid = check_hdfs_path(action, to); !valid) {
    return valid;
  }
  const bool repeated = impl_->uncertain == std::pair(from, to);
  HdfsCall call{action, "PUT", from, "op=RENAME&renameoptions=NONE&destination=" + url_encode(to)};
  call.repeatable = false;
  // A repeat inside the library would make "not found" of "done".
  call.fresh_connection = !is_known(source);
  HdfsReply outcome = impl_->ask(call);
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    const bool lost = error->outcome_unknown;
    const bool maybe_done =
        error->trouble == HdfsTrouble::missing && (repeated || is_known(source));
    if (lost && error->trouble == HdfsTrouble::cancelled) {
      impl_->uncertain.emplace(from, to);
      return std::move(*error);
    }
    if (lost || maybe_done) {
      return impl_->settle_rename(action, from, to, source, std::move(*error));
    }
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  // HttpFS ignores renameoptions and answers with a boolean; WebHDFS answers with nothing.
  const std::optional<bool> done = parse_boolean(reply.body);
  if (reply.status != 200 || (!done && !reply.body.empty())) {
    return odd_answer(action, impl_->peer(), reply);
  }
  if (done && !*done) {
    HdfsError refused = hdfs_error(HdfsTrouble::missing, action + ": " + impl_->peer() + " refuses",
                                   "is the directory of the new name still there?");
    if (repeated || is_known(source)) {
      return impl_->settle_rename(action, from, to, source, std::move(refused));
    }
    const auto target = impl_->status(to);
    if (!target) {
      return target.error();
    }
    if (target->has_value()) {
      refused = hdfs_error(HdfsTrouble::exists, action + ": " + quoted(to) + " already exists");
    }
    return refused;
  }
  impl_->uncertain.reset();
  return done ? impl_->take_back(action, from, to) : HdfsStatus();
}

HdfsStatus WebHdfs::create(const std::string& path, const Upload& upload) {
  return impl_->uploader.create(path, upload);
}

void WebHdfs::log_out() { impl_->namenodes.log_out(); }

HdfsResult<bool> WebHdfs::remove(const std::string& path, bool recursive) {
  const std::string action = "cannot delete " + quoted(path);
  HdfsReply outcome =
      impl_->ask({action, "DELETE", path,
                  std::string("op=DELETE&recursive=") + (recursive ? "true" : "false")});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  const std::optional<bool> done = parse_boolean(reply.body);
  if (!done) {
    return odd_answer(action, impl_->peer(), reply);
  }
  return *done;
}

std::string encode_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    out += url_encode(path.substr(0, slash));
    path.remove_prefix(slash);
    if (!path.empty()) {
      out += '/';
      path.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace fl
