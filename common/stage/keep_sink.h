// A stage with several outputs, where each block goes to one of them, and to another if that fails.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/stage/branch.h"
#include "common/stage/component.h"
#include "common/stage/member.h"
#include "common/stage/turn.h"

namespace fl {

/// Keeps each block until the output that got it has acknowledged it (DESIGN 3, "several outputs").
/// When that output is lost, its unacknowledged blocks go to the next one, so events may be doubled
/// then, and are never lost. Blocks that go to the same output stay in order.
class KeepSink final : public Sink {
 public:
  struct Settings {
    Turn::Settings turn;
    std::uint64_t capacity = 64ull << 20;  ///< bytes of events kept; reading stops when used up
    /// Sinks of a group, each the words behind fl-sink; empty: the outputs are --out.
    std::vector<std::vector<std::string>> members = {};
  };

  explicit KeepSink(Settings settings);

  Status open(const StageContext& context) override;
  std::string_view rule() const override;
  /// The sinks of a group write no stream of ours.
  bool takes_codec() const override { return settings_.members.empty(); }
  Status deliver(const Batch& batch) override;
  bool ready() const override;
  std::uint64_t safe() const override { return safe_; }
  Status commit(std::uint64_t n) override;
  void watch(PollSet& set) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Result<bool> input_over(bool whole) override;
  bool reader_closed() const override;
  Status close() override;
  void figures(FigureList& out) const override;

 private:
  struct Kept {
    BlockBuilder block{SIZE_MAX};
    std::uint64_t end = 0;  // its place in the output's stream: events up to and with it
    bool safe = false;
  };
  struct Place {
    std::string name;
    std::optional<Member> member;  // none: an output that cannot be opened again
    std::optional<Branch> branch;  // while it is there
    std::deque<Kept*> sent;        // not acknowledged
    std::uint64_t acked = 0;       // of the present stream
    bool is_over = false;          // never again
    bool wants_no_more = false;
  };

  bool open_place(std::size_t index);
  void introduce();
  void lose(std::size_t index, const std::string& why);
  void hear(std::size_t index);
  void assign();
  bool give(std::size_t index);
  void forget_safe();
  bool any_left() const;
  void want_all();

  const Settings settings_;
  const StageContext* context_ = nullptr;
  std::vector<Place> places_;
  std::optional<Turn> turn_;
  std::deque<std::unique_ptr<Kept>> kept_;  // in the order of the input
  std::deque<Kept*> waiting_;               // for an output
  std::vector<std::unique_ptr<Kept>> spare_;
  std::uint64_t kept_bytes_ = 0;
  std::int64_t looked_ms_ = 0;  // when outputs were last looked at
  std::uint64_t safe_ = 0;
  std::uint64_t moved_ = 0;   // events that were given to another output
  std::uint64_t given_ = 0;   // blocks that outputs got
  std::uint64_t wanted_ = 0;  // given_ when all of them were asked to make them safe
  bool want_open_ = false;    // asked for room, and none has come yet
  std::string rule_;
  std::optional<Error> broken_;  // the words of a member are wrong
};

}  // namespace fl
