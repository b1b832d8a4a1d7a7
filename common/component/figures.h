// The figures of a stage, once for everybody who asks: the status line, --metrics, fl-agent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// Which one of several a figure is about: group="audit".
struct FigureLabel {
  std::string name = {};
  std::string value = {};  ///< any text

  friend bool operator==(const FigureLabel&, const FigureLabel&) = default;
};

/// One fact of a component.
struct Figure {
  enum class Kind { counter, gauge };
  enum class Said { never, always, if_any, as_bytes };

  Kind kind = Kind::gauge;
  std::string name;  ///< "files_committed_total"
  std::string help;  ///< one sentence
  std::uint64_t value = 0;
  Said said = Said::never;
  std::string words;  ///< of the status line: "committed" makes "7 committed"
  FigureLabel of;     ///< without a name: the component has one
};

/// The facts of the components of one stage, as they are now.
///
///   void HdfsSink::figures(FigureList& out) const {
///     out.gauge("files_open", "Files that take events.", open_.size()).said("files open");
///     out.counter("files_committed_total", "Files under their final name.",
///     done_).said("committed");
///   }
///
/// Names follow Prometheus: snake_case, a unit at the end, `_total` for counters; the prefix
/// (fl_sink_hdfs_) is not part of them. A name that is given twice with the same label, as by two
/// components of one sort in a chain, adds up.
class FigureList {
 public:
  /// Returned for the figure just added.
  class Entry {
   public:
    explicit Entry(Figure& figure) : figure_(figure) {}
    /// The status line shows it: "7 committed".
    void said(std::string_view words) { say(Figure::Said::always, words); }
    /// The same unless it is 0.
    void said_if_any(std::string_view words) { say(Figure::Said::if_any, words); }
    /// As a size for people: "1.2 MiB held".
    void said_as_bytes(std::string_view words) { say(Figure::Said::as_bytes, words); }

   private:
    void say(Figure::Said said, std::string_view words) {
      figure_.said = said;
      figure_.words = words;
    }
    Figure& figure_;
  };

  struct Owned {
    std::string component;  ///< "hdfs"
    std::vector<Figure> figures;
    std::vector<std::string> alarms;
  };

  /// What is added from now on belongs to this component.
  void owner(const std::string& component);
  /// Only grows while the stage runs.
  Entry counter(std::string_view name, std::string_view help, std::uint64_t value,
                FigureLabel of = {});
  Entry gauge(std::string_view name, std::string_view help, std::uint64_t value,
              FigureLabel of = {});
  /// A person has to act: "quota", "permission", "disk_full". One word, of a small set.
  void alarm(std::string_view reason);

  const std::vector<Owned>& owners() const { return owners_; }
  /// For the status line: "2 files open, 7 committed"; empty: nothing to say.
  std::string words() const;

 private:
  Entry add(Figure::Kind kind, std::string_view name, std::string_view help, std::uint64_t value,
            FigureLabel of);

  std::vector<Owned> owners_;
};

/// The figures of a stage as a whole.
struct Figures {
  std::uint64_t events = 0;  ///< came in, or were produced
  std::uint64_t bytes = 0;
  std::uint64_t body_bytes = 0;  ///< the part of `bytes` that is bodies
  std::uint64_t blocks = 0;
  std::uint64_t unacknowledged = 0;  ///< of `events`
  bool has_output = false;           ///< not a sink
  std::uint64_t events_out = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t blocks_out = 0;
  std::uint64_t dropped = 0;   ///< by an interceptor
  std::uint64_t rejected = 0;  ///< lines and events that were refused or became dead letters
  std::string_view waiting;    ///< one of kWaitReasons; empty: busy
  FigureList own;
  std::string more;  ///< the component's own words, e.g. what it waits for
};

/// What a stage may wait for.
inline constexpr std::string_view kWaitReasons[] = {
    "input",             // nothing to read
    "reader",            // the reader of its output is slower
    "acknowledgements",  // everything allowed is in flight
    "room",              // a channel is full
    "destination",       // a sink cannot take more now
};

}  // namespace fl
