// What a component reports about itself, as tests read it.
#pragma once

#include <string>

#include "common/component/figures.h"

namespace fl {

/// The component's words in the status line.
template <typename Component>
std::string figure_words(const Component& component) {
  FigureList list;
  component.figures(list);
  return list.words();
}

}  // namespace fl
