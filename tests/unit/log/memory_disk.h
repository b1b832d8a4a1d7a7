// A disk in memory that knows what it has promised: for each file the bytes that a power loss
// cannot take and the changes since, for each directory the names that stay and the changes since.
// What a power loss leaves is any choice among them; crash_states.h makes such choices.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fl {

/// Bytes that are shared until one of the owners changes them.
class SharedBytes {
 public:
  SharedBytes() = default;
  /// Shares them with their other owners.
  explicit SharedBytes(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  const std::string& get() const { return *bytes_; }
  std::shared_ptr<const std::string> share() const { return bytes_; }
  std::string& change() {
    if (own_ == nullptr || bytes_.use_count() > 2) {  // own_ is one of them
      own_ = std::make_shared<std::string>(*bytes_);
      bytes_ = own_;
    }
    return *own_;
  }

 private:
  std::shared_ptr<const std::string> bytes_ = std::make_shared<std::string>();
  std::shared_ptr<std::string> own_;  // the same, when it may be changed
};

/// A write, or with `cut` a truncation to `offset`.
struct FileChange {
  std::uint64_t offset = 0;
  std::string bytes;
  bool cut = false;

  void apply_to(std::string& content) const {
    if (cut) {
      content.resize(offset);
      return;
    }
    if (content.size() < offset + bytes.size()) {
      content.resize(offset + bytes.size());
    }
    content.replace(offset, bytes.size(), bytes);
  }
};

struct MemoryFile {
  SharedBytes now;   ///< what a reader sees: the page cache
  SharedBytes kept;  ///< what a power loss leaves, without `pending`
  std::vector<FileChange> pending;

  void change(FileChange change) {
    change.apply_to(now.change());
    pending.push_back(std::move(change));
  }
  /// What a sync that begins now covers.
  std::uint64_t changes() const { return settled_ + pending.size(); }
  /// The first so many of all changes are on the disk.
  void sync(std::uint64_t changes) {
    const std::size_t count =
        changes < settled_ ? 0 : std::min<std::size_t>(changes - settled_, pending.size());
    for (std::size_t i = 0; i < count; ++i) {
      pending[i].apply_to(kept.change());
    }
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(count));
    settled_ += count;
  }
  /// As Linux does it: what did not get to the disk is still read, but is clean, and no later sync
  /// will write it.
  void fail_sync(std::mt19937_64& random) {
    for (const FileChange& change : pending) {
      if (random() % 3 == 0) {
        change.apply_to(kept.change());
      }
    }
    settled_ += pending.size();
    pending.clear();
  }

 private:
  std::uint64_t settled_ = 0;  // changes that are no longer pending
};

using MemoryNames = std::map<std::string, std::shared_ptr<MemoryFile>, std::less<>>;

/// Names that change together; nullptr: the name goes.
using NameChange = std::vector<std::pair<std::string, std::shared_ptr<MemoryFile>>>;

struct MemoryDirectory {
  MemoryNames now;
  MemoryNames kept;
  std::vector<NameChange> pending;

  static void apply(const NameChange& change, MemoryNames& names) {
    for (const auto& [name, file] : change) {
      if (file == nullptr) {
        names.erase(name);
      } else {
        names[name] = file;
      }
    }
  }
  void change(NameChange change) {
    apply(change, now);
    pending.push_back(std::move(change));
  }
  void sync() {
    for (const NameChange& change : pending) {
      apply(change, kept);
    }
    pending.clear();
  }
};

/// The whole: directories of one level below the root "". That a subdirectory exists is a name in
/// the root, whose file is empty.
class MemoryDisk {
 public:
  MemoryDisk() { directories[""]; }

  /// "groups/a" -> {"groups", "a"}
  static std::pair<std::string, std::string> split(std::string_view name) {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) {
      return {std::string(), std::string(name)};
    }
    return {std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
  }

  MemoryDirectory* directory(std::string_view name) {
    const auto found = directories.find(name);
    return found == directories.end() ? nullptr : &found->second;
  }

  std::shared_ptr<MemoryFile> file(std::string_view name) {
    const auto [folder, base] = split(name);
    MemoryDirectory* const in = directory(folder);
    if (in == nullptr) {
      return nullptr;
    }
    const auto found = in->now.find(base);
    return found == in->now.end() ? nullptr : found->second;
  }

  /// A disk of its own, in the same state: what was a file here is another one there.
  std::shared_ptr<MemoryDisk> clone() const {
    auto copy = std::make_shared<MemoryDisk>();
    std::map<const MemoryFile*, std::shared_ptr<MemoryFile>> copies;
    const auto copied = [&copies](const std::shared_ptr<MemoryFile>& file) {
      if (file == nullptr) {
        return file;
      }
      auto& one = copies[file.get()];
      if (one == nullptr) {
        one = std::make_shared<MemoryFile>(*file);
      }
      return one;
    };
    for (const auto& [name, directory] : directories) {
      MemoryDirectory& to = copy->directories[name];
      for (const auto& [base, file] : directory.now) {
        to.now[base] = copied(file);
      }
      for (const auto& [base, file] : directory.kept) {
        to.kept[base] = copied(file);
      }
      for (const NameChange& change : directory.pending) {
        NameChange& one = to.pending.emplace_back();
        for (const auto& [base, file] : change) {
          one.emplace_back(base, copied(file));
        }
      }
    }
    return copy;
  }

  std::map<std::string, MemoryDirectory, std::less<>> directories;
};

}  // namespace fl
