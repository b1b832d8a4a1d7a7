#include "common/tool/properties_entrance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <iterator>
#include <optional>

#include "common/base/log.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::size_t kLargestText = 1 << 20;

Result<std::string> read_to_end(int fd, const std::string& number) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return system_error(ErrorClass::io,
                          fmt::format("cannot read the properties from descriptor {}", number),
                          errno);
    }
    if (n == 0) {
      return text;
    }
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > kLargestText) {
      return Error{ErrorClass::config,
                   fmt::format("descriptor {} gives more than {} of properties", number,
                               to_string(Bytes{kLargestText})),
                   "give the properties of one component only"};
    }
  }
}

std::string sentence(const Finding& finding) {
  return finding.line == 0 ? "properties: " + finding.message
                           : fmt::format("properties, line {}: {}", finding.line, finding.message);
}

}  // namespace

Result<std::vector<Finding>> read_properties(const std::string& number, const OptionSet& set,
                                             void* options) {
  const Result<std::uint64_t> fd = parse_count(number, INT_MAX);
  if (!fd || ::fcntl(static_cast<int>(*fd), F_GETFD) < 0) {
    return Error{ErrorClass::usage,
                 fmt::format("--properties: '{}' is not an open file descriptor", number),
                 "for example: --properties 3 3< FILE"};
  }
  const Result<std::string> text = read_to_end(static_cast<int>(*fd), number);
  if (*fd > STDERR_FILENO) {
    ::close(static_cast<int>(*fd));  // no child of this stage is to read it
  }
  if (!text) {
    return text.error();
  }
  const PropertiesFile file = parse_properties(*text);
  std::vector<Finding> findings;
  for (const BadLine& bad : file.bad_lines) {
    findings.push_back({bad.is_fatal ? Finding::Severity::error : Finding::Severity::warning,
                        {},
                        {},
                        bad.line,
                        bad.message,
                        "correct the line"});
  }
  std::vector<Finding> found = apply_properties(set, file.properties, options);
  std::move(found.begin(), found.end(), std::back_inserter(findings));
  return findings;
}

Status log_findings(const std::vector<Finding>& findings) {
  std::optional<Error> first;
  for (const Finding& finding : findings) {
    const Error error{ErrorClass::config, sentence(finding), finding.hint};
    if (finding.severity == Finding::Severity::warning) {
      log(LogLevel::warning,
          error.message + (error.hint.empty() ? std::string() : " (" + error.hint + ")"));
    } else if (first) {
      log(error);
    } else {
      first = error;
    }
  }
  return first ? Status(*first) : Status();
}

}  // namespace fl
