// A stage with several outputs, where each block goes to one of them, and to another if that fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/component/component.h"
#include "common/fanout/child_sink.h"
#include "common/fanout/named_output.h"
#include "common/fanout/output_order.h"
#include "common/io/unix_endpoint.h"
#include "common/stage/kept_blocks.h"

namespace fl {

/// Keeps each event until the output that got it has acknowledged it. When that output is lost, its
/// unacknowledged events go to the next one, so events may be doubled then, and are never lost.
/// Events that go to the same output stay in order.
///
/// An output is a --out, which cannot be opened again unless it is unix:PATH, or a sink of a group:
/// a process that is started when its turn comes, and again after it failed. An entry of the list
/// is in turn
///
///   closed    a sink that does not run, perhaps left out for a while after it failed, or a unix:
///             endpoint at which nobody listens;
///   open      it has a branch and takes blocks;
///   ending    its branch is lost, and its process has not ended: the status says more than the
///             closed pipe, so what it holds moves only then;
///   over      never used again.
class GroupSink final : public Sink {
 public:
  struct Settings {
    OutputOrder::Settings turn;
    std::uint64_t capacity = 64ull << 20;  ///< bytes of events kept; reading stops when used up
    /// Sinks of a group, each the words after fl-sink; empty: the outputs are --out.
    std::vector<std::vector<std::string>> members = {};
    /// An output gets events only after its reader has said what its acknowledgements mean; one
    /// that does not acknowledge is not used.
    bool needs_ack = false;
  };
  /// A sink makes requested events safe at most every second or so.
  static constexpr std::uint64_t kLeastCapacity = 1 << 20;

  explicit GroupSink(Settings settings);

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  /// The sinks of a group write no stream of ours.
  bool takes_codec() const override { return !is_group(); }
  Status deliver(const Batch& batch) override;
  /// The same for a block, which stays whole.
  void deliver(const Block& block);
  bool ready() const override;
  std::uint64_t safe() const override { return kept_.safe(); }
  Status commit(std::uint64_t n) override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Result<bool> input_over(const StreamEnd& outcome) override;
  std::size_t outputs_opened() const override { return destinations_.size(); }
  /// False: none will ever take an event.
  bool has_outputs_left() const;
  std::optional<Error> missing() const override;
  void no_more_comes() override;
  bool tell_failure(const Failure& failure) override;
  void remove_sockets() override;
  bool reader_closed() const override;
  Status close() override;
  void figures(FigureList& out) const override;
  void reopen() override;

 private:
  struct Destination {
    std::string name;
    std::optional<ChildSink> member;    // none: a --out
    std::optional<UnixDialer> dialer;   // of a unix: endpoint
    std::optional<NamedOutput> branch;  // while it is open or ending
    bool is_over = false;
    bool wants_no_more = false;
    bool has_failed = false;  // since an event became safe, whichever output had it
  };

  bool is_group() const { return !settings_.members.empty(); }
  Status open_members();
  Status open_outs(const std::vector<std::string>& outs);
  bool open_destination(std::size_t index);
  bool connect(Destination& destination) const;
  void connect_all();
  void start_first_child();
  void output_failed(std::size_t index, const std::string& why);
  void hear(std::size_t index);
  void check_output(std::size_t index, std::optional<int> status);
  void check_child(std::size_t index, std::optional<int> status);
  void hear_all();
  void ask(std::size_t index);
  void ask_all(std::uint64_t n);
  void assign();
  bool give(std::size_t index);
  void took();
  Status check_left() const;
  bool all_have_failed() const;
  std::int64_t give_up_at_ms() const;

  const Settings settings_;
  const StageContext* context_ = nullptr;
  std::vector<Destination> destinations_;
  std::optional<OutputOrder> order_;
  KeptBlocks kept_{0};
  std::int64_t looked_ms_ = 0;       // when outputs were last looked at
  std::int64_t over_since_ms_ = -1;  // no more events come
  std::int64_t safe_since_ms_ = -1;  // when an event became safe for the last time
  std::uint64_t moved_ = 0;          // events that were given to another output
  bool is_failing_ = false;          // the outputs are sent a failure, and get no more
  std::string at_;                   // the guarantee of the output that reported last
  std::optional<Error> broken_;      // no output will ever take what is kept
};

}  // namespace fl
