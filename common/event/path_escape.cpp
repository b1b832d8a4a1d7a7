#include "common/event/path_escape.h"

#include <algorithm>

#include "common/event/path_time.h"

namespace fl {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

void append_escaped_byte(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
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

// The rules for a whole component, which is the end of `out` from `start` on.
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
      // Up to four bytes that are one valid character; C1 controls (U+0080 to U+009F) are escaped.
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

std::vector<std::string> PathTemplate::headers() const {
  std::vector<std::string> names;
  for (const Component& component : components_) {
    for (const Piece& piece : component.pieces) {
      if (piece.kind == Piece::Kind::header &&
          std::find(names.begin(), names.end(), piece.text) == names.end()) {
        names.push_back(piece.text);
      }
    }
  }
  return names;
}

bool PathTemplate::has_in_text(char c) const {
  bool found = fixed_.find(c) != std::string::npos;
  for (const Component& component : components_) {
    for (const Piece& piece : component.pieces) {
      found = found || (piece.kind == Piece::Kind::text && piece.text.find(c) != std::string::npos);
    }
  }
  return found;
}

// Text, or a time, which without a moment stays as it is written.
void PathTemplate::expand_piece(const Piece& piece, const PathClock::Moment* moment,
                                std::string_view colon, std::string& out) {
  if (piece.kind == Piece::Kind::text) {
    out += piece.text;
  } else if (moment == nullptr) {
    out += {'%', piece.letter};
  } else {
    append_time(out, piece.letter, *moment, colon);
  }
}

void PathTemplate::expand_raw(const Event& event, const PathClock::Moment* moment,
                              std::string& out) const {
  out += fixed_;
  bool parted = fixed_.empty() || fixed_ == "/";
  for (const Component& component : components_) {
    out += parted ? "" : "/";
    parted = false;
    for (const Piece& piece : component.pieces) {
      if (piece.kind == Piece::Kind::header) {
        out += find_header(event, piece.text).value_or(std::string_view());
      } else {
        expand_piece(piece, moment, ":", out);
      }
    }
  }
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
        case Piece::Kind::time:
          expand_piece(piece, moment, "%3A", out);
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
