#include "criterion/structures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// square <- T^-1 square, T lower triangular.
void solve_axes(int w, const std::vector<double>& T, double* square) {
  for (double* column = square; column < square + w * w; column += w)
    for (int r = 0; r < w; ++r) {
      for (int k = 0; k < r; ++k) column[r] -= T[r + k * w] * column[k];
      column[r] /= T[r * (w + 1)];
    }
}

// The block of a term of the mean over rows of z z', along the axes.
std::vector<double> mean_square(const CrossProducts& A, const ThetaTerm& term) {
  const FactorBlock& block = A.factors[term.factor];
  const std::int64_t s = block.width, w = term.width;
  std::vector<double> out(static_cast<std::size_t>(w * w));
  for (std::int64_t l = 0; l < block.levels; ++l)
    for (std::int64_t c = 0; c < w; ++c)
      small::axpy(static_cast<int>(w), 1.0 / static_cast<double>(A.n),
                  block.diagonal.data() + (l * s + term.first + c) * s + term.first, out.data() + c * w);
  return out;
}

// Root mean square over the rows of the vector z'D, of so many columns.
double root_mean_square(int w, int columns, const std::vector<double>& S, const double* D) {
  double sum = 0;
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < w; ++r) sum += D[r + c * w] * small::dot(w, S.data() + r * w, D + c * w);
  return std::sqrt(sum);
}

}  // namespace

Structures::Structures(const CrossProducts& A, const std::vector<ThetaEntry>& entries,
                       const std::vector<const Structure*>& kinds)
    : theta_size_(entries.size()) {
  for (const ThetaTerm& theta : theta_terms(entries)) {
    const FactorBlock& block = A.factors[theta.factor];
    const int w = theta.width;
    const Structure* structure = kinds[terms_.size()];
    Term term{theta, structure, parameters_.size(), structure ? structure->size(w) : entries_of_term(w), {}};
    for (int i = 0; i < term.size; ++i) {
      const int own = -static_cast<int>(parameters_.size());
      parameters_.push_back(structure ? ThetaEntry{theta.factor, own - 2, own - 1} : entries[theta.theta + i]);
    }
    term.T.resize(static_cast<std::size_t>(w) * w);
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r)
        term.T[r + c * w] = block.T.empty() ? r == c : block.T[theta.first + r + (theta.first + c) * block.width];
    terms_.push_back(std::move(term));
  }
  for (std::size_t t = 0; t < terms_.size(); ++t) add_units(A, t);
}

// A column's or, of structured terms, that of the change of the template where all columns have their natural unit for
// a standard deviation.
void Structures::add_units(const CrossProducts& A, std::size_t t) {
  const Term& term = terms_[t];
  const int w = term.theta.width;
  const std::vector<double> S = mean_square(A, term.theta);
  const auto over = [](double size) { return size > 0 && std::isfinite(size) ? 1 / size : 1.0; };
  if (!term.structure) {
    for (int i = 0; i < term.size; ++i)
      unit_.push_back(over(std::sqrt(S[(parameters_[term.par + i].row - term.theta.first) * (w + 1)])));
    return;
  }
  std::vector<double> inverse(static_cast<std::size_t>(w) * w), variances(w), par(term.size), D(inverse.size());
  for (int r = 0; r < w; ++r) inverse[r * (w + 1)] = 1;
  solve_axes(w, term.T, inverse.data());
  for (int r = 0; r < w; ++r) {
    const double size = root_mean_square(w, 1, S, inverse.data() + r * w);
    variances[r] = over(size * size);
  }
  term.structure->start(w, variances.data(), par.data());
  for (int i = 0; i < term.size; ++i) {
    term.structure->derivative(w, par.data(), i, D.data());
    solve_axes(w, term.T, D.data());
    unit_.push_back(over(root_mean_square(w, w, S, D.data())));
  }
}

