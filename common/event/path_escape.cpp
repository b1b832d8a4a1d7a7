#include "common/event/path_escape.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "common/event/path_time.h"

namespace fl {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

void append_escaped_byte(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

Result<std::string> host_value(std::string_view which) {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) {
    return system_error("cannot read the host name", errno);
  }
  std::string lower(which);
  for (char& c : lower) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (lower == "localhost") {
    return std::string(name.data());
  }
  if (lower != "ip" && lower != "fqdn") {
    return Error{ErrorClass::config, "unknown escape '%[" + std::string(which) + "]' in a path",
                 "known are %[localhost], %[IP] and %[FQDN]"};
  }
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failed = getaddrinfo(name.data(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  if (failed != 0 || list == nullptr) {
    return Error{ErrorClass::config, "cannot look up the host's own name '" +
                                         std::string(name.data()) + "': " + gai_strerror(failed)};
  }
  if (lower == "fqdn") {
    return std::string(list->ai_canonname != nullptr ? list->ai_canonname : name.data());
  }
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if ((one->ai_family == AF_INET || one->ai_next == nullptr) &&
        getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      return std::string(text.data());
    }
  }
  return Error{ErrorClass::config, "the host's own name has no address"};
}

void append_hash(std::string& out, std::string_view text) {
  std::uint64_t hash[2] = {0xcbf29ce484222325u, 0x9ae16a3b2f90404fu};
  for (const char c : text) {
    for (std::uint64_t& h : hash) {
      h ^= static_cast<unsigned char>(c);
      h *= &h == hash ? 0x100000001b3u : 0xc6a4a7935bd1e995u;
      h ^= h >> 29;
    }
  }
  for (const std::uint64_t h : hash) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      out += kHex[(h >> shift) & 15];
    }
  }
}

// The rules for a whole component, which stands at the end of `out` from `start`.
void finish_component(std::string& out, std::size_t start, std::size_t max) {
  const std::string_view text = std::string_view(out).substr(start);
  if (text.empty()) {
    out += "%-";
  } else if (text == ".") {
    out.replace(start, 1, "%2E");
  } else if (text == "..") {
    out.replace(start, 2, "%2E%2E");
  } else if (text.size() > max) {
    constexpr std::size_t kMark = 2 + 32;
    std::size_t keep = max - kMark;
    // Neither in the middle of a %XX nor of a UTF-8 sequence.
    for (std::size_t back = 1; back <= 2 && back <= keep; ++back) {
      if (text[keep - back] == '%') {
        keep -= back;
        break;
      }
    }
    while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xC0) == 0x80) {
      --keep;
    }
    std::string mark = "%~";
    append_hash(mark, text);
    out.resize(start + keep);
    out += mark;
  }
}

}  // namespace

void append_path_safe(std::string& out, std::string_view value, bool is_first) {
  if (is_first && value.starts_with('_')) {
    append_escaped_byte(out, '_');
    value.remove_prefix(1);
  }
  bool at_start = true;
  while (!value.empty()) {
    const auto c = static_cast<unsigned char>(value.front());
    if (c >= 0x80) {
      // Up to four bytes that are one valid character; C1 controls (U+0080 to U+009F) are none to
      // show.
      std::size_t size = 0;
      for (std::size_t n = 2; n <= 4 && n <= value.size() && size == 0; ++n) {
        size = is_valid_utf8(value.substr(0, n)) ? n : 0;
      }
      const bool c1 = c == 0xC2 && size == 2 && static_cast<unsigned char>(value[1]) < 0xA0;
      if (size != 0 && !c1) {
        out.append(value.substr(0, size));
        value.remove_prefix(size);
      } else {
        append_escaped_byte(out, value.front());
        value.remove_prefix(1);
      }
      at_start = false;
      continue;
    }
    if (c < 0x20 || c == 0x7F || c == '/' || c == ':' || c == '%' || (c == '.' && at_start)) {
      append_escaped_byte(out, value.front());
    } else {
      out += value.front();
    }
    at_start = at_start && c == '.';
    value.remove_prefix(1);
  }
}

