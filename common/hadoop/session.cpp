#include "common/hadoop/session.h"

#include <chrono>
#include <utility>

#include "common/base/clock.h"

namespace fl {

HdfsSession::HdfsSession(const WebHdfsSettings& settings)
    : login_(settings),
      endpoints_(settings.endpoints.size()),
      avoid_ms_(settings.avoid_datanode_ms) {}

HdfsSession::Active HdfsSession::active() const {
  const std::lock_guard lock(mutex_);
  return active_;
}

void HdfsSession::set_active(std::size_t index) {
  const std::lock_guard lock(mutex_);
  active_ = {index, true};
}

void HdfsSession::pass_over(std::size_t index) {
  const std::lock_guard lock(mutex_);
  if (active_.index == index && endpoints_ > 1) {
    active_ = {(index + 1) % endpoints_, false};
  }
}

HdfsSession::Turn HdfsSession::wait_for_turn(const std::string& server, int limit,
                                             const std::atomic<bool>* cancel,
                                             std::unique_ptr<Slot>& slot) {
  std::unique_lock lock(mutex_);
  bool waited = false;
  for (;;) {
    if (cancel != nullptr && cancel->load()) {
      return Turn::cancelled;
    }
    const auto found = avoided_.find(server);
    if (waited && found != avoided_.end() && found->second.until_ms > monotonic_ms()) {
      return Turn::avoided;
    }
    int& running = running_[server];
    if (running < limit) {
      ++running;
      slot = std::make_unique<Slot>(*this, server);
      return Turn::granted;
    }
    waited = true;
    changed_.wait_for(lock, std::chrono::milliseconds(200));
  }
}

void HdfsSession::give_back(const std::string& server) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(server);
    if (found != running_.end() && --found->second <= 0) {
      running_.erase(found);
    }
  }
  changed_.notify_all();
}

void HdfsSession::avoid(const std::string& server, const std::string& exclude) {
  {
    const std::lock_guard lock(mutex_);
    avoided_[server] = {exclude, monotonic_ms() + avoid_ms_};
  }
  changed_.notify_all();
}

std::string HdfsSession::excluded() {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = monotonic_ms();
  std::erase_if(avoided_, [&](const auto& entry) { return entry.second.until_ms <= now; });
  std::string list;
  for (const auto& [server, avoided] : avoided_) {
    if (!avoided.exclude.empty()) {
      list += (list.empty() ? "" : ",") + avoided.exclude;
    }
  }
  return list;
}

std::string HdfsSession::transfer_address(const std::string& server) const {
  const std::lock_guard lock(mutex_);
  const auto found = transfer_addresses_.find(server);
  return found == transfer_addresses_.end() ? "" : found->second;
}

void HdfsSession::remember_transfer_address(const std::string& server, const std::string& address) {
  const std::lock_guard lock(mutex_);
  transfer_addresses_[server] = address;
}

void HdfsSession::readmit_all() {
  const std::lock_guard lock(mutex_);
  avoided_.clear();
}

std::shared_ptr<HdfsSession> make_hdfs_session(const WebHdfsSettings& settings) {
  return std::make_shared<HdfsSession>(settings);
}

}  // namespace fl
