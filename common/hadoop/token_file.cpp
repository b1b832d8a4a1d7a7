#include "common/hadoop/token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>

#include "common/base/base64.h"
#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20;

/// Takes values from the front of bytes; after the first missing one, all are missing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

  std::uint8_t byte() {
    const std::string_view one = bytes(1);
    return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
  }
  std::string_view bytes(std::uint64_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  /// WritableUtils.readVLong(), of what is never negative.
  std::uint64_t vlong() {
    const auto first = static_cast<std::int8_t>(byte());
    if (first >= -112) {
      ok_ = ok_ && first >= 0;
      return ok_ ? static_cast<std::uint64_t>(first) : 0;
    }
    if (first < -120) {  // a negative number
      ok_ = false;
    }
    std::uint64_t value = 0;
    for (int left = -112 - first; ok_ && left > 0; --left) {
      value = value << 8 | byte();
    }
    return ok_ ? value : 0;
  }
  std::string_view counted() { return bytes(vlong()); }
  /// A varint of Protocol Buffers.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = byte();
      value |= static_cast<std::uint64_t>(part & 0x7F) << shift;
      if ((part & 0x80) == 0) {
        return ok_ ? value : 0;
      }
    }
    ok_ = false;
    return 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

/// Calls `take` for each length-delimited field of a message, passes over the others; false: the
/// message is damaged.
template <typename Take>
bool each_field(std::string_view message, Take take) {
  Reader reader(message);
  while (reader.ok() && !reader.at_end()) {
    const std::uint64_t tag = reader.varint();
    switch (tag & 7) {
      case 0:
        reader.varint();
        break;
      case 1:
        reader.bytes(8);
        break;
      case 2: {
        const std::string_view value = reader.bytes(reader.varint());
        if (!reader.ok() || !take(tag >> 3, value)) {
          return false;
        }
        break;
      }
      case 5:
        reader.bytes(4);
        break;
      default:
        return false;
    }
  }
  return reader.ok();
}

bool read_writables(Reader& reader, std::vector<DelegationToken>& tokens) {
  const std::uint64_t count = reader.vlong();
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) {
    reader.counted();  // alias
    DelegationToken token;
    token.identifier = reader.counted();
    token.password = reader.counted();
    token.kind = reader.counted();
    token.service = reader.counted();
    tokens.push_back(std::move(token));
  }
  return reader.ok();  // secrets may follow
}

bool read_message(std::string_view message, std::vector<DelegationToken>& tokens) {
  return each_field(message, [&](std::uint64_t field, std::string_view entry) {
    if (field != 1) {  // secrets
      return true;
    }
    return each_field(entry, [&](std::uint64_t part, std::string_view value) {
      if (part != 2) {  // alias
        return true;
      }
      DelegationToken token;
      const bool whole = each_field(value, [&](std::uint64_t number, std::string_view text) {
        const std::array parts = {&token.identifier, &token.password, &token.kind, &token.service};
        if (number >= 1 && number <= parts.size()) {
          *parts[number - 1] = text;
        }
        return true;
      });
      tokens.push_back(std::move(token));
      return whole;
    });
  });
}

void put_counted(std::string& out, std::string_view bytes) {
  const std::uint64_t size = bytes.size();
  if (size <= 127) {
    out += static_cast<char>(size);
  } else {
    int length = 8;
    while ((size >> (8 * (length - 1))) == 0) {
      --length;
    }
    out += static_cast<char>(-112 - length);
    for (int i = length - 1; i >= 0; --i) {
      out += static_cast<char>(size >> (8 * i));
    }
  }
  out += bytes;
}

std::string_view host_of(std::string_view service) {
  return service.starts_with("ha-") ? service : service.substr(0, service.rfind(':'));
}

}  // namespace

Result<std::vector<DelegationToken>> parse_tokens(std::string_view bytes) {
  Reader reader(bytes);
  if (reader.bytes(4) != "HDTS") {
    return Error{ErrorClass::config, "not a Hadoop token file"};
  }
  const std::uint8_t version = reader.byte();
  std::vector<DelegationToken> tokens;
  bool whole = false;
  if (reader.ok() && version == 0) {
    whole = read_writables(reader, tokens);
  } else if (reader.ok() && version == 1) {
    const std::string_view message = reader.bytes(reader.varint());
    whole = reader.ok() && read_message(message, tokens);
  } else if (reader.ok()) {
    return Error{ErrorClass::config,
                 "Hadoop token file of version " + std::to_string(version) + ", 0 and 1 are known"};
  }
  if (!whole) {
    return Error{ErrorClass::config, "damaged Hadoop token file"};
  }
  return tokens;
}

Result<std::vector<DelegationToken>> read_token_file(const std::string& path) {
  const std::string action = "cannot read the token file '" + path + "'";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return system_error(ErrorClass::permission, action, errno);
  }
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IROTH) != 0) {
    return Error{ErrorClass::permission,
                 action + (S_ISREG(info.st_mode) ? ": everybody may read it" : ": not a file"),
                 "anyone who can read a token can act as its owner: chmod 600"};
  }
  std::string bytes;
  std::array<char, 4096> buffer;
  while (bytes.size() <= kMaxFile) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got == 0) {
      auto tokens = parse_tokens(bytes);
      return tokens ? std::move(tokens)
                    : Error{ErrorClass::config, action + ": " + tokens.error().message};
    }
    if (got > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      return system_error(ErrorClass::permission, action, errno);
    }
  }
  return Error{ErrorClass::config, action + ": larger than 1 MiB"};
}

std::string url_string(const DelegationToken& token) {
  std::string bytes;
  put_counted(bytes, token.identifier);
  put_counted(bytes, token.password);
  put_counted(bytes, token.kind);
  put_counted(bytes, token.service);
  return base64(bytes, Base64::url);
}

const DelegationToken* find_token(const std::vector<DelegationToken>& tokens,
                                  const std::vector<std::string>& services) {
  for (const DelegationToken& token : tokens) {
    if (token.kind != "HDFS_DELEGATION_TOKEN" && token.kind != "WEBHDFS delegation" &&
        token.kind != "SWEBHDFS delegation") {
      continue;
    }
    for (const std::string& service : services) {
      if (!token.service.empty() && host_of(token.service) == host_of(service)) {
        return &token;
      }
    }
  }
  return nullptr;
}

}  // namespace fl