Result<PathTemplate> PathTemplate::parse(std::string_view text, std::size_t max_component) {
  PathTemplate result;
  result.max_component_ = max_component;
  result.is_absolute_ = text.starts_with('/');
  Component component;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) {
      component.pieces.push_back({Piece::Kind::text, std::move(literal), 0});
      literal.clear();
    }
  };
  std::vector<Component> all;
  Error refused{ErrorClass::config, {}, {}};
  const auto end_component = [&]() -> bool {
    end_literal();
    if (!component.has_escape) {
      const std::string fixed = component.pieces.empty() ? "" : component.pieces.front().text;
      if (fixed == "..") {
        refused.message = "refused the path '" + std::string(text) + "': it holds '..'";
        refused.hint = "write the directory that is meant";
        return false;
      }
      if (fixed.find('\0') != std::string::npos || fixed.size() > max_component) {
        refused.message =
            "refused the path '" + std::string(text) + "': a part of it is too long or holds NUL";
        return false;
      }
      if (fixed.empty() || fixed == ".") {
        component = {};
        return true;
      }
    }
    all.push_back(std::move(component));
    component = {};
    return true;
  };
  const auto add_time = [&](char letter) {
    end_literal();
    component.pieces.push_back({Piece::Kind::time, {}, letter});
    component.has_escape = true;
    result.time_step_ = std::max(result.time_step_, step_of(letter));
  };

  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '/') {
      if (!end_component()) {
        return refused;
      }
      continue;
    }
    const std::string_view rest = text.substr(i + 1);
    const char kind = c == '%' && !rest.empty() ? rest.front() : '\0';
    if (kind == '{' || kind == '[') {
      const bool header = kind == '{';
      const std::size_t close = rest.find(header ? '}' : ']');
      const std::string_view name =
          close == std::string_view::npos ? std::string_view() : rest.substr(1, close - 1);
      const bool fits = !name.empty() && std::all_of(name.begin(), name.end(), [&](char n) {
        return is_word(n) || (header && (n == '.' || n == '-'));
      });
      if (!fits) {
        literal += c;
        continue;
      }
      if (header) {
        end_literal();
        component.pieces.push_back({Piece::Kind::header, std::string(name), 0});
        component.has_escape = true;
        result.has_headers_ = true;
      } else {
        const Result<std::string> value = host_value(name);
        if (!value) {
          return value.error();
        }
        append_path_safe(literal, *value, literal.empty() && component.pieces.empty());
      }
      i += close + 1;
    } else if (kind == '%') {
      literal += '%';
      ++i;
    } else if (kind == 'D') {
      add_time('m');
      (void)end_component();
      add_time('d');
      (void)end_component();
      add_time('y');
      ++i;
    } else if (is_word(kind)) {
      if (step_of(kind) != PathTimeStep::never) {
        add_time(kind);
      } else {
        result.unknown_ += kind;  // the empty string, as in Flume
      }
      ++i;
    } else {
      literal += c;
    }
  }
  if (!end_component()) {
    return refused;
  }

  std::size_t fixed = 0;
  while (fixed < all.size() && !all[fixed].has_escape) {
    if (fixed != 0 || result.is_absolute_) {
      result.fixed_ += '/';
    }
    result.fixed_ += all[fixed].pieces.front().text;
    ++fixed;
  }
  if (fixed == 0 && result.is_absolute_) {
    result.fixed_ = "/";
  }
  result.fixed_count_ = fixed;
  result.components_.assign(
      std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(fixed)),
      std::make_move_iterator(all.end()));
  return result;
}

void PathTemplate::expand(const Event* event, const PathClock::Moment* moment,
                          std::string& out) const {
  bool first = true;
  for (const Component& component : components_) {
    if (!first) {
      out += '/';
    }
    first = false;
    const std::size_t start = out.size();
    for (const Piece& piece : component.pieces) {
      switch (piece.kind) {
        case Piece::Kind::text:
          out += piece.text;
          break;
        case Piece::Kind::time:
          append_time(out, piece.letter, *moment);
          break;
        case Piece::Kind::header:
          if (event == nullptr) {
            out += "%{" + piece.text + "}";
          } else if (const auto value = find_header(*event, piece.text)) {
            append_path_safe(out, *value, out.size() == start);
          }
          break;
      }
    }
    finish_component(out, start, max_component_);
  }
}

void PathTemplate::expand(const Event& event, const PathClock::Moment* moment,
                          std::string& out) const {
  expand(&event, moment, out);
}

void PathTemplate::describe(const PathClock::Moment* moment, std::string& out) const {
  expand(nullptr, moment, out);
}

}  // namespace fl
