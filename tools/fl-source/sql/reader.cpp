#include "tools/fl-source/sql/reader.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/start.h"
#include "common/base/text.h"
#include "common/base/units.h"
#include "common/event/varint.h"
#include "tools/fl-source/sql/avro_head.h"
#include "tools/fl-source/sql/position_file.h"

namespace fl {
namespace {

// A row as the server sends it is at most this much larger than --max-event: its short columns, and
// those of a query that was not changed.
constexpr std::uint64_t kSlack = 16 << 20;
// Of a row that is refused for its size, values up to this length are kept.
constexpr std::size_t kShort = 1024;

}  // namespace

void SqlChunk::clear() {
  bytes.clear();
  sizes.clear();
  places.clear();
  refused.reset();
}

SqlReader::SqlReader(const SqlSourceOptions& options, SqlAddress address, const EventLimits& limits,
                     std::vector<std::string> after, std::vector<std::string> key,
                     std::int64_t give_up_ms)
    : options_(options),
      address_(std::move(address)),
      limits_(limits),
      connection_(options, address_, limits.body_bytes + kSlack),
      after_(std::move(after)),
      key_(std::move(key)) {
  tries_.give_up_ms = give_up_ms;
}

SqlReader::~SqlReader() { stop(); }

Status SqlReader::start() {
  event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) {
    return system_error("cannot create an eventfd", errno);
  }
  Result<std::thread> thread = start_thread([this] { run(); });
  if (!thread) {
    return thread.error();
  }
  thread_ = std::move(*thread);
  return {};
}

void SqlReader::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  connection_.break_off();
  thread_.join();
}

void SqlReader::signal() {
  const std::uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);
}

void SqlReader::hear() {
  std::uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
}

bool SqlReader::take(SqlChunk& chunk) {
  {
    const std::lock_guard lock(mutex_);
    if (chunks_.empty()) {
      return false;
    }
    std::swap(chunk, chunks_.front());
    if (spare_.size() < kChunks) {
      spare_.push_back(std::move(chunks_.front()));
    }
    chunks_.pop_front();
  }
  wake_.notify_all();
  return true;
}

bool SqlReader::has_chunk() {
  const std::lock_guard lock(mutex_);
  return !chunks_.empty();
}

bool SqlReader::is_over() {
  const std::lock_guard lock(mutex_);
  return is_over_ && chunks_.empty();
}

std::optional<Error> SqlReader::failure() {
  const std::lock_guard lock(mutex_);
  return chunks_.empty() ? failure_ : std::nullopt;
}

std::optional<Error> SqlReader::trouble() {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

std::vector<std::string> SqlReader::key() {
  const std::lock_guard lock(mutex_);
  return key_;
}

std::uint64_t SqlReader::reconnects() {
  const std::lock_guard lock(mutex_);
  return reconnects_;
}

bool SqlReader::is_stopped() {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void SqlReader::set_trouble(std::optional<Error> error) {
  {
    const std::lock_guard lock(mutex_);
    trouble_ = std::move(error);
  }
  signal();
}

SqlReader::Wait SqlReader::pause_until(std::int64_t until_ms) {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    const std::int64_t left = until_ms - monotonic_ms();
    if (left <= 0) {
      return Wait::done;
    }
    wake_.wait_for(lock, std::chrono::milliseconds(left));
  }
  return Wait::stopped;
}

// ---------------------------------------------------------------- the thread

void SqlReader::run() {
  mysql_thread_init();
  std::optional<Error> failure;
  try {
    for (;;) {
      const Status status = round();
      if (is_stopped()) {
        break;
      }
      if (status) {
        if (options_.poll.ms == 0) {
          break;
        }
        rows_ = 0;
        if (pause_until(monotonic_ms() + options_.poll.ms) == Wait::stopped) {
          break;
        }
        continue;
      }
      connection_.close();
      // What was read before the error counts.
      if (hand_over() == Wait::stopped) {
        break;
      }
      if (status.error().kind != ErrorClass::unavailable) {
        failure = status.error();
        break;
      }
      if (rows_ != 0 && !has_last_) {
        failure = Error{ErrorClass::again,
                        fmt::format("{} after {}, in the middle of the result",
                                    status.error().message, count_of(rows_, "row")),
                        "run it again; with --since or --split it continues by itself"};
        break;
      }
      const std::int64_t now = monotonic_ms();
      retry_.failed(now, false, tries_);
      alarm_.raise(now, {status.error()}, "rows", tries_.until_text());
      set_trouble(status.error());
      if (pause_until(retry_.due_at(tries_)) == Wait::stopped) {
        break;
      }
    }
  } catch (const std::exception& exception) {
    failure = error_of(exception);
  }
  connection_.close();
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
    is_over_ = !failure_ && !is_stopping_;
  }
  signal();
  mysql_thread_end();
}

