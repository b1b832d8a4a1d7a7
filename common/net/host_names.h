// Names of addresses, asked for without blocking.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// Asks the resolver in threads of its own, a few at a time; further questions wait.
class HostNames {
 public:
  struct Answer {
    std::uint64_t number = 0;
    sockaddr_storage address{};
    std::string name;
  };

  HostNames();
  ~HostNames();
  HostNames(const HostNames&) = delete;
  HostNames& operator=(const HostNames&) = delete;

  /// Readable when take() has something; -1: there is no descriptor for it.
  int wait_fd() const;
  /// What is the name of this address? As in Java, a name counts only if it leads back to the
  /// address, since the owner of the address chooses the name; else the answer is the address.
  void ask(std::uint64_t number, const sockaddr_storage& address);
  std::vector<Answer> take();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the threads, which may outlive us
};

}  // namespace fl
