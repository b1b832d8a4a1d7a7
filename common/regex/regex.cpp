#include "common/regex/regex.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/regex/java_pattern.h"
#include "common/regex/pcre2_library.h"

namespace fl {
namespace {

constexpr std::uint32_t kMatchLimit = 10'000'000;  // steps; PCRE2's own default
constexpr std::size_t kJitStackStart = 32 << 10;
constexpr std::size_t kJitStackMax = 1 << 20;
constexpr std::int64_t kTextMs = 10'000;         // for all matches of one text
constexpr std::uint32_t kSearchesPerLook = 256;  // at the clock

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    (pcre2().*Free)(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<&Pcre2::code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<&Pcre2::match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<&Pcre2::match_context_free>>;
using CompileContext =
    std::unique_ptr<pcre2_compile_context, Deleter<&Pcre2::compile_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Deleter<&Pcre2::jit_stack_free>>;

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
    } else if ((c == '[' && next == '^') || (c == '(' && next == '?')) {
      return true;  // options and look-behinds are not worth telling apart
    }
  }
  return false;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

std::string reason(int code) {
  PCRE2_UCHAR text[160];
  pcre2().get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

/// What to write where a shell's pattern was meant: "*.log"; else nothing.
std::string glob_hint(std::string_view pattern) {
  if (!pattern.starts_with('*')) {
    return {};
  }
  std::string expression;
  for (const char c : pattern) {
    expression += c == '*' ? ".*" : c == '.' ? "\\." : c == '?' ? "." : std::string(1, c);
  }
  return "a regular expression is expected, not a shell pattern: '" + expression + "'";
}

}  // namespace

struct Regex::Program {
  Code code;
  MatchData data;
  JitStack stack;  // outlives the context that uses it
  MatchContext context;
  bool jit = false;

  int run(std::string_view text, std::size_t from) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() != nullptr ? text.data() : "");
    return jit ? pcre2().jit_match(code.get(), subject, text.size(), from, 0, data.get(),
                                   context.get())
               : pcre2().match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK,
                               data.get(), context.get());
  }

  // `java` is shown in errors.
  static Result<std::unique_ptr<Program>> compile(std::string_view java, std::uint32_t options,
                                                  bool groups) {
    const Result<std::string> pattern = pcre2_pattern(java, (options & PCRE2_UTF) != 0);
    if (!pattern) {
      return pattern.error();
    }
    auto program = std::make_unique<Program>();
    const CompileContext compile_context(pcre2().compile_context_create(nullptr));
    pcre2().set_newline(compile_context.get(), PCRE2_NEWLINE_ANYCRLF);
    int failure = 0;
    PCRE2_SIZE offset = 0;
    program->code.reset(pcre2().compile(reinterpret_cast<PCRE2_SPTR>(pattern->data()),
                                        pattern->size(), options, &failure, &offset,
                                        compile_context.get()));
    if (program->code == nullptr) {
      const bool same = *pattern == java;
      return Error{ErrorClass::usage,
                   "cannot use the regular expression '" + std::string(java) +
                       "': " + reason(failure) +
                       (same ? " at character " + std::to_string(offset + 1) : std::string()),
                   glob_hint(java)};
    }
    program->jit = pcre2().jit_compile(program->code.get(), PCRE2_JIT_COMPLETE) == 0;
    program->data.reset(groups
                            ? pcre2().match_data_create_from_pattern(program->code.get(), nullptr)
                            : pcre2().match_data_create(1, nullptr));
    program->context.reset(pcre2().match_context_create(nullptr));
    pcre2().set_match_limit(program->context.get(), kMatchLimit);
    if (program->jit) {
      program->stack.reset(pcre2().jit_stack_create(kJitStackStart, kJitStackMax, nullptr));
      pcre2().jit_stack_assign(program->context.get(), nullptr, program->stack.get());
    }
    return program;
  }
};

