// How states go to the judge (state_judge.py): messages of a letter, a length (u32) and bytes.
// Bytes that were sent before are named by a number instead.
//   R name                  a new log: everything before is forgotten
//   G first, payload        a block that is given to the log; first: u64
//   C id, bytes             a piece of a file, u32
//   F id, ids...            a file, u32 each
//   S text                  a state: JSON, files by their numbers
//   E                       the end
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/log/crash_states.h"

namespace fl {

class StateStream {
 public:
  explicit StateStream(std::FILE* out) : out_(out) {}

  void begin(std::string_view name) {
    pieces_.clear();
    files_.clear();
    kept_.clear();
    message('R', name);
  }
  void given(std::uint64_t first, std::string_view payload) {
    std::string text;
    add(text, first, 8);
    text += payload;
    message('G', text);
  }
  /// {"head":3,"00000000000000000000.seg":7}
  std::string image(const Image& image) {
    std::string text = "{";
    for (const auto& [name, content] : image.files) {
      text += (text.size() > 1 ? ",\"" : "\"") + name + "\":" + std::to_string(file(content));
    }
    return text + "}";
  }
  std::uint32_t file(const std::shared_ptr<const std::string>& content) {
    const auto found = files_.find(content.get());
    if (found != files_.end()) {
      return found->second;
    }
    std::string text;
    const std::uint32_t id = next_++;
    add(text, id, 4);
    for (std::size_t at = 0; at < content->size(); at += kPiece) {
      add(text, piece(content->substr(at, kPiece)), 4);
    }
    message('F', text);
    kept_.push_back(content);  // so that its address stays its own
    return files_[content.get()] = id;
  }
  void state(std::string_view json) { message('S', json); }
  /// False: the judge did not get everything.
  bool end() {
    message('E', {});
    return std::fflush(out_) == 0 && good_;
  }
  bool good() const { return good_; }

 private:
  static constexpr std::size_t kPiece = 1024;

  static void add(std::string& text, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      text += static_cast<char>(value >> (8 * i));
    }
  }
  std::uint32_t piece(std::string bytes) {
    const auto found = pieces_.find(bytes);
    if (found != pieces_.end()) {
      return found->second;
    }
    const std::uint32_t id = next_++;
    std::string text;
    add(text, id, 4);
    message('C', text + bytes);
    return pieces_[std::move(bytes)] = id;
  }
  void message(char kind, std::string_view text) {
    std::string head(1, kind);
    add(head, text.size(), 4);
    good_ = good_ && std::fwrite(head.data(), 1, head.size(), out_) == head.size() &&
            std::fwrite(text.data(), 1, text.size(), out_) == text.size();
  }

  std::FILE* out_;
  bool good_ = true;
  std::uint32_t next_ = 1;
  std::unordered_map<std::string, std::uint32_t> pieces_;
  std::unordered_map<const std::string*, std::uint32_t> files_;
  std::vector<std::shared_ptr<const std::string>> kept_;
};

}  // namespace fl
