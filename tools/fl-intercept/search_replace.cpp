// Replaces what a regular expression finds in the body.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/log.h"
#include "common/component/component_type.h"
#include "common/regex/regex.h"
#include "common/regex/replacement.h"
#include "tools/fl-intercept/body_charset.h"
#include "tools/fl-intercept/reject.h"

namespace fl {
namespace {

struct Options {
  std::string search_pattern;
  std::string replace_string;
  std::string charset = "UTF-8";
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("searchPattern", &Options::search_pattern, "REGEX",
           "The expression to replace in the "
           "body.")
      .positional()
      .required();
  table
      .add("replaceString", &Options::replace_string, "TEXT",
           "The replacement: $1 or ${name} is the text of a group, \\$ a dollar sign.")
      .positional();
  table.add("charset", &Options::charset, "NAME", "The encoding of the bodies.");
  return std::move(table).erased();
}

class SearchReplaceInterceptor final : public Interceptor {
 public:
  explicit SearchReplaceInterceptor(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override {
    context_ = &context;
    if (options_.search_pattern.empty()) {
      return Error{ErrorClass::config, "the expression to search for is empty"};
    }
    auto regex = Regex::compile(options_.search_pattern, Regex::Mode::groups);
    if (!regex) {
      return regex.error();
    }
    auto replacement = Replacement::parse(options_.replace_string, *regex);
    if (!replacement) {
      return replacement.error();
    }
    warn_about_groups();
    regex_.emplace(std::move(*regex));
    replacement_ = std::move(*replacement);
    limit_ = context.limits.body_bytes;
    if (Status status = charset_.open(options_.charset); !status) {
      return status;
    }
    return charset_.is_utf8() ? Status() : charset_.encode(options_.replace_string, body_);
  }

  Status process(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch.kept(i)) {
        continue;
      }
      const Result<bool> changed = replace(batch[i].body());
      if (!changed) {
        if (Status status = reject_or_fail(*context_, batch, i, changed.error()); !status) {
          return status;
        }
      } else if (*changed) {
        batch.set_body(i, body_);
      }
    }
    return {};
  }

 private:
  // sed's \1 is Java's $1.
  void warn_about_groups() const {
    const std::string& text = options_.replace_string;
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
      if (text[i] != '\\') {
        continue;
      }
      const char next = text[++i];
      if (next >= '0' && next <= '9') {
        log(LogLevel::warning, std::string("'\\") + next + "' in the replacement is the text '" +
                                   next + "'; a group of the expression is $" + next);
        return;
      }
    }
  }

  /// True: the new body is in body_.
  Result<bool> replace(std::string_view body) {
    if (charset_.is_utf8()) {
      return replace_text(body, body_);
    }
    if (Status status = charset_.decode(body, text_); !status) {
      return status.error();
    }
    Result<bool> changed = replace_text(text_, new_text_);
    if (changed && *changed) {
      if (Status status = charset_.encode(new_text_, body_); !status) {
        return status.error();
      }
      if (body_.size() > limit_) {
        return too_long();
      }
    }
    return changed;
  }

  Result<bool> replace_text(std::string_view text, std::string& out) {
    out.clear();
    std::size_t from = 0;
    bool found = false;
    regex_->start(text);
    Regex::Match match = Regex::Match::no;
    while ((match = regex_->next()) == Regex::Match::yes) {
      const Regex::Span span = *regex_->group(0);
      out += text.substr(from, span.begin - from);
      replacement_.append(out, *regex_, text);
      from = span.end;
      found = true;
      if (out.size() > limit_) {
        return too_long();
      }
    }
    if (match == Regex::Match::failed) {
      return regex_->error();
    }
    out += text.substr(from);
    if (out.size() > limit_ && charset_.is_utf8()) {
      return too_long();
    }
    return found && out != text;
  }

  Error too_long() const {
    return {ErrorClass::input,
            "an event grows beyond " + std::to_string(limit_) + " bytes by the replacement",
            "--max-event N allows longer ones; the stages after this one need it too"};
  }

  const Options options_;
  const StageContext* context_ = nullptr;
  std::optional<Regex> regex_;
  Replacement replacement_;
  BodyCharset charset_;
  std::size_t limit_ = 0;
  std::string body_;
  std::string text_;
  std::string new_text_;
};

}  // namespace

ComponentType search_replace_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "search_replace";
  type.class_names = {"org.apache.flume.interceptor.SearchAndReplaceInterceptor",
                      "org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder"};
  type.sought_as = {"sed", "replace", "mask"};
  type.summary = "replace text in the body by a regular expression";
  type.description =
      "Replaces each match of REGEX in the body with TEXT; without TEXT matches are removed. In "
      "TEXT, $1 to $99 and ${name} are the text of a group (nothing if it took no part), $0 is the "
      "whole match, and \\ makes the next character literal. The expression is Perl's, as in grep "
      "-P; Java's spellings are understood too. A group that the expression does not have is "
      "refused at the start with status 64; Flume fails at the first match, and then forever.\n\n"
      "Bytes that are not valid in the charset are searched as U+FFFD, as in Flume, but bytes "
      "outside matches are never changed; Flume writes U+FFFD into every such body. Charsets other "
      "than UTF-8 are those of iconv(1); in them a body that does not decode ends the stage with "
      "status 65.\n\n"
      "A search that takes more than ten million steps, or ten seconds in one body, and a body "
      "that grows beyond --max-event also end the stage with status 65: passing such an event "
      "unchanged could reveal what should be hidden. With --reject FILE such an event is kept "
      "there unchanged, and the stage continues.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'card 4111-1111-1111-1111\\n' | fl-intercept search_replace "
       "'(\\d{4}-){3}(\\d{4})' 'xxxx-$2' | fl-sink stdout",
       "Hides all but the end of a card number."},
      {"printf '\\tindented\\n' | fl-intercept search_replace '^\\s+' | fl-sink stdout",
       "Removes white space at the start of the line."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, SearchReplaceInterceptor, Options>();
  return type;
}

}  // namespace fl
