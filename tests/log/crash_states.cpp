#include "tests/log/crash_states.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace fl {
namespace {

constexpr std::size_t kSector = 512;

std::uint64_t below(std::mt19937_64& random, std::uint64_t end) { return random() % end; }

/// The write is on the disk in part only. Odd lengths: equal records may hide a cut at a half.
void apply_torn(const FileChange& change, std::string& content, std::mt19937_64& random) {
  const std::size_t size = change.bytes.size();
  if (change.cut || size < 2) {
    change.apply_to(content);
    return;
  }
  static constexpr std::size_t kCuts[] = {1, 7, 39, 41, 511, 512, 513, 4095, 4096, 4097};
  const auto cut = [&] {
    const std::size_t named = kCuts[below(random, std::size(kCuts))];
    return below(random, 2) == 0 && named < size ? named : 1 + below(random, size - 1);
  };
  FileChange part = change;
  switch (below(random, 6)) {
    case 0:  // its beginning
    case 1:
      part.bytes.resize(cut());
      break;
    case 2:  // its end: the beginning is unchanged
      part.offset += cut();
      part.bytes.erase(0, part.offset - change.offset);
      break;
    case 3: {  // some sectors
      for (std::size_t at = 0; at < size;) {
        const std::size_t end =
            std::min<std::size_t>(size, at + kSector - (change.offset + at) % kSector);
        if (below(random, 2) == 0) {
          FileChange{change.offset + at, change.bytes.substr(at, end - at), false}.apply_to(
              content);
        }
        at = end;
      }
      return;
    }
    case 4:  // the file has grown, and nothing is in it
      part.bytes.assign(size, '\0');
      if (content.size() >= change.offset + size) {
        return;
      }
      part.offset = std::max<std::uint64_t>(part.offset, content.size());
      part.bytes.resize(change.offset + size - part.offset);
      break;
    default: {  // its beginning, and zeros to where it would end
      const std::size_t kept = cut();
      std::fill(part.bytes.begin() + static_cast<std::ptrdiff_t>(kept), part.bytes.end(), '\0');
      if (content.size() > change.offset + kept) {
        part.bytes.resize(std::max<std::size_t>(kept, 1));
      }
      break;
    }
  }
  part.apply_to(content);
}

std::shared_ptr<const std::string> some_of(const MemoryFile& file, std::mt19937_64& random) {
  auto content = std::make_shared<std::string>(file.kept.get());
  const std::size_t count = file.pending.size();
  const std::uint64_t mode = below(random, 6);
  const std::size_t chosen = below(random, count);
  for (std::size_t i = 0; i < count; ++i) {
    const FileChange& change = file.pending[i];
    bool keep = false;
    switch (mode) {
      case 0:  // all up to one, which is torn
      case 1:
        keep = i < chosen;
        break;
      case 2:  // one alone
        keep = i == chosen;
        break;
      case 3:  // all but one, which is torn or lost
        keep = i != chosen;
        break;
      default:
        keep = below(random, 2) == 0;
        break;
    }
    if (keep) {
      change.apply_to(*content);
    } else if ((mode < 2 && i == chosen) || (mode > 2 && below(random, 3) == 0)) {
      apply_torn(change, *content, random);
    }
  }
  return content;
}

}  // namespace

Image power_loss(const MemoryDisk& disk, Keep names, Keep data, std::mt19937_64& random) {
  Image image;
  for (const auto& [folder, directory] : disk.directories) {
    if (!folder.empty() && image.directories.count(folder) == 0) {
      continue;  // its own name in the root, which comes first, is lost
    }
    MemoryNames kept = directory.kept;
    std::size_t count = names == Keep::none ? 0 : directory.pending.size();
    if (names == Keep::some) {
      count = below(random, directory.pending.size() + 1);
    }
    for (std::size_t i = 0; i < count; ++i) {
      MemoryDirectory::apply(directory.pending[i], kept);
    }
    for (const auto& [base, file] : kept) {
      if (folder.empty() && disk.directories.count(base) != 0) {
        image.directories.insert(base);
        continue;
      }
      std::shared_ptr<const std::string> content = file->kept.share();
      if (!file->pending.empty() && data == Keep::all) {
        auto changed = std::make_shared<std::string>(*content);
        for (const FileChange& change : file->pending) {
          change.apply_to(*changed);
        }
        content = std::move(changed);
      } else if (!file->pending.empty() && data == Keep::some) {
        content = some_of(*file, random);
      }
      image.files[folder.empty() ? base : folder + "/" + base] = std::move(content);
    }
  }
  return image;
}

Image power_loss_of(const MemoryDisk& disk, const std::string& behind) {
  std::mt19937_64 unused;
  Image image = power_loss(disk, Keep::all, Keep::all, unused);
  const Image before = power_loss(disk, Keep::all, Keep::none, unused);
  if (const auto found = before.files.find(behind); found != before.files.end()) {
    image.files[behind] = found->second;
  }
  return image;
}

Image seen(const MemoryDisk& disk) {
  Image image;
  for (const auto& [folder, directory] : disk.directories) {
    for (const auto& [base, file] : directory.now) {
      if (folder.empty() && disk.directories.count(base) != 0) {
        image.directories.insert(base);
      } else {
        image.files[folder.empty() ? base : folder + "/" + base] = file->now.share();
      }
    }
  }
  return image;
}

std::shared_ptr<MemoryDisk> disk_of(const Image& image) {
  auto disk = std::make_shared<MemoryDisk>();
  for (const std::string& name : image.directories) {
    disk->directories[""].change({{name, std::make_shared<MemoryFile>()}});
    disk->directories[name];
  }
  for (const auto& [name, content] : image.files) {
    const auto [folder, base] = MemoryDisk::split(name);
    auto file = std::make_shared<MemoryFile>();
    file->now = SharedBytes(content);
    file->kept = SharedBytes(content);
    disk->directories[folder].change({{base, std::move(file)}});
  }
  for (auto& [name, directory] : disk->directories) {
    directory.sync();
  }
  return disk;
}

std::uint64_t hash_of(const Image& image) {
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&hash](std::string_view bytes) {
    hash = (hash ^ std::hash<std::string_view>()(bytes)) * 1099511628211u;
  };
  for (const auto& [name, content] : image.files) {
    add(name);
    add(*content);
  }
  for (const std::string& name : image.directories) {
    add(name);
  }
  return hash;
}

}  // namespace fl
