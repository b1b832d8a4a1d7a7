// What a power loss may leave of a disk: of the names in each directory any number of the changes
// since it was synced, in order; of the bytes of each file any choice of the writes since it was
// synced, each of them whole, cut at any place, in sectors, or as zeros.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "tests/unit/log/memory_disk.h"

namespace fl {

/// Files by name ("groups/a"), and the directories that exist.
struct Image {
  std::map<std::string, std::shared_ptr<const std::string>> files;
  std::set<std::string> directories;

  friend bool operator==(const Image&, const Image&) = default;
};

enum class Keep { none, all, some };

/// The state after a power loss. `some` chooses with `random`.
Image power_loss(const MemoryDisk& disk, Keep names, Keep data, std::mt19937_64& random);

/// The state after a power loss that took what was not synced from `behind`, and from nothing else.
Image power_loss_of(const MemoryDisk& disk, const std::string& behind);

/// What the programs see now: the state after all of them were killed.
Image seen(const MemoryDisk& disk);

/// A disk that holds this and nothing else, all of it synced.
std::shared_ptr<MemoryDisk> disk_of(const Image& image);

/// Tells images apart by what they hold.
std::uint64_t hash_of(const Image& image);

}  // namespace fl
