// Runs a program and kills it at the entry or the exit of its N-th system call that matters: those
// that change files, lock them, or write anything.
//
// usage: kill_at COUNT entry|exit REPORT PROGRAM [ARGUMENT...]
// COUNT 0 kills nothing. REPORT: a file that gets "points N\n", the calls that were seen, and with
// a kill "at NAME\n". Calls of all threads are counted together. The status is the program's, 137
// when it was killed, 70 when it cannot be traced.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::pair<long, const char*> kCalls[] = {
    {SYS_pwritev, "pwritev"},     {SYS_pwritev2, "pwritev2"},   {SYS_pwrite64, "pwrite64"},
    {SYS_write, "write"},         {SYS_writev, "writev"},       {SYS_sendmsg, "sendmsg"},
    {SYS_sendto, "sendto"},       {SYS_fdatasync, "fdatasync"}, {SYS_fsync, "fsync"},
    {SYS_ftruncate, "ftruncate"}, {SYS_fallocate, "fallocate"}, {SYS_renameat, "renameat"},
    {SYS_renameat2, "renameat2"}, {SYS_unlinkat, "unlinkat"},   {SYS_mkdirat, "mkdirat"},
    {SYS_flock, "flock"},
#ifdef SYS_rename
    {SYS_rename, "rename"},       {SYS_unlink, "unlink"},       {SYS_mkdir, "mkdir"},
#endif
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "kill_at: %s: %s\n", what, std::strerror(errno));
  std::_Exit(70);
}

// Only the calls that matter stop the program.
void install_filter() {
  std::vector<sock_filter> filter;
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const auto& [number, name] : kCalls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3));
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1));
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    fail("seccomp");
  }
}

std::string name_of(pid_t thread) {
  user_regs_struct registers{};
  iovec to{&registers, sizeof registers};
  ptrace(PTRACE_GETREGSET, thread, 1 /* NT_PRSTATUS */, &to);
#ifdef __x86_64__
  const long number = static_cast<long>(registers.orig_rax);
#else
  const long number = static_cast<long>(registers.regs[8]);
#endif
  for (const auto& [each, name] : kCalls) {
    if (each == number) {
      return name;
    }
  }
  return number == SYS_openat ? "openat" : std::to_string(number);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: kill_at COUNT entry|exit REPORT PROGRAM [ARGUMENT...]\n");
    return 64;
  }
  const long wanted = std::atol(argv[1]);
  const bool at_exit = std::strcmp(argv[2], "exit") == 0;
  const pid_t child = fork();
  if (child < 0) {
    fail("fork");
  }
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
      fail("ptrace");
    }
    raise(SIGSTOP);
    install_filter();
    execvp(argv[4], argv + 4);
    fail(argv[4]);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
      ptrace(PTRACE_SETOPTIONS, child, nullptr,
             PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                 PTRACE_O_EXITKILL) != 0) {
    fail("trace");
  }
  ptrace(PTRACE_CONT, child, nullptr, nullptr);
  long seen = 0;
  pid_t leaving = 0;  // the thread whose exit from the call is awaited
  std::string at;
  int result = 70;
  for (;;) {
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      break;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread == child) {
        result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      continue;
    }
    int deliver = WSTOPSIG(status);
    auto how = PTRACE_CONT;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
      deliver = 0;
      if (++seen == wanted) {
        at = name_of(thread);
        if (at_exit) {
          leaving = thread;
          how = PTRACE_SYSCALL;
        } else {
          kill(child, SIGKILL);
        }
      }
    } else if (thread == leaving && deliver == SIGTRAP) {
      leaving = 0;
      kill(child, SIGKILL);
      deliver = 0;
    } else if (status >> 16 != 0 || deliver == SIGTRAP || deliver == SIGSTOP) {
      deliver = 0;  // a new thread, exec
    }
    ptrace(how, thread, nullptr, deliver);
  }
  std::FILE* const report = std::fopen(argv[3], "w");
  if (report == nullptr) {
    fail(argv[3]);
  }
  std::fprintf(report, "points %ld\n", seen);
  if (!at.empty()) {
    std::fprintf(report, "at %s\n", at.c_str());
  }
  std::fclose(report);
  return result;
}
