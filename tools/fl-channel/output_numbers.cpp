#include "tools/fl-channel/output_numbers.h"

#include <charconv>
#include <string>

namespace fl {

Result<OutputSet> parse_output_numbers(std::string_view text, std::size_t outputs) {
  OutputSet set = 0;
  const Error error{
      ErrorClass::usage,
      "'" + std::string(text) + "' is not a list of outputs from 1 to " + std::to_string(outputs),
      "outputs are numbered in the order of --out, for example 1,3"};
  for (;;) {
    const std::string_view part = text.substr(0, text.find(','));
    std::size_t number = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (code != std::errc() || end != part.data() + part.size() || number == 0 ||
        number > outputs) {
      return error;
    }
    set |= OutputSet{1} << (number - 1);
    if (part.size() == text.size()) {
      return set;
    }
    text.remove_prefix(part.size() + 1);
  }
}

}  // namespace fl
