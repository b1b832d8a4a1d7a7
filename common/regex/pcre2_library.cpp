#include "common/regex/pcre2_library.h"

#include "common/base/shared_library.h"

namespace fl {
namespace {

Pcre2 functions;

Status load() {
  Result<SharedLibrary> library = SharedLibrary::load("libpcre2-8.so.0", "libpcre2-8-0");
  if (!library) {
    return library.error();
  }
  library->find("pcre2_code_free_8", functions.code_free);
  library->find("pcre2_compile_8", functions.compile);
  library->find("pcre2_compile_context_create_8", functions.compile_context_create);
  library->find("pcre2_compile_context_free_8", functions.compile_context_free);
  library->find("pcre2_get_error_message_8", functions.get_error_message);
  library->find("pcre2_get_ovector_count_8", functions.get_ovector_count);
  library->find("pcre2_get_ovector_pointer_8", functions.get_ovector_pointer);
  library->find("pcre2_jit_compile_8", functions.jit_compile);
  library->find("pcre2_jit_match_8", functions.jit_match);
  library->find("pcre2_jit_stack_assign_8", functions.jit_stack_assign);
  library->find("pcre2_jit_stack_create_8", functions.jit_stack_create);
  library->find("pcre2_jit_stack_free_8", functions.jit_stack_free);
  library->find("pcre2_match_8", functions.match);
  library->find("pcre2_match_context_create_8", functions.match_context_create);
  library->find("pcre2_match_context_free_8", functions.match_context_free);
  library->find("pcre2_match_data_create_8", functions.match_data_create);
  library->find("pcre2_match_data_create_from_pattern_8", functions.match_data_create_from_pattern);
  library->find("pcre2_match_data_free_8", functions.match_data_free);
  library->find("pcre2_pattern_info_8", functions.pattern_info);
  library->find("pcre2_set_match_limit_8", functions.set_match_limit);
  library->find("pcre2_set_newline_8", functions.set_newline);
  library->find("pcre2_substring_number_from_name_8", functions.substring_number_from_name);
  return library->status();
}

}  // namespace

Status load_pcre2() {
  static const Status loaded = load();
  return loaded;
}

const Pcre2& pcre2() { return functions; }

}  // namespace fl
