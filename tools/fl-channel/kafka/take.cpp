#include "tools/fl-channel/kafka/take.h"

namespace fl {

Status KafkaTake::open(const StageContext& context) {
  if (Status named = check_topic(options_); !named) {
    return named;
  }
  return source_.open(context);
}

Status KafkaTake::handle(const PollSet& set) {
  return failed_ ? Status(*failed_) : source_.handle(set);
}

Block* KafkaTake::front() {
  if (builder_.empty() && !has_ended_ && !failed_ && source_.ready()) {
    const Result<Source::State> state = source_.produce(builder_);
    if (!state) {
      failed_ = state.error();
    } else {
      has_ended_ = *state == Source::State::end;
    }
  }
  if (builder_.empty()) {
    return nullptr;
  }
  block_ = builder_.block();
  return &block_;
}

void KafkaTake::pop() { builder_.clear(); }

}  // namespace fl