Status SqlReader::connect() {
  if (connection_.is_open()) {
    return {};
  }
  if (!retry_.is_failing()) {
    // --give-up-after counts from here, not from the end of the first try.
    const Result<SqlServer> server = SqlServer::find(options_, address_);
    if (!server) {
      return server.error();
    }
    set_trouble(Error{ErrorClass::unavailable, "no answer yet from " + server->name(), {}});
  }
  Status status = connection_.connect();
  if (status && !retry_.is_failing()) {
    set_trouble(std::nullopt);
  }
  return status;
}

// What the rows look like in this snapshot: a table may have been changed since the last one. One
// that is changed later cannot be read in it, and the server says so.
Status SqlReader::make_plan() {
  Result<SqlPlan> plan = SqlPlan::make(connection_, options_, address_, limits_.body_bytes, !plan_);
  if (!plan) {
    return plan.error();
  }
  if (plan_ && *plan == *plan_) {
    return {};
  }
  {
    const std::lock_guard lock(mutex_);
    if (Status status = plan->check_position_of(key_); !status) {
      return status;
    }
    key_ = plan->key_names();
  }
  plan_ = std::move(*plan);
  form_.emplace(plan_->columns(),
                options_.format == "text" ? RowForm::Style::text : RowForm::Style::json,
                options_.separator[0]);
  if (options_.format != "avro") {
    head_.assign(1, '\0');
    return {};
  }
  Result<AvroRow> row = AvroRow::make(plan_->columns(), address_.database, plan_->row_name());
  Result<std::string> head =
      row ? avro_head(*row, options_.schema_dir, limits_, false) : Result<std::string>(row.error());
  if (!head) {
    return head.error();
  }
  avro_ = std::move(*row);
  head_ = std::move(*head);
  return {};
}

// Everything that is there now, in one snapshot.
Status SqlReader::round() {
  if (Status status = connect(); !status) {
    return status;
  }
  if (Status status = connection_.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
      !status) {
    return status;
  }
  if (Status status = make_plan(); !status) {
    return status;
  }
  // Makes sure that the values of the position are some.
  const std::vector<std::string> after = has_last_ ? last_.values() : after_;
  if (const Result<std::string> statement = plan_->select(after, 0); !statement) {
    return SqlPositionFile::damaged(options_.position, statement.error());
  }
  if (Status status = plan_->check_key(connection_, after); !status) {
    return status;
  }
  std::uint64_t limit = 0;
  if (options_.split != 0) {
    const Result<std::string> statement = plan_->count(after);
    if (!statement) {
      return statement.error();
    }
    const auto counted = connection_.table(*statement);
    if (!counted) {
      return counted.error();
    }
    const Result<std::uint64_t> all = counted->empty() || counted->front().empty()
                                          ? Result<std::uint64_t>(std::uint64_t{0})
                                          : parse_count(counted->front().front());
    const std::uint64_t rows = all ? *all : 0;
    limit = std::max<std::uint64_t>(1, (rows + options_.split - 1) / options_.split);
  }
  for (;;) {
    std::uint64_t rows = 0;
    if (Status status = read_rows(limit, rows); !status) {
      return status;
    }
    if (is_stopped() || limit == 0 || rows < limit) {
      break;
    }
  }
  if (hand_over() == Wait::stopped) {
    return {};
  }
  return connection_.run("COMMIT");
}

