#include "search/variables.hpp"

#include <algorithm>
#include <functional>

#include "kernels/eigen.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

Variables::Variables(const Objective& f)
    : squares_(f.products(), f.structures() ? f.model().entries : f.entries()),
      A_(f.products()),
      structures_(f.structures()),
      size_(squares_.size()),
      rotation_(static_cast<std::size_t>(size_)) {
  if (!structures_) return;
  std::size_t at = 0, square = 0;
  for (const Structures::Term& term : structures_->terms()) {
    const int w = term.theta.width, count = term.structure ? term.size : w * w;
    if (term.structure) squares_.hold(parts_.size());
    parts_.push_back({&term, at, square, count, w});
    for (int i = 0; i < count; ++i) unit_.push_back(term.structure ? structures_->unit()[term.par + i] : 1);
    at += static_cast<std::size_t>(count), square += static_cast<std::size_t>(w) * w;
  }
  theta_.emplace(*structures_);
  par_.resize(structures_->parameters().size()), theta_space_.resize(structures_->theta_size());
  for (auto* v : {&at_, &moving_, &slope_}) v->resize(square);
  size_ = static_cast<int>(at);
}

// Squares of the free templates; zero elsewhere.
void Variables::spread(const double* x, double* squares) const {
  std::fill_n(squares, at_.size(), 0.0);
  for (const Part& p : parts_)
    if (p.free()) std::copy_n(x + p.at, p.count, squares + p.square);
}

void Variables::gather(const double* squares, double* x) const {
  for (const Part& p : parts_)
    if (p.free()) std::copy_n(squares + p.square, p.count, x + p.at);
}

void Variables::from_parameters(const double* par, double* x) {
  if (!structures_) return squares_.from_theta(par, x);
  squares_.from_theta(theta_->move(par).data(), moving_.data());
  gather(moving_.data(), x);
  for (const Part& p : parts_)
    for (int i = 0; !p.free() && i < p.count; ++i) x[p.at + i] = par[p.term->par + i] / unit_[p.at + i];
}

void Variables::to_parameters(const double* x, double* par) {
  if (!structures_) return squares_.to_theta(x, par);
  through_theta(x, par, [&](double* theta) { squares_.to_theta(moving_.data(), theta); }, std::multiplies<>());
}

void Variables::to_parameter_slope(const double* slope, double* out) {
  if (!structures_) return squares_.to_theta_slope(slope, out);
  through_theta(slope, out, [&](double* theta) { squares_.to_theta_slope(moving_.data(), theta); }, std::divides<>());
}

// Maps free templates by `to_theta` from their squares, and structures by their units.
template <typename ToTheta, typename Scaled>
void Variables::through_theta(const double* x, double* out, ToTheta to_theta, Scaled scaled) {
  spread(x, moving_.data());
  to_theta(theta_space_.data());
  for (const Part& p : parts_) {
    double* own = out + p.term->par;
    if (p.free()) std::copy_n(theta_space_.data() + p.term->theta.theta, p.term->size, own);
    for (int i = 0; !p.free() && i < p.count; ++i) own[i] = scaled(x[p.at + i], unit_[p.at + i]);
  }
}

std::vector<double> Variables::to_parameter_hessian(const std::vector<double>& hessian) {
  if (!structures_) return squares_.to_theta_hessian(hessian);
  const std::size_t n = size_, m = par_.size();
  std::vector<double> half(m * n), row(n), out(m * m);
  for (std::size_t j = 0; j < n; ++j) to_parameter_slope(hessian.data() + j * n, half.data() + j * m);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) row[j] = half[i + j * m];
    to_parameter_slope(row.data(), out.data() + i * m);
  }
  return out;
}

void Variables::make_triangular(double* x) {
  if (!structures_) return squares_.make_triangular(x, rotation_.data());
  spread(x, moving_.data());
  squares_.make_triangular(moving_.data(), rotation_.data());
  gather(moving_.data(), x);
  to_parameters(x, par_.data());
  squares_.from_theta(theta_->move(par_.data()).data(), at_.data());
}

