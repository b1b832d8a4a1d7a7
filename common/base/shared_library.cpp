#include "common/base/shared_library.h"

#include <dlfcn.h>

namespace fl {

Result<SharedLibrary> SharedLibrary::load(const std::string& soname, const std::string& package) {
  void* const handle = ::dlopen(soname.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = ::dlerror();
    return Error{ErrorClass::config,
                 "cannot load a library: " + (why != nullptr ? std::string(why) : soname),
                 "install it; in Debian its package is " + package};
  }
  return SharedLibrary(handle, soname);
}

void* SharedLibrary::symbol(const char* name) {
  void* const found = ::dlsym(handle_, name);
  if (found == nullptr && missing_.empty()) {
    missing_ = name;
  }
  return found;
}

Status SharedLibrary::status() const {
  if (missing_.empty()) {
    return {};
  }
  return Error{ErrorClass::config, "the library " + soname_ + " lacks the function " + missing_};
}

}  // namespace fl
