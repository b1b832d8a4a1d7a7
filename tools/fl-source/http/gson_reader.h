// JSON as Gson's lenient reader takes it, which Flume's JSONHandler uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fl {

/// Reads JSON token by token. Lenient: also single quotes, names and strings without quotes,
/// comments (/* */, //, #), ';' for ',', '=' and '=>' for ':', null for what is missing between two
/// commas of an array.
///
/// It holds no text but one string, and at most kMaxDepth levels.
class GsonReader {
 public:
  static constexpr std::size_t kMaxDepth = 100;

  enum class Token { begin_array, end_array, begin_object, end_object, string, null, end, fault };

  /// `text`: as java_decoded() returns it. It outlives the reader.
  explicit GsonReader(std::string_view text);

  /// The next token: `string` stands for names, numbers and booleans, too. After `fault` why()
  /// says what is wrong, and it stays.
  Token peek();
  /// Takes the token. A fault if it is another one.
  bool take(Token token);
  /// The string; valid until the next call.
  bool take_string(std::string& out);
  /// Takes a value with all that is in it.
  bool skip_value();
  /// What was read is wrong for another reason. Returns false.
  bool fail_here(std::string why) {
    fail(std::move(why));
    return false;
  }
  /// Something besides blanks and comments is here.
  bool has_begun() const { return has_begun_; }

  const std::string& why() const { return why_; }
  std::size_t offset() const { return at_; }
  /// The fault is one for which Java throws another exception than for a syntax error.
  bool is_number_fault() const { return is_number_fault_; }

 private:
  enum class Scope : std::uint8_t {
    empty_array,
    array,
    empty_object,
    object,
    dangling_name,
    empty_document,
    document,
  };
  /// What is at at_, once peeked.
  enum class Peeked { none, token, quoted, literal };

  Token find();
  Token find_value(Scope before);
  Token fail(std::string why);
  int next_nonblank();
  bool read_quoted(std::string* out);
  bool read_escape(std::string* out);
  std::string_view literal();

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Scope> scopes_;
  Token token_ = Token::end;
  Peeked peeked_ = Peeked::none;
  char quote_ = '"';
  bool has_begun_ = false;
  bool is_number_fault_ = false;
  std::string why_;
};

}  // namespace fl
