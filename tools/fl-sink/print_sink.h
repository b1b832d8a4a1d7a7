// What the sinks that print have in common: stdout, taken as its reader takes it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "common/component/component.h"
#include "common/io/out_stream.h"
#include "common/io/poll_set.h"

namespace fl {

/// A derived class appends the text of events to out().text() and calls out().end_item() for each.
class PrintSink : public Sink {
 public:
  Status open(const StageContext& context) override {
    UniqueFd fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) {
      return system_error(ErrorClass::io, "cannot write to stdout", errno);
    }
    out_.emplace(std::move(fd));
    return start(context);
  }
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::printed, "printed"};
  }
  Status deliver(const Batch& batch) override {
    if (Status status = print(batch); !status) {
      return status;
    }
    return out_->flush();
  }
  bool ready() const override { return out_->idle(); }
  std::uint64_t safe() const override { return out_ ? out_->items_written() : 0; }
  Status commit(std::uint64_t) override { return out_->flush(); }
  void watch(PollSet& set, bool) override { set.add(out_->wake_fd(), out_->wake_events()); }
  Status handle(const PollSet&) override { return out_->flush(); }
  bool reader_closed() const override { return out_ && out_->reader_closed(); }

 protected:
  virtual Status start(const StageContext& context) {
    (void)context;
    return {};
  }
  virtual Status print(const Batch& batch) = 0;
  OutStream& out() { return *out_; }

 private:
  std::optional<OutStream> out_;  // set by open()
};

}  // namespace fl
