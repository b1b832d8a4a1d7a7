#include "tools/fl-source/sql/source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/local_dir.h"
#include "common/io/poll_set.h"
#include "tools/fl-source/sql/avro_head.h"
#include "tools/fl-source/sql/plan.h"

namespace fl {
namespace {

constexpr std::int64_t kSaveAfterMs = 500;
/// While rejected rows are synced it is tried again this often.
constexpr std::int64_t kRejectsMs = 10;

Error wrong(std::string message, std::string hint = {}) {
  return {ErrorClass::usage, std::move(message), std::move(hint)};
}

// "\t", "\001" or one character that no escape needs.
std::optional<char> separator_of(const std::string& text) {
  if (text == "\\t") {
    return '\t';
  }
  if (text.size() == 4 && text[0] == '\\') {
    int value = 0;
    for (const char digit : text.substr(1)) {
      if (digit < '0' || digit > '7') {
        return std::nullopt;
      }
      value = value * 8 + (digit - '0');
    }
    const bool is_control = value > 0 && value < 0x20 && value != '\n' && value != '\r';
    return is_control ? std::optional(static_cast<char>(value)) : std::nullopt;
  }
  if (text.size() != 1) {
    return std::nullopt;
  }
  const auto byte = static_cast<unsigned char>(text[0]);
  const bool is_plain = byte < 0x80 && std::isalnum(byte) == 0 && byte != '\\' && byte != '\n' &&
                        byte != '\r' && byte != '-' && byte != '+' && byte != '.';
  return is_plain ? std::optional(text[0]) : std::nullopt;
}

}  // namespace

SqlSource::SqlSource(SqlSourceOptions options) : options_(std::move(options)) {}

SqlSource::~SqlSource() = default;

// One thing is said once: nothing that is given is left out silently.
Status SqlSource::check_server() const {
  if (!options_.user.empty() && !address_.user.empty() && options_.user != address_.user) {
    return wrong(fmt::format("the URL names the user '{}' and --user '{}'",
                             printable(address_.user), printable(options_.user)),
                 "give one of them");
  }
  const bool is_local =
      (address_.host.empty() || address_.host == "localhost") && address_.port == 0;
  if (!options_.socket.empty() && !is_local) {
    return wrong(fmt::format("--socket '{}' is a server of this host, and the URL names {}",
                             printable(options_.socket), address_.server()),
                 "mysql://localhost/DATABASE/TABLE for the socket, or leave out --socket");
  }
  return {};
}

Status SqlSource::check_options() {
  const Result<SqlAddress> address = SqlAddress::parse(options_.url);
  if (!address) {
    return address.error();
  }
  address_ = *address;
  if (Status status = check_server(); !status) {
    return status;
  }
  if (address_.table.empty() == options_.query.empty()) {
    return address_.table.empty()
               ? wrong("no table is given", "mysql://HOST/DATABASE/TABLE, or --query SQL")
               : wrong("a table and --query do not go together", "mysql://HOST/DATABASE");
  }
  if (!options_.since.empty() && options_.split != 0) {
    return wrong("--since and --split do not go together",
                 "--since takes what is new in each run, --split everything in parts");
  }
  if (!is_keyed() && (!options_.key.empty() || !options_.position.empty())) {
    return wrong("--key and --position need --since or --split",
                 "without them every run reads everything");
  }
  if (options_.poll.ms != 0 && options_.since.empty()) {
    return wrong("--poll needs --since", "without it every turn would read everything again");
  }
  if (options_.poll.ms != 0 && options_.once) {
    return wrong("--once and --poll do not go together",
                 "--once ends when everything is read, --poll looks again and again");
  }
  if (options_.format != "text" && options_.separator != SqlSourceOptions().separator) {
    return wrong(options_.format == "json" ? "--separator has no effect on JSON"
                                           : "--separator has no effect on Avro",
                 "add --format text");
  }
  if (options_.format != "avro" && !options_.schema_dir.empty()) {
    return wrong("--schema-dir is for Avro", "add --format avro");
  }
  if (is_keyed() && !options_.query.empty() && options_.key.empty()) {
    return wrong("a --query has no primary key",
                 "--key names the columns that tell its rows apart");
  }
  const std::optional<char> separator = separator_of(options_.separator);
  if (!separator) {
    return wrong("--separator takes one character that is not a letter, a digit or one of \\-+.",
                 "for example '\\t', ',' or '\\001'");
  }
  options_.separator = std::string(1, *separator);
  const bool has_certificates = !options_.truststore.empty() || !options_.keystore.empty() ||
                                !options_.keystore_key.empty() || options_.trust_all_certs;
  if (!options_.tls && has_certificates) {
    log(LogLevel::warning, "certificates have no effect without --tls: nothing is encrypted");
  }
  if (options_.tls && options_.trust_all_certs) {
    log(LogLevel::warning, "--trust-all-certs: the identity of the server is not checked");
  }
  if (options_.keystore.empty() && !options_.keystore_key.empty()) {
    return Error{ErrorClass::config, "--keystore-key needs the certificate of the key",
                 "--keystore FILE"};
  }
  // The library treats a missing option file as an empty one.
  for (const std::string* file :
       {&options_.option_file, &options_.truststore, &options_.keystore, &options_.keystore_key}) {
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0) {
      return system_error("cannot open '" + *file + "'", errno);
    }
  }
  if (!options_.schema_dir.empty()) {
    if (const auto dir = LocalDir::open(options_.schema_dir, LocalDir::Missing::fail); !dir) {
      return dir.error();
    }
  }
  const Result<std::string> password = options_.password.reveal();
  return password ? Status() : Status(password.error());
}

