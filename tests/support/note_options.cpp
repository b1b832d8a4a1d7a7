// A library to preload: each of our programs that is started notes its command line, and the Flume
// file that --properties gives it, at the end of the file $NOTED_OPTIONS;
// tests/registry/options_set.py reads it. A program that refuses its options (64, 78) notes that at
// its end.
//
// What it is preloaded into must not notice: no descriptor stays open, nothing is printed, the file
// of --properties is not read from, and in any other program nothing happens. Nor does anything
// where the size of files is limited: to write too much would end the program.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kUsage = 64;
constexpr int kConfig = 78;

pid_t noted = 0;  // a child of the process ends without a note

// One write, so that the records of several processes do not mix.
void append(const iovec* parts, int count) {
  const char* const path = std::getenv("NOTED_OPTIONS");
  rlimit largest = {};
  if (path == nullptr || ::getrlimit(RLIMIT_FSIZE, &largest) != 0 ||
      largest.rlim_cur != RLIM_INFINITY) {
    return;
  }
  const int fd = ::open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd >= 0) {
    (void)!::writev(fd, parts, count);
    ::close(fd);
  }
}

// The descriptor that --properties names, if it is a file that can be mapped; -1 if not.
int properties_of(int argc, char** argv, struct stat& file) {
  constexpr const char* kName = "--properties";
  for (int i = 1; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    const std::size_t length = std::strlen(kName);
    const char* number = nullptr;
    if (std::strcmp(argv[i], kName) == 0) {
      number = argv[i + 1];
    } else if (std::strncmp(argv[i], kName, length) == 0 && argv[i][length] == '=') {
      number = argv[i] + length + 1;
    }
    if (number != nullptr) {
      const int fd = std::atoi(number);
      return ::fstat(fd, &file) == 0 && S_ISREG(file.st_mode) ? fd : -1;
    }
  }
  return -1;
}

void note_refusal(int status, void* /*unused*/) {
  if ((status == kUsage || status == kConfig) && ::getpid() == noted) {
    char head[64];
    const int size = std::snprintf(head, sizeof head, "refused %d\n", noted);
    const iovec part{head, static_cast<std::size_t>(size)};
    append(&part, 1);
  }
}

[[gnu::constructor]] void note_options(int argc, char** argv) {
  const int before = errno;
  if (argc > 0 && std::strncmp(program_invocation_short_name, "fl-", 3) == 0) {
    noted = ::getpid();
    // The words of a new process lie one after the other, each with its end.
    const std::size_t words =
        static_cast<std::size_t>(argv[argc - 1] + std::strlen(argv[argc - 1]) + 1 - argv[0]);
    struct stat file = {};
    const int fd = properties_of(argc, argv, file);
    const auto size = fd < 0 ? 0 : static_cast<std::size_t>(file.st_size);
    void* text = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const bool is_mapped = text != MAP_FAILED;
    char head[96];
    const int head_size = std::snprintf(head, sizeof head, "started %d %zu %zu\n", noted, words,
                                        is_mapped ? size : 0);
    const iovec parts[] = {{head, static_cast<std::size_t>(head_size)},
                           {argv[0], words},
                           {is_mapped ? text : head, is_mapped ? size : 0}};
    append(parts, 3);
    if (is_mapped) {
      ::munmap(text, size);
    }
    ::on_exit(note_refusal, nullptr);
  }
  errno = before;
}

}  // namespace
