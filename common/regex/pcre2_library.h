// PCRE2, loaded when a pattern is first compiled: a stage without one starts faster.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/error.h"

namespace fl {

/// The functions that we call, each under its name without prefix.
struct Pcre2 {
  decltype(&::pcre2_code_free) code_free;
  decltype(&::pcre2_compile) compile;
  decltype(&::pcre2_compile_context_create) compile_context_create;
  decltype(&::pcre2_compile_context_free) compile_context_free;
  decltype(&::pcre2_get_error_message) get_error_message;
  decltype(&::pcre2_get_ovector_count) get_ovector_count;
  decltype(&::pcre2_get_ovector_pointer) get_ovector_pointer;
  decltype(&::pcre2_jit_compile) jit_compile;
  decltype(&::pcre2_jit_match) jit_match;
  decltype(&::pcre2_jit_stack_assign) jit_stack_assign;
  decltype(&::pcre2_jit_stack_create) jit_stack_create;
  decltype(&::pcre2_jit_stack_free) jit_stack_free;
  decltype(&::pcre2_match) match;
  decltype(&::pcre2_match_context_create) match_context_create;
  decltype(&::pcre2_match_context_free) match_context_free;
  decltype(&::pcre2_match_data_create) match_data_create;
  decltype(&::pcre2_match_data_create_from_pattern) match_data_create_from_pattern;
  decltype(&::pcre2_match_data_free) match_data_free;
  decltype(&::pcre2_pattern_info) pattern_info;
  decltype(&::pcre2_set_match_limit) set_match_limit;
  decltype(&::pcre2_set_newline) set_newline;
  decltype(&::pcre2_substring_number_from_name) substring_number_from_name;
};

/// Loads the library at the first call. Errors: class config.
Status load_pcre2();
/// After load_pcre2() has succeeded.
const Pcre2& pcre2();

}  // namespace fl