Regex::Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern, Mode mode) {
  if (Status loaded = load_pcre2(); !loaded) {
    return loaded.error();
  }
  const std::uint32_t options =
      mode == Mode::full ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : std::uint32_t{0};
  const bool groups = mode == Mode::groups;
  Regex regex;
  regex.pattern_ = pattern;
  // A group must not end within a character.
  if (groups || needs_characters(pattern)) {
    auto characters = Program::compile(pattern, options | PCRE2_UTF, groups);
    if (!characters) {
      return characters.error();
    }
    regex.characters_ = std::move(*characters);
  }
  if (is_ascii(pattern)) {
    auto bytes = Program::compile(pattern, options, groups);
    if (bytes) {
      regex.bytes_ = std::move(*bytes);
    } else if (regex.characters_ == nullptr) {
      return bytes.error();
    }
  }
  return regex;
}

// The program to search `text` with, which becomes the decoded one if it must.
const Regex::Program* Regex::program_for(std::string_view& text) {
  is_decoded_ = false;
  if (characters_ == nullptr || (bytes_ != nullptr && is_ascii(text))) {
    return bytes_.get();
  }
  if (!is_utf8(text)) {
    decoded_.assign(text);
    text = decoded_.text();
    is_decoded_ = true;
  }
  return characters_.get();
}

Regex::Match Regex::match(std::string_view text) {
  const Program* program = program_for(text);
  const int result = program->run(text, 0);
  if (result >= 0) {
    return Match::yes;
  }
  if (result == PCRE2_ERROR_NOMATCH) {
    return Match::no;
  }
  failure_ = result;
  return Match::failed;
}

void Regex::start(std::string_view text) {
  running_ = program_for(text);
  text_ = text;
  from_ = 0;
  searches_ = 0;
}

Regex::Match Regex::next() {
  if (from_ == std::string_view::npos) {
    return Match::no;
  }
  if (++searches_ % kSearchesPerLook == 0) {
    const std::int64_t now = monotonic_ms();
    if (searches_ == kSearchesPerLook) {
      deadline_ms_ = now + kTextMs;
    }
    failure_ = now > deadline_ms_ ? PCRE2_ERROR_MATCHLIMIT : 0;
    if (failure_ != 0) {
      return Match::failed;
    }
  }
  const int result = running_->run(text_, from_);
  if (result < 0) {
    from_ = std::string_view::npos;
    failure_ = result;
    return result == PCRE2_ERROR_NOMATCH ? Match::no : Match::failed;
  }
  const PCRE2_SIZE* offsets = pcre2().get_ovector_pointer(running_->data.get());
  from_ = offsets[1];
  if (offsets[0] >= offsets[1]) {  // an empty match: the next search begins one character later
    const bool more = from_ < text_.size();
    from_ = more ? from_ + std::max<std::size_t>(utf8_length(text_.substr(from_)), 1)
                 : std::string_view::npos;
  }
  return Match::yes;
}

std::optional<Regex::Span> Regex::group(std::size_t i) const {
  const PCRE2_SIZE* offsets = pcre2().get_ovector_pointer(running_->data.get());
  if (i >= pcre2().get_ovector_count(running_->data.get()) || offsets[2 * i] == PCRE2_UNSET) {
    return std::nullopt;
  }
  const std::size_t begin = offsets[2 * i];
  const std::size_t end = std::max(begin, offsets[2 * i + 1]);
  if (is_decoded_) {
    return Span{decoded_.original(begin), decoded_.original(end)};
  }
  return Span{begin, end};
}

std::size_t Regex::groups() const {
  const Program& program = characters_ != nullptr ? *characters_ : *bytes_;
  std::uint32_t count = 0;
  pcre2().pattern_info(program.code.get(), PCRE2_INFO_CAPTURECOUNT, &count);
  return count;
}

std::optional<std::size_t> Regex::group_number(const std::string& name) const {
  const Program& program = characters_ != nullptr ? *characters_ : *bytes_;
  const int number = pcre2().substring_number_from_name(program.code.get(),
                                                        reinterpret_cast<PCRE2_SPTR>(name.c_str()));
  return number > 0 ? std::optional<std::size_t>(static_cast<std::size_t>(number)) : std::nullopt;
}

Error Regex::error() const {
  return {ErrorClass::input, "cannot search an event for '" + pattern_ + "': " + reason(failure_),
          "a pattern such as (a+)+ or .*x.* takes a very long time on some texts; simplify it"};
}

}  // namespace fl
