#include "tools/fl-source/avro/request_events.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace fl {

RequestEvents::RequestEvents(std::string message, std::size_t at, bool is_batch,
                             const EventLimits& limits, Header header)
    : message_(std::move(message)),
      events_(std::string_view(message_).substr(at), is_batch, limits),
      header_(std::move(header)) {}

bool RequestEvents::hand_on(BlockBuilder& out, std::uint64_t& handed_on) {
  return header_.encoded.empty() ? hand_on_runs(out, handed_on)
                                 : hand_on_with_header(out, handed_on);
}

const Event* RequestEvents::take() {
  return next_ != nullptr ? std::exchange(next_, nullptr) : events_.next();
}

// Neighbours go in one piece.
bool RequestEvents::hand_on_runs(BlockBuilder& out, std::uint64_t& handed_on) {
  for (;;) {
    const Event* event = take();
    if (event == nullptr) {
      return true;
    }
    std::string_view run;
    std::uint64_t count = 0;
    while (event != nullptr && !(count == 0 ? !out.fits(event->size)
                                            : !out.fits_run(run.size() + event->size, count + 1))) {
      if (count > 0 && event->bytes().data() != run.data() + run.size()) {
        break;
      }
      run = count == 0 ? event->bytes() : std::string_view(run.data(), run.size() + event->size);
      ++count;
      event = events_.next();
    }
    next_ = event;
    if (count == 0) {
      return false;
    }
    out.add_encoded({}, run, count);
    handed_on += count;
    if (event == nullptr) {
      return true;
    }
  }
}

// Readers take the last of two with one name, so the client's own one must be removed.
bool RequestEvents::hand_on_with_header(BlockBuilder& out, std::uint64_t& handed_on) {
  std::string anew;
  for (;;) {
    const Event* const event = take();
    if (event == nullptr) {
      return true;
    }
    std::string_view prefix = header_.encoded;
    std::string_view bytes = event->bytes();
    if (event->has_headers() && find_header(*event, header_.name)) {
      Headers headers = headers_of(*event);
      std::find_if(headers.begin(), headers.end(), [this](const auto& each) {
        return each.first == header_.name;
      })->second = header_.value;
      anew.clear();
      append_event(anew, headers, event->body());
      bytes = anew;
      prefix = {};
    }
    if (!out.fits(prefix.size() + bytes.size())) {
      next_ = event;
      return false;
    }
    out.add_encoded(prefix, bytes);
    ++handed_on;
  }
}

}  // namespace fl
