// Purpose: the rows of a term's template turned so that the effects which a profile holds come first.
#pragma once

#include <vector>

#include "products/crossprod.hpp"

namespace mixedmodels {

// A random-effects term: a diagonal block of its factor's template.
struct ProfileTerm {
  int factor, offset, size;
};

// Column-major squares of the term: rows of the turned template from those along the axes, and back.
struct Turn {
  std::vector<double> there, back;
  double length;  // of the first effect along the axes
};

// The effects are those of the caller's columns of Z, combinations of the axes. `second` comes next unless negative.
// The other rows of the turned template are orthogonal to them.
Turn turn_effects(const CrossProducts& A, const ProfileTerm& term, int first, int second);

}  // namespace mixedmodels