void Variables::rotate(double* x) {
  if (!structures_) return squares_.rotate(rotation_.data(), x);
  spread(x, moving_.data());
  squares_.rotate(rotation_.data(), moving_.data());
  gather(moving_.data(), x);
}

void Variables::to_templates(const double* step, Templates& out) {
  if (!structures_) return squares_.to_templates(step, out);
  spread(step, moving_.data());
  squares_.to_templates(moving_.data(), out);
  std::vector<double> change(par_.size(), 0.0);
  for (const Part& p : parts_)
    for (int i = 0; !p.free() && i < p.count; ++i) change[p.term->par + i] = step[p.at + i] * unit_[p.at + i];
  theta_->add_step(change.data(), A_, out);
}

void Variables::find_derivatives() {
  derivatives_.clear();
  for (std::size_t t = 0; t < parts_.size(); ++t) {
    const Part& p = parts_[t];
    const std::size_t size = static_cast<std::size_t>(p.width) * p.width;
    for (int i = 0; !p.free() && i < p.count; ++i) {
      derivatives_.resize(derivatives_.size() + size);
      double* own = &*derivatives_.end() - size;
      squares_.from_template(t, theta_->derivative(t, i), own);
      for (std::size_t k = 0; k < size; ++k) own[k] *= unit_[p.at + i];
    }
  }
}

// The derivative by the variables, from one by all entries of the squares.
void Variables::contract(const double* squares, double* out) const {
  gather(squares, out);
  const double* derivative = derivatives_.data();
  for (const Part& p : parts_)
    for (int i = 0; !p.free() && i < p.count; ++i, derivative += p.width * p.width)
      out[p.at + i] = small::dot(p.width * p.width, derivative, squares + p.square);
}

void Variables::gradient(const Objective& f, double* out) {
  if (!structures_) return squares_.gradient(f, out);
  squares_.gradient(f, slope_.data());
  find_derivatives();
  contract(slope_.data(), out);
}

void Variables::cross(const Objective& f, int other, double* out) {
  if (!structures_) return squares_.cross(f, other, out);
  squares_.cross(f, other, moving_.data());
  contract(moving_.data(), out);
}

void Variables::hessian(const Objective& f, const double* x, bool with_rotations, double* out) {
  if (!structures_) return squares_.hessian(f, x, with_rotations, out);
  const std::size_t n = size_, all = at_.size();
  hessian_.resize(all * all), half_.resize(n * all), row_.resize(all);
  squares_.hessian(f, at_.data(), with_rotations, hessian_.data());
  for (std::size_t j = 0; j < all; ++j) contract(hessian_.data() + j * all, half_.data() + j * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < all; ++j) row_[j] = half_[i + j * n];
    contract(row_.data(), out + i * n);
  }
  add_curvature(out);
}

// The gradient times the second derivatives of the squares, without what is negative of it.
void Variables::add_curvature(double* out) {
  const std::size_t n = size_;
  for (std::size_t t = 0; t < parts_.size(); ++t) {
    const Part& p = parts_[t];
    const std::size_t size = static_cast<std::size_t>(p.width) * p.width, k = p.count;
    if (p.free()) continue;
    std::vector<double> C(k * k), own(size), values, vectors;
    bool curved = false;
    for (std::size_t j = 0; j < k; ++j)
      for (std::size_t i = 0; i <= j; ++i)
        if (const double* second = theta_->second_derivative(t, static_cast<int>(i), static_cast<int>(j))) {
          squares_.from_template(t, second, own.data());
          C[i + j * k] = C[j + i * k] =
              unit_[p.at + i] * unit_[p.at + j] * small::dot(p.width * p.width, own.data(), slope_.data() + p.square);
          curved = true;
        }
    if (!curved) continue;
    symmetric_eigen(p.count, C, values, vectors);
    for (std::size_t v = 0; v < k; ++v)
      for (std::size_t j = 0; j < k; ++j)
        for (std::size_t i = 0; i < k; ++i)
          out[p.at + i + (p.at + j) * n] += std::max(values[v], 0.0) * vectors[i + v * k] * vectors[j + v * k];
  }
}

}  // namespace mixedmodels
