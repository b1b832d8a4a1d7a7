#include "tools/fl-channel/import_flume/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/fl-channel/import_flume/file_window.h"
#include "tools/fl-channel/import_flume/md5.h"

namespace fl::flume {
namespace {

constexpr std::size_t kHeaderSlots = 1029;
constexpr std::size_t kSlotBytes = 8;
constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kMaxMetaBytes = 1 << 20;

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = at; i < at + kSlotBytes; ++i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return value;
}

Error unusable(const std::string& path, const std::string& why) {
  return {ErrorClass::input, "'" + path + "' " + why};
}

Result<std::string> whole_file(const std::string& path, std::uint64_t most) {
  Result<FileWindow> window = FileWindow::open(path);
  if (!window) {
    return window.error();
  }
  if (window->size() > most) {
    return unusable(path, "is too large");
  }
  const Result<std::string_view> bytes = window->at(0, static_cast<std::size_t>(window->size()));
  return bytes ? Result<std::string>(std::string(*bytes)) : Result<std::string>(bytes.error());
}

Result<std::uint64_t> slot(FileWindow& window, std::uint64_t index) {
  const Result<std::string_view> bytes = window.at(index * kSlotBytes, kSlotBytes);
  if (!bytes) {
    return bytes.error();
  }
  return bytes->size() == kSlotBytes ? Result<std::uint64_t>(number_at(*bytes, 0))
                                     : unusable(window.path(), "is cut off");
}

Status read_queue(const std::string& directory, std::uint64_t most, Checkpoint& out) {
  const std::string meta_path = directory + "/checkpoint.meta";
  const Result<std::string> meta_bytes = whole_file(meta_path, kMaxMetaBytes);
  if (!meta_bytes) {
    return meta_bytes.error();
  }
  const Result<CheckpointMeta> meta = decode_checkpoint_meta(*meta_bytes);
  if (!meta) {
    return unusable(meta_path, meta.error().message);
  }
  Result<FileWindow> window = FileWindow::open(directory + "/checkpoint");
  if (!window) {
    return window.error();
  }
  const std::uint64_t slots = window->size() / kSlotBytes;
  if (window->size() % kSlotBytes != 0 || slots <= kHeaderSlots) {
    return unusable(window->path(), "has a size that no checkpoint has");
  }
  const std::uint64_t capacity = slots - kHeaderSlots;
  std::uint64_t header[5] = {};
  for (std::size_t i = 0; i < std::size(header); ++i) {
    const Result<std::uint64_t> value = slot(*window, i);
    if (!value) {
      return value.error();
    }
    header[i] = *value;
  }
  if (header[0] != kVersion) {
    return unusable(window->path(), "has another format");
  }
  if (header[4] != 0) {
    return unusable(window->path(), "was being written when Flume ended");
  }
  if (header[1] != meta->order) {
    return unusable(window->path(), "does not belong to checkpoint.meta");
  }
  if (meta->size > capacity || meta->head >= capacity) {
    return unusable(meta_path, "does not belong to checkpoint");
  }
  if (meta->size > most) {
    return Error{ErrorClass::config,
                 fmt::format("'{}' has {} events, more than --capacity", directory, meta->size),
                 "give --capacity the channel's capacity"};
  }
  out.order = meta->order;
  out.queue.reserve(static_cast<std::size_t>(meta->size));
  for (std::uint64_t i = 0; i < meta->size; ++i) {
    const Result<std::uint64_t> pointer = slot(*window, kHeaderSlots + (meta->head + i) % capacity);
    if (!pointer) {
      return pointer.error();
    }
    if (*pointer == 0) {
      return unusable(window->path(), "has an empty place in its queue");
    }
    out.queue.push_back(*pointer);
  }
  return {};
}

Status read_open(const std::string& path, std::uint64_t most, Open& out) {
  const std::uint64_t most_bytes = kDigestBytes + kSlotBytes * (4 * most + 1024);
  const Result<std::string> bytes = whole_file(path, most_bytes);
  if (!bytes) {
    return bytes.error();
  }
  const std::string_view text(*bytes);
  if (text.empty()) {
    return {};
  }
  if (text.size() < kDigestBytes || text.size() % kSlotBytes != 0 ||
      md5(text.substr(kDigestBytes)) != text.substr(0, kDigestBytes)) {
    return unusable(path, "is damaged: its checksum is wrong");
  }
  std::size_t at = kDigestBytes;
  while (at < text.size()) {
    if (text.size() - at < 2 * kSlotBytes) {
      return unusable(path, "is cut off");
    }
    const std::uint64_t transaction = number_at(text, at);
    const std::uint64_t count = number_at(text, at + kSlotBytes);
    at += 2 * kSlotBytes;
    if (count > (text.size() - at) / kSlotBytes) {
      return unusable(path, "is cut off");
    }
    std::vector<Pointer> pointers;
    for (std::uint64_t i = 0; i < count; ++i, at += kSlotBytes) {
      pointers.push_back(number_at(text, at));
    }
    // Flume keeps them as a set. In a file they were written one after the other.
    std::sort(pointers.begin(), pointers.end());
    if (!pointers.empty()) {  // two zeros are the end
      out.emplace_back(transaction, std::move(pointers));
    }
  }
  return {};
}

}  // namespace

Result<Checkpoint> read_checkpoint(const std::string& directory, std::uint64_t most) {
  Checkpoint checkpoint;
  if (Status read = read_queue(directory, most, checkpoint); !read) {
    return read.error();
  }
  if (Status read = read_open(directory + "/inflightputs", most, checkpoint.puts); !read) {
    return read.error();
  }
  if (Status read = read_open(directory + "/inflighttakes", most, checkpoint.takes); !read) {
    return read.error();
  }
  return checkpoint;
}

}  // namespace fl::flume
