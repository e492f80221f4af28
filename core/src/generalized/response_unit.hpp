// Purpose: the unit in which a response is computed with, so that no constant of a computation depends on the caller's.
#pragma once

#include <cstdint>

#include "generalized/family.hpp"
#include "products/rows.hpp"

namespace mixedmodels {

// Powers of two that take a response and its predictors to the unit of the computation, and what is added there. Of a
// response without a unit all is as the caller has it.
struct ResponseUnit {
  double response = 1, predictor = 1;  // factors
  double added = 0;                    // to predictors
  double parameter = 0;                // to the parameter of the distribution

  ResponseUnit() = default;
  // Of n responses: about 1 in size.
  ResponseUnit(const UnitRule& rule, std::int64_t n, const Column& y);

  // What a row's log density is larger by in the unit of the caller.
  double log_density() const;
};

}  // namespace mixedmodels
