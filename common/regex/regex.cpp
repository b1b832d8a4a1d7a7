#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/regex/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace fl {
namespace {

constexpr std::uint32_t kMatchLimit = 10'000'000;  // steps; PCRE2's own default
constexpr std::size_t kJitStackStart = 32 << 10;
constexpr std::size_t kJitStackMax = 1 << 20;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Deleter<pcre2_jit_stack_free>>;

bool is_ascii(std::string_view text) {
  const char* p = text.data();
  std::size_t left = text.size();
  std::uint64_t all = 0;
  for (; left >= 8; left -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    all |= word;
  }
  for (; left != 0; --left, ++p) {
    all |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(*p));
  }
  return (all & 0x8080808080808080ull) == 0;
}

/// True when a search in bytes could differ from one in characters: something matches exactly one
/// character that need not be ASCII. `.*` and `.+` do not count, whole characters or not.
bool needs_characters(std::string_view pattern) {
  if (!is_ascii(pattern)) {
    return true;
  }
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\') {
      // \d \s \w \b \n \t \. and the like are ASCII; capitals are negations or properties.
      if (std::string_view("DSWNPXHVRCBpxuo").find(next) != std::string_view::npos) {
        return true;
      }
      ++i;
    } else if (c == '.') {
      if (next != '*' && next != '+') {
        return true;
      }
    } else if (c == '[' && next == '^') {
      return true;
    } else if (c == '(' && next == '?') {
      return true;  // options and look-behinds: not worth telling apart
    }
  }
  return false;
}

/// Java's [a-z&&[^b]] is another set in PCRE2.
bool has_class_intersection(std::string_view pattern) {
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      in_class = true;
    } else if (pattern[i] == ']') {
      in_class = false;
    } else if (in_class && pattern.substr(i, 2) == "&&") {
      return true;
    }
  }
  return false;
}

std::string reason(int code) {
  PCRE2_UCHAR text[160];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct Regex::Program {
  Code code;
  MatchData data;
  JitStack stack;  // outlives the context that uses it
  MatchContext context;
  bool jit = false;

  int run(std::string_view text) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() != nullptr ? text.data() : "");
    return jit ? pcre2_jit_match(code.get(), subject, text.size(), 0, 0, data.get(), context.get())
               : pcre2_match(code.get(), subject, text.size(), 0, 0, data.get(), context.get());
  }

  static Result<std::unique_ptr<Program>> compile(std::string_view pattern, std::uint32_t options) {
    auto program = std::make_unique<Program>();
    const CompileContext compile_context(pcre2_compile_context_create(nullptr));
    pcre2_set_newline(compile_context.get(), PCRE2_NEWLINE_ANYCRLF);
    int failure = 0;
    PCRE2_SIZE offset = 0;
    program->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                      options, &failure, &offset, compile_context.get()));
    if (program->code == nullptr) {
      return Error{ErrorClass::usage, "cannot use the regular expression '" + std::string(pattern) +
                                          "': " + reason(failure) + " at character " +
                                          std::to_string(offset + 1)};
    }
    program->jit = pcre2_jit_compile(program->code.get(), PCRE2_JIT_COMPLETE) == 0;
    program->data.reset(pcre2_match_data_create(1, nullptr));
    program->context.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(program->context.get(), kMatchLimit);
    if (program->jit) {
      program->stack.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr));
      pcre2_jit_stack_assign(program->context.get(), nullptr, program->stack.get());
    }
    return program;
  }
};

Regex::Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern, Mode mode) {
  if (has_class_intersection(pattern)) {
    return Error{ErrorClass::usage,
                 "cannot use the regular expression '" + std::string(pattern) +
                     "': && inside [ ] is known to Java only",
                 "write the resulting set of characters"};
  }
  const std::uint32_t options =
      mode == Mode::full ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : std::uint32_t{0};
  Regex regex;
  regex.pattern_ = pattern;
  if (needs_characters(pattern)) {
    auto characters = Program::compile(pattern, options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF);
    if (!characters) {
      return characters.error();
    }
    regex.characters_ = std::move(*characters);
  }
  if (is_ascii(pattern)) {
    auto bytes = Program::compile(pattern, options);
    if (bytes) {
      regex.bytes_ = std::move(*bytes);
    } else if (regex.characters_ == nullptr) {
      return bytes.error();
    }
  }
  return regex;
}

Regex::Match Regex::match(std::string_view text) {
  const Program* program = bytes_.get();
  if (characters_ != nullptr && (program == nullptr || !is_ascii(text))) {
    program = characters_.get();
  }
  const int result = program->run(text);
  if (result >= 0) {
    return Match::yes;
  }
  if (result == PCRE2_ERROR_NOMATCH) {
    return Match::no;
  }
  failure_ = result;
  return Match::failed;
}

Error Regex::error() const {
  return {ErrorClass::input, "cannot search an event for '" + pattern_ + "': " + reason(failure_),
          "a pattern such as (a+)+ or .*x.* takes a very long time on some texts; simplify it"};
}

}  // namespace fl
