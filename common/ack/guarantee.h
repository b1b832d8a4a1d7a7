// What an acknowledgement means (fl-ack(7)).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fl {

/// From the weakest on. A stage that passes acknowledgements on passes the weakest level below it.
enum class Level {
  none,  ///< handed to a reader that says nothing: a source that keeps state does not accept it
  discarded,  ///< thrown away on purpose
  printed,    ///< written to a terminal, a device or the output of a sink that prints
  memory,     ///< held by a process: lost with it
  gathered,   ///< as durable, but for many events at a time: asked often, it makes small files
  durable,    ///< outlives the process by the rule in words
};

/// A level, and the rule in words for people: "file synced and renamed". The words are a view into
/// whatever gave the guarantee.
struct Guarantee {
  Level level = Level::none;
  std::string_view text;

  friend bool operator==(const Guarantee&, const Guarantee&) = default;
};

/// What follows `at`: "durable file synced and renamed".
std::string to_line(const Guarantee& guarantee);
/// Reads what follows `at`, also in the form without a level that older writers use.
Guarantee parse_guarantee(std::string_view line);
/// The weaker of two. One that is not known yet is weaker than all.
std::optional<Guarantee> weaker(const std::optional<Guarantee>& one,
                                const std::optional<Guarantee>& other);

}  // namespace fl
