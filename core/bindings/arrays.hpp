// Conversions between NumPy arrays and the core's vectors.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
#include <vector>

#include "products/codes.hpp"

namespace nb = nanobind;

using Codes = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::ndim<1>, nb::device::cpu>;
using Dense = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyShape = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::device::cpu>;

// Codes as the core takes them. Nothing is converted, since that could change a code or leave the copy without an
// owner.
inline Codes checked_codes(nb::handle given, std::int32_t n_levels, std::int32_t lowest = 0) {
  Codes codes;
  if (!nb::try_cast<Codes>(given, codes, false))
    throw nb::value_error("codes must be a contiguous int32 array of one dimension");
  if (!mixedmodels::valid_codes(codes.data(), static_cast<std::int64_t>(codes.size()), n_levels, lowest))
    throw nb::value_error(("a code is not that of one of the " + std::to_string(n_levels) + " levels").c_str());
  return codes;
}

template <typename T>
using Array = nb::ndarray<nb::numpy, T>;

// The vector moves into a NumPy array that owns it.
template <typename T>
Array<T> to_numpy(std::vector<T> values, const std::vector<std::size_t>& dims, char order = 'C') {
  auto* held = new std::vector<T>(std::move(values));
  nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  std::vector<std::int64_t> strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::size_t axis = order == 'C' ? dims.size() - 1 - i : i;
    strides[axis] = stride;
    stride *= static_cast<std::int64_t>(dims[axis]);
  }
  return Array<T>(held->data(), dims.size(), dims.data(), owner, strides.data());
}

template <typename T>
Array<T> to_numpy(std::vector<T> values) {
  const std::size_t n = values.size();
  return to_numpy(std::move(values), std::vector<std::size_t>{n});
}