double Structures::turning_point(std::size_t e, double at) const {
  if (on_diagonal(parameters_[e])) return 0;
  for (const Term& term : terms_)
    if (term.structure && e - term.par < static_cast<std::size_t>(term.size))
      return term.structure->turning_point(term.theta.width, static_cast<int>(e - term.par), at);
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> Structures::closest_to(const std::vector<double>& theta) const {
  std::vector<double> out(parameters_.size());
  for (const Term& term : terms_) {
    const double* own = theta.data() + term.theta.theta;
    if (!term.structure) {
      std::copy_n(own, term.size, out.data() + term.par);
      continue;
    }
    const int w = term.theta.width;
    std::vector<double> variances(w);
    for (int c = 0; c < w; own += w - c, ++c)
      for (int r = c; r < w; ++r) {
        double entry = 0;
        for (int k = c; k <= r; ++k) entry += term.T[r + k * w] * own[k - c];
        variances[r] += entry * entry;
      }
    term.structure->start(w, variances.data(), out.data() + term.par);
  }
  return out;
}

void require_triangles(const Structures* structures, const char* what) {
  if (structures)
    throw std::invalid_argument(std::string(what) + " is not available where covariances are functions of parameters.");
}

StructuredTheta::StructuredTheta(const Structures& structures)
    : structures_(structures), par_(structures.parameters().size()), theta_(structures.theta_size()) {
  for (const Structures::Term& term : structures.terms()) rotations_.emplace_back(term.T.size());
}

const std::vector<double>& StructuredTheta::move(const double* par) {
  std::copy_n(par, par_.size(), par_.data());
  for (std::size_t t = 0; t < rotations_.size(); ++t) {
    const Structures::Term& term = structures_.terms()[t];
    const int w = term.theta.width;
    double* out = theta_.data() + term.theta.theta;
    if (!term.structure) {
      std::copy_n(par + term.par, term.size, out);
      continue;
    }
    square_.resize(term.T.size());
    term.structure->factor(w, par + term.par, square_.data());
    solve_axes(w, term.T, square_.data());
    small::make_triangular(w, square_.data(), rotations_[t].data());
    for (int c = 0; c < w; ++c) out = std::copy_n(square_.data() + c * (w + 1), w - c, out);
  }
  return theta_;
}

const double* StructuredTheta::derivative(std::size_t t, int i) {
  const Structures::Term& term = structures_.terms()[t];
  square_.resize(term.T.size());
  term.structure->derivative(term.theta.width, par_.data() + term.par, i, square_.data());
  return turned(t);
}

const double* StructuredTheta::second_derivative(std::size_t t, int i, int j) {
  const Structures::Term& term = structures_.terms()[t];
  square_.resize(term.T.size());
  if (!term.structure->second_derivative(term.theta.width, par_.data() + term.par, i, j, square_.data()))
    return nullptr;
  return turned(t);
}

const double* StructuredTheta::turned(std::size_t t) {
  const Structures::Term& term = structures_.terms()[t];
  const int w = term.theta.width;
  solve_axes(w, term.T, square_.data());
  turned_.assign(term.T.size(), 0.0);
  for (int c = 0; c < w; ++c)
    for (int k = 0; k < w; ++k)
      small::axpy(w, rotations_[t][k + c * w], square_.data() + k * w, turned_.data() + c * w);
  return turned_.data();
}

void StructuredTheta::gradient(const double* by_theta,
                               const std::function<void(const EffectsBlock&, double*)>& half_slope, double* out) {
  std::vector<double> slope;
  for (std::size_t t = 0; t < rotations_.size(); ++t) {
    const Structures::Term& term = structures_.terms()[t];
    if (!term.structure) {
      std::copy_n(by_theta + term.theta.theta, term.size, out + term.par);
      continue;
    }
    const int w = term.theta.width;
    slope.resize(term.T.size());
    half_slope({term.theta.factor, term.theta.first, w}, slope.data());
    for (int i = 0; i < term.size; ++i) out[term.par + i] = 2 * small::dot(w * w, derivative(t, i), slope.data());
  }
}

void StructuredTheta::add_step(const double* step, const CrossProducts& A, Templates& change) {
  for (std::size_t t = 0; t < rotations_.size(); ++t) {
    const Structures::Term& term = structures_.terms()[t];
    const int w = term.theta.width, s = A.factors[term.theta.factor].width;
    double* corner = change[term.theta.factor].data() + static_cast<std::ptrdiff_t>(term.theta.first) * (s + 1);
    for (int i = 0; term.structure && i < term.size; ++i) {
      const double* D = derivative(t, i);
      for (int c = 0; c < w; ++c) small::axpy(w, step[term.par + i], D + c * w, corner + c * s);
    }
  }
}

}  // namespace mixedmodels
