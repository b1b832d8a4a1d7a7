// The spooldir source and a durable stage below: what that one keeps of our place, and what it had
// after the last run.
#include <algorithm>

#include "common/base/log.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {

Status SpooldirSource::resume(const std::optional<std::string>& place) {
  has_positions_ = true;
  if (!place) {
    return {};
  }
  std::optional<std::vector<SpoolPlace>> places = parse_spool_position(*place);
  if (!places) {
    log(LogLevel::warning,
        "ignored the position that the next stage keeps: it belongs to another source");
    return {};
  }
  for (SpoolPlace& kept : *places) {
    std::string file = kept.file;
    kept_.insert_or_assign(std::move(file), std::move(kept));
  }
  return {};
}

/// How far the events produced so far go in the file.
SpoolPlace SpooldirSource::place_of(const InFlight& file) const {
  if (file.read) {
    return {file.name, true};
  }
  return {file.name, false, check_ ? file.start_offset : lines_->offset(),
          form(file.compression).name()};
}

std::optional<std::string> SpooldirSource::position() {
  std::vector<SpoolPlace> places;
  for (const auto& [file, place] : kept_) {
    places.push_back(place);
  }
  for (const InFlight& file : in_flight_) {
    if (!file.failed && !file.incomplete) {  // the next run reads it again
      places.push_back(place_of(file));
    }
  }
  return spool_position(places);
}

/// True: the stage below has all of the file; it was not settled before the last run ended.
bool SpooldirSource::settle_kept(const Candidate& file) {
  const auto found = kept_.find(SpoolPlace::name_of(file.info));
  if (found == kept_.end() || !found->second.whole) {
    return false;
  }
  kept_.erase(found);
  log(LogLevel::info, "'" + absolute(file.path) + "' was delivered by an earlier run");
  if (begun_ && begun_->file == utf8_escaped(absolute(file.path))) {
    begun_.reset();
    if (Status status = tracker_->remove(); !status) {
      log(status.error());
    }
  }
  const Identity identity = Identity::of(file.info);
  if (Status status = complete(file.path, identity); !status) {
    fail(file.path, status.error());
    if (status.error().kind != ErrorClass::input) {
      if (Status noted = ledger_->add_unsettled(file.path, identity); !noted) {
        log(noted.error());
      }
    }
  }
  return true;
}

/// Where the part begins that the stage below does not have; 0: it has nothing of it.
std::uint64_t SpooldirSource::kept_offset(const InFlight& file, const TextForm& form) {
  const auto found = kept_.find(file.name);
  if (found == kept_.end()) {
    return 0;
  }
  const SpoolPlace place = std::move(found->second);
  kept_.erase(found);
  const bool fits =
      place.text == form.name() &&
      (!form.plain() || place.offset <= static_cast<std::uint64_t>(file.identity.size));
  return fits ? place.offset : 0;
}

}  // namespace fl