Status SqlReader::read_rows(std::uint64_t limit, std::uint64_t& rows) {
  const Result<std::string> statement = plan_->select(has_last_ ? last_.values() : after_, limit);
  if (!statement) {
    return statement.error();
  }
  if (Status status = connection_.start(*statement); !status) {
    return status;
  }
  if (retry_.is_failing()) {
    retry_.succeeded();
    alarm_.clear(monotonic_ms());
    {
      const std::lock_guard lock(mutex_);
      ++reconnects_;
    }
    set_trouble(std::nullopt);
  }
  for (;;) {
    const Result<const SqlValue*> row = connection_.next();
    if (!row) {
      return row.error();
    }
    if (*row == nullptr) {
      return {};
    }
    if (Status status = take_row(*row); !status) {
      return status;
    }
    ++rows;
    if (is_stopping_) {
      return {};
    }
  }
}

Status SqlReader::take_row(const SqlValue* values) {
  SqlPlace place;
  for (const SqlKeyColumn& column : plan_->key()) {
    if (values[column.index].data == nullptr) {
      return plan_->has_null();
    }
    place.add(values[column.index].text());
  }
  if (plan_->marks_large() && values[form_->columns().size()].text() != "0") {
    refuse(values, std::move(place), too_large());
    return {};
  }
  body_.clear();
  if (!avro_) {
    form_->append(body_, values);
  } else if (const Status status = avro_->append(body_, values); !status) {
    Error why = status.error();
    why.message = "cannot be Avro: " + why.message;
    refuse(values, std::move(place), std::move(why));
    return {};
  }
  if (body_.size() > limits_.body_bytes) {
    refuse(values, std::move(place), too_large());
  } else {
    add_event(std::move(place));
  }
  return {};
}

// With `body_`.
void SqlReader::add_event(SqlPlace place) {
  std::uint8_t length[kMaxVarint];
  const std::uint8_t* const end = write_varint(length, static_cast<std::int64_t>(body_.size()));
  const auto length_size = static_cast<std::size_t>(end - length);
  const std::size_t size = head_.size() + length_size + body_.size();
  if (!filling_.sizes.empty() &&
      (filling_.bytes.size() + size > kChunkBytes || filling_.sizes.size() >= 1000) &&
      hand_over() == Wait::stopped) {
    return;
  }
  filling_.bytes += head_;
  filling_.bytes.append(reinterpret_cast<const char*>(length), length_size);
  filling_.bytes += body_;
  filling_.sizes.push_back(static_cast<std::uint32_t>(size));
  if (plan_->has_key()) {
    last_ = place;
    has_last_ = true;
    filling_.places.push_back(std::move(place));
  }
  ++rows_;
}

Error SqlReader::too_large() const {
  return {ErrorClass::input,
          fmt::format("is larger than --max-event ({})", to_string(Bytes{limits_.body_bytes})),
          "raise --max-event, or let --reject FILE keep the short values of such rows"};
}

void SqlReader::refuse(const SqlValue* values, SqlPlace place, Error why) {
  std::string body;
  if (avro_) {
    form_->append_json(body, values);
  }
  if (!avro_ || body.size() > limits_.body_bytes) {
    body.clear();
    form_->append_short(body, values, kShort);
  }
  if (body.size() > limits_.body_bytes) {
    body = "{}";
  }
  std::string where;
  for (const SqlKeyColumn& column : plan_->key()) {
    const SqlValue& value = values[column.index];
    where += fmt::format("{}{} = {}", where.empty() ? ", where " : " and ", printable(column.name),
                         printable(value.text().substr(0, 100)));
  }
  why.message = fmt::format("a row of {}{} {}", printable(plan_->title()), where, why.message);
  SqlChunk::Refused refused;
  append_event(refused.event, {}, body);
  refused.why = std::move(why);
  if (plan_->has_key()) {
    last_ = place;
    has_last_ = true;
  }
  refused.place = std::move(place);
  filling_.refused = std::move(refused);
  ++rows_;
  (void)hand_over();
}

// Waits for room in the mailbox. What was handed over is not read again.
SqlReader::Wait SqlReader::hand_over() {
  if (filling_.sizes.empty() && !filling_.refused) {
    return is_stopped() ? Wait::stopped : Wait::done;
  }
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return is_stopping_ || chunks_.size() < kChunks; });
    if (is_stopping_) {
      return Wait::stopped;
    }
    chunks_.push_back(std::move(filling_));
    filling_ = SqlChunk();
    if (!spare_.empty()) {
      filling_ = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  filling_.clear();
  signal();
  return Wait::done;
}

}  // namespace fl