Status SqlSource::open(const StageContext& context) {
  context_ = context;
  if (Status status = check_options(); !status) {
    return status;
  }
  const Result<SqlServer> server = SqlServer::find(options_, address_);
  if (!server) {
    return server.error();
  }
  if (is_keyed()) {
    server_ = server->name();
    table_ = SqlPlan::title_of(options_, address_) +
             (options_.split != 0 ? " by its key" : " since " + options_.since) +
             (options_.key.empty() ? "" : " by " + join(options_.key, ", "));
    if (options_.position.empty()) {
      Result<std::string> path = SqlPositionFile::usual_path(server_ + " " + table_);
      if (!path) {
        return path.error();
      }
      options_.position = *path;
    }
    if (server_ != address_.server()) {
      table_ += " at " + server_;
    }
  }
  if (context.dry_run) {
    return look();
  }
  return is_keyed() ? open_position() : Status();
}

Status SqlSource::open_position() {
  if (Status status = file_.open(options_.position); !status) {
    return status;
  }
  Result<SqlPosition> position = file_.load(table_, server_);
  if (!position) {
    return position.error();
  }
  safe_ = saved_ = saving_ = sent_ = *position;
  return {};
}

// --dry-run: the position, the server, the login, the table and its key.
Status SqlSource::look() {
  SqlPosition position;
  if (is_keyed()) {
    Result<SqlPosition> found = SqlPositionFile::check(options_.position, table_, server_);
    if (!found) {
      return found.error();
    }
    position = std::move(*found);
  }
  SqlConnection connection(options_, address_, 1 << 20);
  if (Status status = connection.connect(); !status) {
    return status;
  }
  const Result<SqlPlan> plan =
      SqlPlan::make(connection, options_, address_, context_.limits.body_bytes, true);
  if (!plan) {
    return plan.error();
  }
  if (Status status = plan->check_position_of(position.key); !status) {
    return status;
  }
  if (const Result<std::string> after = plan->select(position.values, 0); !after) {
    return SqlPositionFile::damaged(options_.position, after.error());
  }
  if (Status status = plan->check_key(connection, position.values); !status) {
    return status;
  }
  if (options_.format != "avro") {
    return {};
  }
  const Result<AvroRow> row = AvroRow::make(plan->columns(), address_.database, plan->row_name());
  if (!row) {
    return row.error();
  }
  const auto head = avro_head(*row, options_.schema_dir, context_.limits, true);
  return head ? Status() : Status(head.error());
}

