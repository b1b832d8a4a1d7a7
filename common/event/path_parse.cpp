// How a path with escapes is taken apart.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <memory>
#include <utility>

#include "common/event/path_escape.h"
#include "common/event/path_time.h"

namespace fl {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

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

}  // namespace

/// Goes through the text once: take_*() eat an escape, end_*() close what was gathered.
class PathTemplate::Parser {
 public:
  Parser(std::string_view text, std::size_t max_component)
      : text_(text), max_component_(max_component) {
    result_.max_component_ = max_component;
    result_.is_absolute_ = text.starts_with('/');
  }

  Result<PathTemplate> parse() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const char kind = c == '%' && at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      Status status;
      if (c == '/') {
        ++at_;
        status = end_component();
      } else if (kind == '{' || kind == '[') {
        status = take_name(kind == '{');
      } else if (kind == '%' || is_word(kind)) {
        at_ += 2;
        status = take_letter(kind);
      } else {
        if (c == '%' && (kind == '\0' || kind == '/')) {
          result_.unknown_.emplace_back(1, c);
        }
        ++at_;
        literal_ += c;
      }
      if (!status) {
        return status.error();
      }
    }
    if (Status status = end_component(); !status) {
      return status.error();
    }
    split_fixed();
    return std::move(result_);
  }

 private:
  // %{header}, %[host]
  Status take_name(bool is_header) {
    const std::string_view rest = text_.substr(at_);
    const std::size_t close = rest.find(is_header ? '}' : ']');
    const std::string_view name =
        close == std::string_view::npos ? std::string_view() : rest.substr(2, close - 2);
    const bool fits = !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
      return is_word(c) || (is_header && (c == '.' || c == '-'));
    });
    if (!fits) {
      result_.unknown_.emplace_back(rest.substr(0, std::min(rest.find('/'), close)));
      result_.unknown_.back() += close < rest.find('/') ? rest.substr(close, 1) : "";
      literal_ += '%';
      ++at_;
      return {};
    }
    at_ += close + 1;
    if (is_header) {
      end_literal();
      component_.pieces.push_back({Piece::Kind::header, std::string(name), 0});
      component_.has_escape = true;
      result_.has_headers_ = true;
      return {};
    }
    const Result<std::string> value = host_value(name);
    if (!value) {
      return value.error();
    }
    append_path_safe(literal_, *value, literal_.empty() && component_.pieces.empty());
    return {};
  }

  Status take_letter(char letter) {
    if (letter == '%') {
      literal_ += '%';
    } else if (letter == 'D') {
      return take_date();
    } else if (step_of(letter) != PathTimeStep::never) {
      add_time(letter);
    } else {
      result_.unknown_.push_back({'%', letter});
    }
    return {};
  }

  // %D: three components
  Status take_date() {
    add_time('m');
    (void)end_component();  // has an escape: nothing to refuse
    add_time('d');
    (void)end_component();
    add_time('y');
    return {};
  }

  void add_time(char letter) {
    end_literal();
    component_.pieces.push_back({Piece::Kind::time, {}, letter});
    component_.has_escape = true;
    result_.time_step_ = std::max(result_.time_step_, step_of(letter));
  }

  void end_literal() {
    if (!literal_.empty()) {
      component_.pieces.push_back({Piece::Kind::text, std::move(literal_), 0});
      literal_.clear();
    }
  }

  Status end_component() {
    end_literal();
    Component ended = std::exchange(component_, {});
    if (!ended.has_escape) {
      const std::string fixed = ended.pieces.empty() ? "" : ended.pieces.front().text;
      if (fixed.empty() || fixed == ".") {
        return {};
      }
      if (Status status = check_fixed(fixed); !status) {
        return status;
      }
    }
    all_.push_back(std::move(ended));
    return {};
  }

  Status check_fixed(const std::string& component) const {
    const std::string refused = "refused the path '" + std::string(text_) + "': ";
    if (component == "..") {
      return Error{ErrorClass::config, refused + "it holds '..'", "write the intended directory"};
    }
    if (component.find('\0') != std::string::npos || component.size() > max_component_) {
      return Error{ErrorClass::config, refused + "a part of it is too long or holds NUL"};
    }
    return {};
  }

  // The components before the first one with an escape become fixed().
  void split_fixed() {
    std::size_t fixed = 0;
    while (fixed < all_.size() && !all_[fixed].has_escape) {
      if (fixed != 0 || result_.is_absolute_) {
        result_.fixed_ += '/';
      }
      result_.fixed_ += all_[fixed].pieces.front().text;
      ++fixed;
    }
    if (fixed == 0 && result_.is_absolute_) {
      result_.fixed_ = "/";
    }
    result_.fixed_count_ = fixed;
    result_.components_.assign(
        std::make_move_iterator(all_.begin() + static_cast<std::ptrdiff_t>(fixed)),
        std::make_move_iterator(all_.end()));
  }

  const std::string_view text_;
  const std::size_t max_component_;
  std::size_t at_ = 0;
  PathTemplate result_;
  std::vector<Component> all_;
  Component component_;  // the one that is gathered
  std::string literal_;  // its text since the last escape
};

Result<PathTemplate> PathTemplate::parse(std::string_view text, std::size_t max_component) {
  return Parser(text, max_component).parse();
}

}  // namespace fl
