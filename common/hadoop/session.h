// What the clients of one process know of their cluster.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/hadoop/login.h"
#include "common/hadoop/webhdfs_settings.h"

namespace fl {

/// All members may be called from any thread.
class HdfsSession {
 public:
  explicit HdfsSession(const WebHdfsSettings& settings);

  HdfsLogin& login() { return login_; }

  // Which of the endpoints is active.
  struct Active {
    std::size_t index = 0;
    bool is_known = false;  ///< it has answered what only an active one answers
  };
  Active active() const;
  void set_active(std::size_t index);
  /// This one is not: the next calls begin with the one after it, unless another client has found a
  /// better one.
  void pass_over(std::size_t index);

  // DataNodes.
  /// The right to run one upload to a server; gives it back at its end.
  class Slot {
   public:
    Slot(HdfsSession& session, std::string server)
        : session_(session), server_(std::move(server)) {}
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { session_.give_back(server_); }

   private:
    HdfsSession& session_;
    std::string server_;
  };
  enum class Turn { granted, avoided, cancelled };
  /// Waits until fewer than `limit` uploads run to `server`; granted: `slot` is set. A server that
  /// failed meanwhile is `avoided`. `cancel` may be null.
  Turn wait_for_turn(const std::string& server, int limit, const std::atomic<bool>* cancel,
                     std::unique_ptr<Slot>& slot);

  /// `server` failed: for a while NameNodes are told not to choose `exclude` ("IP:transferPort" or
  /// "IP"; empty: nothing to tell).
  void avoid(const std::string& server, const std::string& exclude);
  /// Those, with commas.
  std::string excluded();
  /// The transfer address of `server` ("IP:port"), as a NameNode named it last; "" if none did.
  std::string transfer_address(const std::string& server) const;
  /// Kept for when the NameNode does not name it: it is too busy to answer, or considers the
  /// DataNode dead but still offers it for a moment.
  void remember_transfer_address(const std::string& server, const std::string& address);
  /// No other DataNode is left: all may be chosen again.
  void readmit_all();

 private:
  void give_back(const std::string& server);

  HdfsLogin login_;
  const std::size_t endpoints_;
  const std::int64_t avoid_ms_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Active active_;                       // guarded by mutex_, as all below
  std::map<std::string, int> running_;  // uploads by server
  struct Avoided {
    std::string exclude;
    std::int64_t until_ms = 0;
  };
  std::map<std::string, Avoided> avoided_;                 // by server
  std::map<std::string, std::string> transfer_addresses_;  // by server, of those that failed
};

}  // namespace fl