Status SqlSource::start() {
  reader_ = std::make_unique<SqlReader>(options_, address_, context_.limits, sent_.values,
                                        sent_.key, context_.give_up_ms);
  return reader_->start();
}

// ---------------------------------------------------------------- events

Result<Source::State> SqlSource::produce(BlockBuilder& out) {
  if (context_.dry_run) {
    return State::end;
  }
  if (!reader_) {
    if (Status status = start(); !status) {
      return status.error();
    }
  }
  State state = State::more;
  for (bool has_room = true; has_room;) {
    if (!has_chunk_) {
      // Asked before the mailbox: what comes in between is taken on the next turn.
      const bool is_over = reader_->is_over();
      const std::optional<Error> failure = reader_->failure();
      if (!reader_->take(chunk_)) {
        if (failure && out.empty()) {
          return *failure;
        }
        is_finished_ = is_over;
        state = is_over ? State::end : failure ? State::more : State::wait;
        break;
      }
      has_chunk_ = true;
      next_event_ = next_byte_ = 0;
    }
    while (next_event_ < chunk_.sizes.size()) {
      std::size_t count = chunk_.sizes.size() - next_event_;
      std::size_t size = chunk_.bytes.size() - next_byte_;
      if (!out.fits_run(size, count)) {
        count = 1;
        size = chunk_.sizes[next_event_];
        if (!out.fits(size)) {
          has_room = false;
          break;
        }
      }
      out.add_encoded({}, std::string_view(chunk_.bytes).substr(next_byte_, size), count);
      next_byte_ += size;
      for (const std::size_t end = next_event_ + count; next_event_ < end; ++next_event_) {
        ++produced_;
        ++sent_.rows;
        if (!chunk_.places.empty()) {
          add_place(std::move(chunk_.places[next_event_]), false);
        }
      }
    }
    if (has_room) {
      if (Status status = take_refused(); !status) {
        // What came before it goes out first.
        if (out.empty()) {
          return status.error();
        }
        break;
      }
      has_chunk_ = false;
      has_room = !out.full();
    }
  }
  if (!is_last_kept_) {
    add_place(last_place_, true);
  }
  return state;
}

void SqlSource::add_place(SqlPlace place, bool ends_block) {
  is_last_kept_ = ledger_.size() < SqlPositionLedger::kExact || ends_block;
  last_place_ = place;
  ledger_.add(produced_, sent_.rows, std::move(place), ends_block);
}

