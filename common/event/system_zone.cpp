#include "common/event/system_zone.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <regex>
#include <string>
#include <string_view>

namespace fl {
namespace {

constexpr std::size_t kLongestRule = 128;  // std::regex recurses

bool is_zone_file(const std::string& name) {
  const char* const directory = std::getenv("TZDIR");
  const std::string path =
      name.starts_with('/')
          ? name
          : std::string(directory != nullptr ? directory : "/usr/share/zoneinfo") + "/" + name;
  std::array<char, 4> magic{};
  std::ifstream file(path, std::ios::binary);
  file.read(magic.data(), magic.size());
  return file.good() && std::string_view(magic.data(), magic.size()) == "TZif";
}

// POSIX, Base Definitions 8.3, with the hours of RFC 9636 (-167 to 167) in the times of a rule.
bool is_posix_rule(const std::string& text) {
  static const std::string name = "(<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})";
  static const std::string minutes = "(:[0-5][0-9](:[0-5][0-9])?)?";
  static const std::string offset = "[+-]?([01]?[0-9]|2[0-4])" + minutes;
  static const std::string day =
      "(M([1-9]|1[0-2])\\.[1-5]\\.[0-6]|J?([0-9]|[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-5]))"
      "(/[+-]?([0-9]{1,2}|1[0-5][0-9]|16[0-7])" +
      minutes + ")?";
  static const std::regex rule(name + offset + "(" + name + "(" + offset + ")?(," + day + "," +
                               day + ")?)?");
  return text.size() <= kLongestRule && std::regex_match(text, rule);
}

}  // namespace

Status load_system_zone() {
  const char* const value = std::getenv("TZ");
  std::string zone = value != nullptr ? value : "";
  zone.erase(0, zone.starts_with(':') ? 1 : 0);
  constexpr std::array<std::string_view, 4> kUtc = {"UTC", "GMT", "UT", "Z"};
  if (!zone.empty() && std::find(kUtc.begin(), kUtc.end(), zone) == kUtc.end() &&
      !is_zone_file(zone) && !is_posix_rule(zone)) {
    return Error{ErrorClass::config, "unknown time zone '" + zone + "' in $TZ",
                 "set TZ or --time-zone to a name such as Europe/Berlin; /usr/share/zoneinfo holds "
                 "the known ones"};
  }
  ::tzset();
  return {};
}

std::int32_t system_offset(std::int64_t epoch_s) {
  const std::time_t time = epoch_s;
  std::tm local{};
  return ::localtime_r(&time, &local) != nullptr ? static_cast<std::int32_t>(local.tm_gmtoff) : 0;
}

}  // namespace fl
