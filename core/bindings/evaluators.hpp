// What the bound evaluators of all models share: theta to and from the axes, fixed effects, conditional covariances.
#pragma once

#include "criterion/fixed_effects.hpp"
#include "kernels/memory.hpp"
#include "model.hpp"

// Theta or slopes, along the last dimension, to or from the axes.
using AlongAxes = void (mm::ThetaAxes::*)(double*) const;
inline Array<double> map_theta(const mm::ThetaAxes& axes, std::size_t m, AnyShape values, AlongAxes along) {
  std::vector<std::size_t> dims;
  for (std::size_t i = 0; i < values.ndim(); ++i) dims.push_back(values.shape(i));
  if (dims.empty() || dims.back() != m) throw nb::value_error("theta has the wrong length");
  std::vector<double> out(values.data(), values.data() + values.size());
  for (std::size_t at = 0; at < out.size(); at += m) (axes.*along)(out.data() + at);
  return to_numpy(std::move(out), dims);
}

// A symmetric matrix, on both sides.
inline Array<double> map_both(const mm::ThetaAxes& axes, std::size_t m, Table matrix, AlongAxes along) {
  if (matrix.shape(0) != m || matrix.shape(1) != m) throw nb::value_error("the matrix has the wrong shape");
  std::vector<double> out(matrix.data(), matrix.data() + matrix.size());
  (axes.*along)(out.data());
  return to_numpy(std::move(out), {m, m});
}

// The maps of an evaluator with `axes` and `m`.
template <typename Evaluator_>
void bind_axes(nb::class_<Evaluator_>& evaluator) {
  const auto vectors = [&](const char* name, AlongAxes along, const char* argument, const char* doc) {
    evaluator.def(
        name, [along](const Evaluator_& s, AnyShape v) { return map_theta(s.axes(), s.m(), v, along); },
        nb::arg(argument), doc);
  };
  const auto matrices = [&](const char* name, AlongAxes along, const char* argument, const char* doc) {
    evaluator.def(
        name, [along](const Evaluator_& s, Table v) { return map_both(s.axes(), s.m(), v, along); }, nb::arg(argument),
        doc);
  };
  vectors("to_axes", &mm::ThetaAxes::to_axes, "theta",
          "Theta (..., m) along the axes of the terms, which all else here takes and gives.");
  vectors("from_axes", &mm::ThetaAxes::from_axes, "theta", "Theta (..., m) of the caller's columns of Z.");
  vectors("slope_to_axes", &mm::ThetaAxes::slope_to_axes, "slope",
          "Derivatives (..., m) by theta along the axes from those by theta.");
  vectors("slope_from_axes", &mm::ThetaAxes::slope_from_axes, "slope", "The other way.");
  matrices("hessian_from_axes", &mm::ThetaAxes::hessian_from_axes, "hessian",
           "Second derivatives (m, m) by theta from those by theta along the axes.");
  matrices("covariance_from_axes", &mm::ThetaAxes::covariance_from_axes, "covariance",
           "Covariance (m, m) of theta from that of theta along the axes.");
}

// RX (p x p upper) from the factor of X'V^-1X, whose transpose it is.
inline Array<double> upper_triangle(std::size_t p, const std::vector<double>& RX) {
  std::vector<double> out(p * p, 0.0);
  for (std::size_t r = 0; r < p; ++r)
    for (std::size_t c = r; c < p; ++c) out[r * p + c] = RX[c + r * (p + 1)];
  return to_numpy(std::move(out), {p, p});
}

// Covariance (p x p) of the kept coefficients.
inline Array<double> fixed_covariance(const mm::Frame& frame, const std::vector<double>& RX, double sigma) {
  const auto p = static_cast<std::size_t>(frame.p());
  std::vector<double> out = in_core([&] { return mm::covariance_of_fixed(frame, RX.data(), sigma); });
  return to_numpy(std::move(out), {p, p});
}

// Coefficients of the kept columns from those of the frame.
inline Array<double> original_coefficients(const mm::Frame& frame, const std::vector<double>& beta) {
  std::vector<double> out(beta.size());
  frame.to_original(beta.data(), out.data());
  return to_numpy(std::move(out));
}

// Effects of the caller's columns of Z from modes along the axes.
inline std::vector<double> original_modes(const mm::CrossProducts& A, std::vector<double> b) {
  mm::modes_from_axes(A, b.data());
  return b;
}

// A block (s x s) for every level of a factor, of the caller's columns of Z; `fill` makes those along the axes.
template <typename Fill>
Array<double> level_covariances(const mm::CrossProducts& A, int factor, Fill fill) {
  const mm::FactorBlock& block = A.factors.at(factor);
  mm::require_memory("Conditional covariances",
                     {{"a block for every level", mm::bytes_of_numbers(block.diagonal.size())}});
  std::vector<double> out(block.diagonal.size());
  in_core([&] {
    fill(out.data());
    mm::covariance_from_axes(block, out.data());
  });
  const auto width = static_cast<std::size_t>(block.width);
  return to_numpy(std::move(out), {static_cast<std::size_t>(block.levels), width, width});
}
