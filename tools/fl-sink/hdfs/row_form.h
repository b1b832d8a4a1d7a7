// What a line of a text file must look like, where a sink knows more of it than the serializers.
#pragma once

#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl {

class RowForm {
 public:
  virtual ~RowForm() = default;
  /// Forms the row of `event`. Class input: no row can hold it.
  virtual Status form(const Event& event) = 0;
  /// The row formed last, without the end of a line.
  virtual std::string_view row() const = 0;
};

}  // namespace fl
