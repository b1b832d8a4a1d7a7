// The sql source: rows of a table or query, and how far they are delivered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/component/component.h"
#include "common/io/worker.h"
#include "tools/fl-source/sql/address.h"
#include "tools/fl-source/sql/options.h"
#include "tools/fl-source/sql/position_file.h"
#include "tools/fl-source/sql/position_ledger.h"
#include "tools/fl-source/sql/reader.h"

namespace fl {

/// Joins the reader, which has the server, with the position: the file says how far rows are
/// acknowledged, a durable stage below how far it has them, and the later of the two counts.
class SqlSource final : public Source {
 public:
  explicit SqlSource(SqlSourceOptions options);
  ~SqlSource() override;

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  bool ready() const override;
  bool has_state() const override { return is_keyed(); }
  /// Rows are read on without acknowledgements.
  bool needs_acks() const override { return false; }
  Status acked(std::uint64_t n) override;
  void stop() override { is_stopped_ = true; }
  Status close() override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  std::optional<Error> missing() const override;
  std::string status() const override;
  std::string summary() const override;
  void figures(FigureList& out) const override;
  std::string position_name() const override;
  Status resume(const std::optional<std::string>& place) override;
  std::optional<std::string> position() override;

 private:
  bool is_keyed() const { return !options_.since.empty() || options_.split != 0; }
  Status check_options();
  Status check_server() const;
  Status open_position();
  Status look();
  Status start();
  Status take_refused();
  void add_place(SqlPlace place, bool ends_block);
  Status advance();
  Status save();
  Status take_saved(Status saved);

  SqlSourceOptions options_;
  StageContext context_;
  SqlAddress address_;
  std::string table_;
  std::string server_;
  bool is_stopped_ = false;

  SqlPositionFile file_;
  SqlPosition safe_;    // what is acknowledged
  SqlPosition saved_;   // what the file holds
  SqlPosition sent_;    // what was handed on
  SqlPosition saving_;  // what saver_ writes
  SqlPositionLedger ledger_;
  std::int64_t save_at_ms_ = -1;

  std::unique_ptr<SqlReader> reader_;
  SqlChunk chunk_;
  std::size_t next_event_ = 0;  // of chunk_
  std::size_t next_byte_ = 0;
  bool has_chunk_ = false;
  int index_ = -1;
  std::uint64_t produced_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t refused_ = 0;
  SqlPlace last_place_;
  bool is_last_kept_ = true;
  bool is_finished_ = false;
  Worker saver_;  // the last member: it ends before what its job uses
};

}  // namespace fl
