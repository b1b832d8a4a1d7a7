// Reads a whole stream from memory and touches every byte that the reader hands out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/io/input_buffer.h"
#include "common/stream/stream_reader.h"

namespace fl::test {

struct Reading {
  bool ok = false;    ///< the input ended between two items
  ErrorClass kind{};  ///< where it did not
  std::string message;
  std::vector<std::string> events;  ///< body, then each header as "\1name\2value", as read
  std::size_t streams = 0;
};

/// The event as one string; touches every byte of it.
inline std::string event_text(const Event& event) {
  std::string text(event.body());
  for (const auto& [key, value] : headers_of(event)) {
    text += '\1' + key + '\2' + value;
  }
  return text;
}

/// Feeds `bytes` to a reader in pieces of `step` bytes.
inline Reading read_stream(std::string_view bytes, std::size_t step = SIZE_MAX,
                           EventLimits limits = {}) {
  Reading reading;
  InputBuffer in;
  StreamReader reader(limits);
  std::size_t given = 0;
  for (;;) {
    const Result<StreamReader::Item> item = reader.next(in, given == bytes.size());
    if (!item) {
      reading.kind = item.error().kind;
      reading.message = item.error().message;
      return reading;
    }
    switch (*item) {
      case StreamReader::Item::need_more: {
        const std::string_view piece = bytes.substr(given, step);
        in.append(piece);
        given += piece.size();
        break;
      }
      case StreamReader::Item::header:
        ++reading.streams;
        break;
      case StreamReader::Item::block:
        for (std::size_t i = 0; i < reader.batch().size(); ++i) {
          reading.events.push_back(event_text(reader.batch()[i]));
        }
        break;
      case StreamReader::Item::end:
        reading.ok = true;
        return reading;
    }
  }
}

}  // namespace fl::test
