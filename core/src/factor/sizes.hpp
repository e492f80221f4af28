// Sizes at which the factor and its inverse change from plain loops to BLAS, and from one task to several.
#pragma once

#include <cstdint>

#include "factor/symbolic.hpp"

namespace mixedmodels {

constexpr int kSmallWidth = 12;         // narrower supernodes are eliminated by plain loops
constexpr double kSmallUpdate = 16384;  // updates of fewer multiplications go by plain loops
constexpr int kStripRows = 192;         // rows of a top panel that one task divides

inline bool by_blas(const Supernode& node, const Update& u) {
  return static_cast<double>(node.below - u.begin) * (u.end - u.begin) * node.width > kSmallUpdate && node.width > 3;
}

inline int parts(std::int64_t size, std::int64_t part) { return static_cast<int>((size + part - 1) / part); }

}  // namespace mixedmodels