Status SqlSource::take_refused() {
  if (!chunk_.refused) {
    return {};
  }
  const SqlChunk::Refused& refused = *chunk_.refused;
  if (context_.rejects == nullptr) {
    return refused.why;
  }
  Event event;
  const char* why = "";
  const EventLimits any{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(refused.event.data());
  (void)scan_whole_event(begin, begin + refused.event.size(), any, event, why);
  if (Status status = context_.rejects->reject(event, refused.why); !status) {
    return status;
  }
  ++refused_;
  ++sent_.rows;
  if (is_keyed()) {
    add_place(refused.place, true);
  }
  chunk_.refused.reset();
  return advance();
}

// ---------------------------------------------------------------- the position

std::string SqlSource::position_name() const { return is_keyed() ? "sql:" + file_.path() : ""; }

Status SqlSource::resume(const std::optional<std::string>& place) {
  std::optional<SqlPosition> kept = place ? SqlPosition::parse(*place) : std::nullopt;
  // Another id: the file was removed since, so that everything is read again.
  if (kept && kept->id == safe_.id && kept->rows > safe_.rows) {
    kept->key = safe_.key;
    safe_ = sent_ = std::move(*kept);
  }
  return {};
}

std::optional<std::string> SqlSource::position() {
  if (last_place_.empty()) {
    return std::nullopt;
  }
  SqlPosition sent = sent_;
  sent.values = last_place_.values();
  return sent.text();
}

Status SqlSource::acked(std::uint64_t n) {
  acked_ = n;
  return advance();
}

Status SqlSource::advance() {
  std::optional<SqlPositionLedger::Entry> last = ledger_.acked(acked_);
  if (!last) {
    return {};
  }
  safe_.rows = last->rows;
  safe_.values = last->place.values();
  safe_.key = reader_->key();
  if (save_at_ms_ < 0) {
    save_at_ms_ = monotonic_ms() + kSaveAfterMs;
  }
  return {};
}

// Begins to save what is safe.
Status SqlSource::save() {
  save_at_ms_ = -1;
  if (safe_ == saved_) {
    return {};
  }
  if (context_.rejects != nullptr) {
    const Result<bool> synced = context_.rejects->synced();
    if (!synced) {
      return synced.error();
    }
    if (!*synced) {
      save_at_ms_ = monotonic_ms() + kRejectsMs;
      return {};
    }
  }
  saving_ = safe_;
  saver_.start([this] { return file_.save(saving_); });
  return {};
}

Status SqlSource::take_saved(Status saved) {
  if (saved) {
    saved_ = saving_;
  }
  return saved;
}

Status SqlSource::close() {
  if (reader_) {
    reader_->stop();
  }
  if (!is_keyed()) {
    return is_stopped_ && !is_finished_ && !context_.dry_run
               ? Status(Error{ErrorClass::again,
                              fmt::format("stopped after {} of {}, before the last one",
                                          count_of(sent_.rows, "row"),
                                          printable(SqlPlan::title_of(options_, address_))),
                              "the next run begins anew; with --since or --split it continues"})
               : Status();
  }
  if (!reader_) {
    return {};
  }
  Status status = take_saved(saver_.wait());
  if (status && options_.split != 0 && is_finished_ && acked_ == produced_) {
    return file_.remove();  // the next run reads everything
  }
  if (status) {
    status = save();
  }
  return status && saver_.busy() ? take_saved(saver_.wait()) : status;
}

// ---------------------------------------------------------------- waiting

bool SqlSource::ready() const {
  return reader_ == nullptr || has_chunk_ || reader_->has_chunk() || reader_->is_over() ||
         reader_->failure().has_value();
}

void SqlSource::watch(PollSet& set, bool room) {
  (void)room;  // the mailbox is bounded, and handle() drains the eventfd
  index_ = reader_ ? set.add(reader_->fd(), POLLIN) : -1;
  saver_.watch(set);
  set.wake_at(deadline_ms());
}

Status SqlSource::handle(const PollSet& set) {
  if (set.revents(index_) != 0) {
    reader_->hear();
  }
  if (const std::optional<Status> saved = saver_.take()) {
    if (Status status = take_saved(*saved); !status) {
      return status;
    }
  }
  return deadline_ms() >= 0 && monotonic_ms() >= save_at_ms_ ? save() : Status();
}

std::int64_t SqlSource::deadline_ms() const { return saver_.busy() ? -1 : save_at_ms_; }

std::optional<Error> SqlSource::missing() const {
  return reader_ ? reader_->trouble() : std::nullopt;
}

std::string SqlSource::status() const {
  const std::optional<Error> trouble = missing();
  return trouble ? trouble->message : std::string();
}

std::string SqlSource::summary() const {
  // A job of cron that finds nothing sends no mail.
  if (!context_.terminal && options_.poll.ms == 0 && produced_ == 0 && refused_ == 0) {
    return {};
  }
  return count_of(produced_, "row") + (refused_ == 0 ? "" : fmt::format(", {} rejected", refused_));
}

void SqlSource::figures(FigureList& out) const {
  out.counter("rows_total", "Rows that became events.", produced_).said("rows");
  out.counter("refused_total", "Rows that could not be an event: too large, or not Avro.", refused_)
      .said_if_any("refused");
  out.counter("reconnects_total", "Connections that were made again after a loss.",
              reader_ ? reader_->reconnects() : 0)
      .said_if_any("reconnects");
}

}  // namespace fl
