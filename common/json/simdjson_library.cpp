#include "common/json/simdjson_library.h"

#include "common/base/shared_library.h"

namespace fl {
namespace {

// The library's names for what its header uses of it, as this interface (kSoname) spells them.
constexpr char kSoname[] = FL_SIMDJSON_SONAME;
constexpr char kActive[] = "_ZN8simdjson25get_active_implementationEv";
constexpr char kMessages[] = "_ZN8simdjson8internal11error_codesE";

struct Loaded {
  Status status;
  decltype(&simdjson::get_active_implementation) active = nullptr;
  const simdjson::internal::error_code_info* messages = nullptr;
};

Loaded load() {
  Loaded loaded;
  Result<SharedLibrary> library = SharedLibrary::load(kSoname, FL_SIMDJSON_PACKAGE);
  if (!library) {
    loaded.status = library.error();
    return loaded;
  }
  library->find(kActive, loaded.active);
  library->find(kMessages, loaded.messages);
  loaded.status = library->status();
  return loaded;
}

const Loaded& library() {
  static const Loaded loaded = load();
  return loaded;
}

}  // namespace

Status load_simdjson() { return library().status; }

const char* simdjson_message(simdjson::error_code code) {
  const bool is_known = code >= 0 && code < simdjson::NUM_ERROR_CODES;
  return library().messages[is_known ? code : simdjson::UNEXPECTED_ERROR].message;
}

}  // namespace fl

namespace simdjson {

// The one function of the library that the code in its header calls.
internal::atomic_ptr<const implementation>& get_active_implementation() {
  return fl::library().active();
}

}  // namespace simdjson
