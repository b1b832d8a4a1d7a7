#include "common/net/host_names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/eventfd.h>

#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "common/base/start.h"
#include "common/net/tcp_listener.h"

namespace fl {
namespace {

constexpr std::size_t kThreads = 8;

socklen_t size_of(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

std::string name_of(const sockaddr_storage& address) {
  std::string itself = host_text(address);
  char name[NI_MAXHOST] = {};
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size_of(address), name,
                    sizeof name, nullptr, 0, NI_NAMEREQD) != 0) {
    return itself;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name, nullptr, &hints, &found) != 0 || found == nullptr) {
    return itself;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sockaddr_storage back{};
    std::memcpy(&back, each->ai_addr, each->ai_addrlen);
    if (host_text(back) == itself) {
      return name;
    }
  }
  return itself;
}

}  // namespace

struct HostNames::Shared {
  UniqueFd wake;
  std::mutex mutex;  // of what follows
  std::deque<Answer> questions;
  std::vector<Answer> answers;
  std::size_t threads = 0;

  // A thread: answers what waits, and ends.
  void run() {
    std::unique_lock lock(mutex);
    while (!questions.empty()) {
      Answer each = std::move(questions.front());
      questions.pop_front();
      lock.unlock();
      each.name = name_of(each.address);
      lock.lock();
      answers.push_back(std::move(each));
      (void)eventfd_write(wake.get(), 1);
    }
    --threads;
  }
};

HostNames::HostNames() : shared_(std::make_shared<Shared>()) {
  shared_->wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

HostNames::~HostNames() {
  const std::lock_guard lock(shared_->mutex);
  shared_->questions.clear();
}

int HostNames::wait_fd() const { return shared_->wake.get(); }

void HostNames::ask(std::uint64_t number, const sockaddr_storage& address) {
  const std::lock_guard lock(shared_->mutex);
  shared_->questions.push_back({number, address, {}});
  if (shared_->threads >= kThreads) {
    return;
  }
  if (Result<std::thread> thread = start_thread([shared = shared_] { shared->run(); })) {
    thread->detach();
    ++shared_->threads;
  } else if (shared_->threads == 0) {  // nobody else will answer it
    shared_->questions.clear();
    shared_->answers.push_back({number, address, host_text(address)});
    (void)eventfd_write(shared_->wake.get(), 1);
  }
}

std::vector<HostNames::Answer> HostNames::take() {
  eventfd_t ignored = 0;
  (void)eventfd_read(shared_->wake.get(), &ignored);
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->answers, {});
}

}  // namespace fl
