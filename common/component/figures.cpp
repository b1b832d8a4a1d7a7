#include "common/component/figures.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"

namespace fl {

namespace {

// The singular of "files open": "file open".
std::string of_one(const std::string& words) {
  const std::size_t end = std::min(words.find(' '), words.size());
  return end > 0 && words[end - 1] == 's' ? words.substr(0, end - 1) + words.substr(end) : words;
}

}  // namespace

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
                                      std::uint64_t value, FigureLabel of) {
  return add(Figure::Kind::counter, name, help, value, std::move(of));
}

FigureList::Entry FigureList::gauge(std::string_view name, std::string_view help,
                                    std::uint64_t value, FigureLabel of) {
  return add(Figure::Kind::gauge, name, help, value, std::move(of));
}

FigureList::Entry FigureList::add(Figure::Kind kind, std::string_view name, std::string_view help,
                                  std::uint64_t value, FigureLabel of) {
  if (owners_.empty()) {
    owners_.emplace_back();
  }
  std::vector<Figure>& figures = owners_.back().figures;
  const auto known = std::find_if(figures.begin(), figures.end(), [&](const Figure& figure) {
    return figure.name == name && figure.of == of;
  });
  if (known != figures.end()) {
    known->value += value;
    return Entry(*known);
  }
  // Those of one name are adjacent.
  const auto last = std::find_if(figures.rbegin(), figures.rend(),
                                 [&](const Figure& figure) { return figure.name == name; });
  return Entry(*figures.insert(
      last == figures.rend() ? figures.end() : last.base(),
      {kind, std::string(name), std::string(help), value, Figure::Said::never, {}, std::move(of)}));
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
      parts.push_back(value + " " + (value == "1" ? of_one(figure.words) : figure.words) +
                      (figure.of.name.empty() ? "" : " for '" + printable(figure.of.value) + "'"));
    }
  }
  return join(parts, ", ");
}

}  // namespace fl
