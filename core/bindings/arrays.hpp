// Conversions between NumPy arrays and the core's vectors.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
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

// A NumPy array; None until it is set.
template <typename T>
class Array : public nb::object {
 public:
  static constexpr auto Name = nb::detail::make_caster<nb::ndarray<nb::numpy, T>>::Name;
  using nb::object::object;
  Array() : nb::object(nb::none()) {}
};

// numpy.empty and the types of arrays; set when the module is loaded and kept as long as the process.
struct NumPy {
  PyObject *empty = nullptr, *float64 = nullptr, *int64 = nullptr, *int32 = nullptr;
};
inline NumPy numpy;

template <typename T>
PyObject* numpy_type() {
  if constexpr (std::is_same_v<T, double>)
    return numpy.float64;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return numpy.int64;
  else {
    static_assert(std::is_same_v<T, std::int32_t>);
    return numpy.int32;
  }
}

// Below so many bytes an array that NumPy makes and a copy cost less than an array around memory of the core.
constexpr std::size_t kCopied = 4096;

template <typename T>
Array<T> copied_to_numpy(const std::vector<T>& values, const std::vector<std::size_t>& dims, char order) {
  const nb::object shape = dims.size() == 1 ? nb::object(nb::int_(dims[0])) : nb::make_tuple(dims[0], dims[1]);
  const nb::object layout = order == 'C' ? nb::object() : nb::str("F");
  PyObject* arguments[] = {shape.ptr(), numpy_type<T>(), layout.ptr()};
  PyObject* made = PyObject_Vectorcall(numpy.empty, arguments, layout.is_valid() ? 3 : 2, nullptr);
  if (made == nullptr) nb::raise_python_error();
  Array<T> out = nb::steal<Array<T>>(made);
  Py_buffer buffer;
  if (PyObject_GetBuffer(made, &buffer, PyBUF_WRITABLE | PyBUF_ANY_CONTIGUOUS) != 0) nb::raise_python_error();
  std::copy(values.begin(), values.end(), static_cast<T*>(buffer.buf));
  PyBuffer_Release(&buffer);
  return out;
}

// The vector as a NumPy array, in the memory of the vector unless it is small.
template <typename T>
Array<T> to_numpy(std::vector<T> values, const std::vector<std::size_t>& dims, char order = 'C') {
  if (values.size() * sizeof(T) < kCopied && dims.size() <= 2) return copied_to_numpy(values, dims, order);
  auto* held = new std::vector<T>(std::move(values));
  nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  std::vector<std::int64_t> strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::size_t axis = order == 'C' ? dims.size() - 1 - i : i;
    strides[axis] = stride;
    stride *= static_cast<std::int64_t>(dims[axis]);
  }
  nb::ndarray<nb::numpy, T> found(held->data(), dims.size(), dims.data(), owner, strides.data());
  return nb::steal<Array<T>>(nb::cast(std::move(found)).release());
}

template <typename T>
Array<T> to_numpy(std::vector<T> values) {
  const std::size_t n = values.size();
  return to_numpy(std::move(values), std::vector<std::size_t>{n});
}
