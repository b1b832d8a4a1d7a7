// Events in a batch, and what an interceptor makes of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/component_options.h"

namespace fl::test {

class Stage {
 public:
  Stage(const ComponentType& type, const Settings& settings)
      : interceptor_(type.interceptor(options_of(type, settings))) {}

  Status open(const StageContext& context = {}) {
    context_ = context;
    return interceptor_->open(context_);
  }
  void add(const Headers& headers, std::string_view body) {
    std::string map;
    append_map(map, headers);
    builder_.add(map, body);
  }
  /// Before run(): for edits of earlier interceptors.
  void fill() {
    test::fill(batch_, builder_.block());
    filled_ = true;
  }
  Status run() {
    if (!filled_) {
      fill();
    }
    return interceptor_->process(batch_);
  }
  Batch& batch() { return batch_; }
  std::string header(std::size_t i, std::string_view key) const {
    return std::string(batch_.header(i, key).value_or("(none)"));
  }
  std::string body(std::size_t i) const { return std::string(batch_[i].body()); }
  std::vector<std::string> kept() const {
    std::vector<std::string> bodies;
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      if (batch_.kept(i)) {
        bodies.emplace_back(batch_[i].body());
      }
    }
    return bodies;
  }

 private:
  std::unique_ptr<Interceptor> interceptor_;
  StageContext context_;  // outlives the interceptor's use of it
  BlockBuilder builder_;
  Batch batch_;
  bool filled_ = false;
};

}  // namespace fl::test
