// A shared library that is loaded when it is first needed. Linking all codec libraries costs every
// start of every stage about half a millisecond; most streams need none.
#pragma once

#include <string>

#include "common/base/error.h"

namespace fl {

/// A loaded library. It stays loaded until the program ends, so functions may be kept for good.
class SharedLibrary {
 public:
  /// Loads `soname` ("libz.so.1"), the binary interface of the headers that we are built with.
  /// `package` is Debian's, for the hint. Errors: class config.
  static Result<SharedLibrary> load(const std::string& soname, const std::string& package);

  /// Looks a function up. A missing one is remembered for status().
  template <typename Function>
  void find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(symbol(name));
  }
  /// Class config if a find() failed.
  Status status() const;

 private:
  SharedLibrary(void* handle, std::string soname) : handle_(handle), soname_(std::move(soname)) {}
  void* symbol(const char* name);

  void* handle_;
  std::string soname_;
  std::string missing_;
};

}  // namespace fl
