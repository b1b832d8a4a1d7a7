#include "common/component/programs.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr std::int64_t kAskMs = 2000;
constexpr std::size_t kLongestAnswer = 64 << 10;

std::string own_directory() {
  std::string path(PATH_MAX, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) {
    return {};
  }
  path.resize(static_cast<std::size_t>(size));
  return path.substr(0, path.rfind('/'));
}

std::vector<std::string> places(bool beside_only) {
  std::vector<std::string> out;
  const std::string own = own_directory();
  if (!own.empty()) {
    out = {own, own + "/../libexec/fl"};
  }
  const char* path = std::getenv("PATH");
  if (beside_only || path == nullptr) {
    return out;
  }
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    // Relative entries would run what lies in the current directory.
    if (rest.front() == '/') {
      out.emplace_back(rest.substr(0, end));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

bool is_program(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

// A name that is safe in lists, pages and shell words.
bool is_component_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// One program being asked.
struct Question {
  pid_t pid = -1;
  UniqueFd out;
  std::string answer;
  bool failed = false;
};

class SpawnSettings {
 public:
  explicit SpawnSettings(int out) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes_);
    // A group of its own, so that its children end with it.
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes_, 0);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Question ask(const Program& program, const std::vector<std::string>& arguments) {
  Question question;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    question.failed = true;
    return question;
  }
  question.out.reset(ends[0]);
  const UniqueFd write_end(ends[1]);
  const SpawnSettings settings(write_end.get());
  std::vector<std::string> words = {program.path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  if (::posix_spawn(&question.pid, program.path.c_str(), settings.actions(), settings.attributes(),
                    argv.data(), environ) != 0) {
    question.pid = -1;
    question.failed = true;
  }
  return question;
}

// Reads what is there; closes `out` at the end.
void read_some(Question& question) {
  char buffer[4096];
  const ssize_t n = ::read(question.out.get(), buffer, sizeof buffer);
  if (n > 0 && question.answer.size() < kLongestAnswer) {
    question.answer.append(buffer, static_cast<std::size_t>(n));
    return;
  }
  if (n < 0 && errno == EINTR) {
    return;
  }
  question.failed = question.failed || n != 0;
  question.out.reset();
}

// Waits for an exit until `deadline`; then, or if it failed already, kills the group.
void finish(Question& question, std::int64_t deadline) {
  if (question.pid < 0) {
    return;
  }
  int status = 0;
  pid_t done = 0;
  while (!question.failed && (done = ::waitpid(question.pid, &status, WNOHANG)) == 0 &&
         monotonic_ms() < deadline) {
    ::poll(nullptr, 0, 1);
  }
  if (done == 0) {
    ::kill(-question.pid, SIGKILL);
    ::waitpid(question.pid, &status, 0);
  }
  if (done <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    question.failed = true;
  }
}

void read_answers(std::vector<Question>& questions, std::int64_t deadline) {
  while (true) {
    std::vector<pollfd> ready;
    std::vector<Question*> asked;
    for (Question& question : questions) {
      if (question.out && !question.failed) {
        ready.push_back({question.out.get(), POLLIN, 0});
        asked.push_back(&question);
      }
    }
    const std::int64_t left = deadline - monotonic_ms();
    if (ready.empty() || left <= 0) {
      return;
    }
    if (::poll(ready.data(), ready.size(), static_cast<int>(left)) <= 0) {
      continue;
    }
    for (std::size_t i = 0; i < ready.size(); ++i) {
      if (ready[i].revents != 0) {
        read_some(*asked[i]);
      }
    }
  }
}

}  // namespace

std::vector<Program> find_programs(const std::string& tool, bool beside_only) {
  std::vector<Program> programs;
  const std::string prefix = tool + "-";
  for (const std::string& place : places(beside_only)) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(place.c_str()), ::closedir);
    if (directory == nullptr) {
      continue;
    }
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string file = entry->d_name;
      if (file.rfind(prefix, 0) != 0 || !is_component_name(file.substr(prefix.size()))) {
        continue;
      }
      const std::string name = file.substr(prefix.size());
      const bool known = std::any_of(programs.begin(), programs.end(),
                                     [&](const Program& program) { return program.name == name; });
      if (!known && is_program(place + "/" + file)) {
        programs.push_back({name, place + "/" + file});
      }
    }
  }
  std::sort(programs.begin(), programs.end(),
            [](const Program& a, const Program& b) { return a.name < b.name; });
  return programs;
}

std::string find_program(const std::string& tool, const std::string& name, bool beside_only) {
  if (!is_component_name(name)) {
    return {};
  }
  for (const std::string& place : places(beside_only)) {
    std::string path = place + "/" + tool + "-" + name;
    if (is_program(path)) {
      return path;
    }
  }
  return {};
}

std::string find_beside(const std::string& file) {
  for (const std::string& place : places(true)) {
    std::string path = place + "/" + file;
    if (::access(path.c_str(), R_OK) == 0) {
      return path;
    }
  }
  return {};
}

std::vector<std::string> ask_programs(const std::vector<Program>& programs,
                                      const std::vector<std::string>& arguments) {
  const std::int64_t deadline = monotonic_ms() + kAskMs;
  std::vector<Question> questions;
  questions.reserve(programs.size());
  for (const Program& program : programs) {
    questions.push_back(ask(program, arguments));
  }
  read_answers(questions, deadline);
  std::vector<std::string> answers;
  for (Question& question : questions) {
    finish(question, deadline);
    answers.push_back(question.failed ? std::string() : std::move(question.answer));
  }
  return answers;
}

}  // namespace fl
