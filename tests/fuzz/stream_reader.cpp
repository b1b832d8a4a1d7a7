// The stream reader: never crashes, and the same bytes give the same events in any pieces.
// Input: a byte that chooses the size of the pieces, then the stream.
#include "tests/badinput/read_stream.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) {
    return 0;
  }
  const std::size_t step = data[0] < 64 ? data[0] + 1u : data[0] * 37u;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const fl::test::Reading whole = fl::test::read_stream(bytes);
  const fl::test::Reading pieces = fl::test::read_stream(bytes, step);
  fl::fuzz::check(whole.ok == pieces.ok, "the end is the same");
  fl::fuzz::check(whole.ok || whole.kind == fl::ErrorClass::input, "damage is of class input");
  fl::fuzz::check(whole.events == pieces.events, "the events are the same");
  fl::fuzz::check(whole.streams == pieces.streams, "the streams are the same");
  return 0;
}
