#include "common/stage/figures.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/base/units.h"

namespace fl {

void FigureList::owner(const std::string& component) {
  const auto known = std::find_if(owners_.begin(), owners_.end(),
                                  [&](const Owned& owned) { return owned.component == component; });
  if (known == owners_.end()) {
    owners_.push_back({component, {}, {}});
  } else {
    std::rotate(known, known + 1, owners_.end());
  }
}

FigureList::Entry FigureList::counter(std::string_view name, std::string_view help,
                                      std::uint64_t value) {
  return add(Figure::Kind::counter, name, help, value);
}

FigureList::Entry FigureList::gauge(std::string_view name, std::string_view help,
                                    std::uint64_t value) {
  return add(Figure::Kind::gauge, name, help, value);
}

FigureList::Entry FigureList::add(Figure::Kind kind, std::string_view name, std::string_view help,
                                  std::uint64_t value) {
  if (owners_.empty()) {
    owners_.emplace_back();
  }
  std::vector<Figure>& figures = owners_.back().figures;
  const auto known = std::find_if(figures.begin(), figures.end(),
                                  [&](const Figure& figure) { return figure.name == name; });
  if (known != figures.end()) {
    known->value += value;
    return Entry(*known);
  }
  figures.push_back({kind, std::string(name), std::string(help), value, Figure::Said::never, {}});
  return Entry(figures.back());
}

void FigureList::alarm(std::string_view reason) {
  if (owners_.empty()) {
    owners_.emplace_back();
  }
  std::vector<std::string>& alarms = owners_.back().alarms;
  if (std::find(alarms.begin(), alarms.end(), reason) == alarms.end()) {
    alarms.emplace_back(reason);
  }
}

std::string FigureList::words() const {
  std::vector<std::string> parts;
  for (const Owned& owned : owners_) {
    for (const Figure& figure : owned.figures) {
      if (figure.said == Figure::Said::never ||
          (figure.said == Figure::Said::if_any && figure.value == 0)) {
        continue;
      }
      const std::string value = figure.said == Figure::Said::as_bytes
                                    ? human_bytes(static_cast<double>(figure.value))
                                    : std::to_string(figure.value);
      parts.push_back(value + " " + figure.words);
    }
  }
  return join(parts, ", ");
}

}  // namespace fl
