#include "products/crossprod.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Takes room for the numbers of a pattern, all zero.
void take_pattern(std::shared_ptr<const Pattern> pattern, CrossProducts& A) {
  A.pattern = std::move(pattern);
  A.pairs.clear();
  for (const PairPattern& pair : A.pattern->pairs) {
    const std::size_t size =
        static_cast<std::size_t>(A.pattern->factors[pair.a].width) * A.pattern->factors[pair.b].width;
    require_memory("The cross-products of two grouping factors",
                   {{"blocks of pairs of levels", bytes_of_numbers(1.0 * pair.level_b.size() * size)}});
    A.pairs.push_back({pair.a, pair.b, pair.start, pair.level_b, std::vector<double>(pair.level_b.size() * size, 0.0)});
  }
}

bool same_factors(const CrossProducts& A, const CrossProducts& B) {
  return A.p == B.p && A.unit == B.unit &&
         std::equal(A.factors.begin(), A.factors.end(), B.factors.begin(), B.factors.end(),
                    [](const FactorBlock& a, const FactorBlock& b) {
                      return a.levels == b.levels && a.width == b.width && a.T == b.T;
                    });
}

bool same_pairs(const CrossProducts& A, const CrossProducts& B) {
  return A.pattern == B.pattern || std::equal(A.pairs.begin(), A.pairs.end(), B.pairs.begin(), B.pairs.end(),
                                              [](const PairBlock& a, const PairBlock& b) {
                                                return a.a == b.a && a.b == b.b &&
                                                       std::ranges::equal(a.start, b.start) &&
                                                       std::ranges::equal(a.level_b, b.level_b);
                                              });
}

template <typename Visit>
void each_list(CrossProducts& A, const CrossProducts& B, Visit&& visit) {
  for (std::size_t f = 0; f < A.factors.size(); ++f) visit(A.factors[f].diagonal, B.factors[f].diagonal);
  for (std::size_t t = 0; t < A.pairs.size(); ++t) visit(A.pairs[t].values, B.pairs[t].values);
  visit(A.ZtX, B.ZtX);
  visit(A.XtX, B.XtX);
}

}  // namespace

double CrossProducts::bytes() const {
  double numbers = static_cast<double>(ZtX.size() + XtX.size());
  for (const FactorBlock& f : factors) numbers += static_cast<double>(f.diagonal.size());
  for (const PairBlock& pair : pairs) numbers += static_cast<double>(pair.values.size() + pair.level_b.size());
  return bytes_of_numbers(numbers);
}

int CrossProducts::widest() const {
  int out = 1;
  for (const FactorBlock& f : factors) out = std::max(out, f.width);
  return out;
}

bool CrossProducts::has_prior() const {
  return std::any_of(factors.begin(), factors.end(), [](const FactorBlock& f) { return !f.prior.diagonal.empty(); });
}

CrossProducts zero_products(std::shared_ptr<const Pattern> pattern, const Rows& rows, const Frame& frame) {
  CrossProducts A;
  A.p = frame.p();
  A.q = pattern->q;
  A.nodes = pattern->nodes;
  A.unit = frame.unit;
  A.logdet_R2 = frame.logdet_R2();
  for (std::size_t f = 0; f < pattern->factors.size(); ++f) {
    FactorBlock block{pattern->factors[f], {}};
    block.diagonal.assign(static_cast<std::size_t>(block.levels) * block.width * block.width, 0.0);
    block.T = rows.factors[f].T;
    A.factors.push_back(std::move(block));
  }
  A.ZtX.assign(static_cast<std::size_t>(A.q) * A.k(), 0.0);
  A.XtX.assign(static_cast<std::size_t>(A.k()) * A.k(), 0.0);
  take_pattern(std::move(pattern), A);
  return A;
}

void axpy(double c, const CrossProducts& B, CrossProducts& A) {
  if (!same_factors(A, B)) throw std::invalid_argument("Cross-products of different factors or frames.");
  if (!same_pairs(A, B)) throw std::invalid_argument("Cross-products on different patterns; see on_pattern.");
  each_list(A, B, [&](std::vector<double>& to, const std::vector<double>& from) {
    check_interrupt(static_cast<double>(to.size()));
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += c * from[i];
  });
}

CrossProducts& CrossProducts::operator+=(const CrossProducts& other) {
  axpy(1, other, *this);
  n += other.n;
  sum_log_weights += other.sum_log_weights;
  return *this;
}

void set_zero(CrossProducts& A) {
  each_list(A, A, [](std::vector<double>& to, const std::vector<double>&) { std::fill(to.begin(), to.end(), 0.0); });
  A.n = 0;
  A.sum_log_weights = 0;
}

void require_independent_levels(const CrossProducts& A, const char* what) {
  if (A.has_prior() || A.pattern->has_own_pairs())
    throw std::invalid_argument(std::string(what) +
                                " is not available where levels of one factor are tied to each other.");
}

void set_prior(CrossProducts& A, int factor, std::vector<double> diagonal, const std::vector<PriorEntry>& entries,
               double logdet) {
  FactorBlock& block = A.factors.at(static_cast<std::size_t>(factor));
  if (diagonal.size() != static_cast<std::size_t>(block.levels))
    throw std::invalid_argument("A prior precision has one diagonal entry for every level of its factor.");
  if (!std::isfinite(logdet) || !std::all_of(diagonal.begin(), diagonal.end(), [](double d) { return d > 0; }))
    throw std::invalid_argument("A prior precision is positive definite.");
  const auto own = std::find_if(A.pairs.begin(), A.pairs.end(),
                                [&](const PairBlock& pair) { return pair.a == factor && pair.b == factor; });
  std::vector<double> values(own == A.pairs.end() ? 0 : own->level_b.size(), 0.0);
  for (auto [l, m, value] : entries) {
    if (l > m) std::swap(l, m);
    const bool inside = l >= 0 && m < block.levels && l != m && own != A.pairs.end();
    const std::int64_t at = inside ? find_pair(own->start.data(), own->level_b.data(), l, m) : -1;
    if (at < 0)
      throw std::invalid_argument("The pattern does not tie levels " + std::to_string(l) + " and " + std::to_string(m) +
                                  " of the factor; see with_ties.");
    values[static_cast<std::size_t>(at)] += value;
  }
  block.prior = {std::move(diagonal), std::move(values), logdet};
}

CrossProducts on_pattern(const CrossProducts& A, std::shared_ptr<const Pattern> pattern) {
  CrossProducts out = A;
  take_pattern(std::move(pattern), out);
  for (PairBlock& to : out.pairs) {
    Prior& prior = out.factors[to.a].prior;
    if (to.a == to.b && !prior.diagonal.empty()) prior.pairs.assign(to.level_b.size(), 0.0);
  }
  for (const PairBlock& from : A.pairs) {
    const auto to = std::find_if(out.pairs.begin(), out.pairs.end(),
                                 [&](const PairBlock& pair) { return pair.a == from.a && pair.b == from.b; });
    const std::int64_t size = std::int64_t{A.factors[from.a].width} * A.factors[from.b].width;
    const Prior& prior = A.factors[from.a].prior;
    const bool with_prior = from.a == from.b && !prior.diagonal.empty();
    for (std::int32_t l = 0; l < A.factors[from.a].levels; ++l) {
      check_interrupt(static_cast<double>((from.start[l + 1] - from.start[l]) * (size + 20)));
      for (std::int64_t t = from.start[l]; t < from.start[l + 1]; ++t) {
        const std::int64_t at =
            to == out.pairs.end() ? -1 : find_pair(to->start.data(), to->level_b.data(), l, from.level_b[t]);
        if (at < 0) throw std::invalid_argument("The pattern does not have all pairs of the cross-products.");
        std::copy_n(from.values.data() + t * size, size, to->values.data() + at * size);
        if (with_prior) out.factors[from.a].prior.pairs[at] = prior.pairs[t];
      }
    }
  }
  return out;
}

void renew_response(const double* sums, Frame& frame, CrossProducts& A) {
  const int p = A.p, k = A.k();
  for (std::int64_t i = 0; i < A.q; ++i) A.ZtX[i * k + p] = sums[i];
  frame.c.assign(sums + A.q, sums + A.q + p);
  for (int j = 0; j < p; ++j)
    A.XtX[j + static_cast<std::size_t>(p) * k] = A.XtX[p + static_cast<std::size_t>(j) * k] = 0;
  A.XtX.back() = sums[A.q + p];
}

namespace {

// L with L L' = X'WX and c = L^-1 X'Wy, the products taken on to the new frame; false where there is no L.
bool go_on(CrossProducts& A, std::vector<double>& L, std::vector<double>& c) {
  const int p = A.p, k = A.k();
  L = A.XtX;
  if (!blas::potrf('L', p, L.data(), k)) return false;
  c.assign(p, 0.0);
  for (int j = 0; j < p; ++j) c[j] = A.XtX[j + static_cast<std::size_t>(p) * k];
  small::solve_lower(p, k, L.data(), c.data(), 1);
  blas::trsm('L', 'L', 'N', p, static_cast<int>(A.q), L.data(), k, A.ZtX.data(), k);
  for (std::int64_t i = 0; i < A.q; ++i) A.ZtX[i * k + p] -= small::dot(p, A.ZtX.data() + i * k, c.data());
  const double rest = A.XtX.back() - small::dot(p, c.data(), c.data());
  std::fill(A.XtX.begin(), A.XtX.end(), 0.0);
  for (int j = 0; j < p; ++j) A.XtX[static_cast<std::size_t>(j) * (k + 1)] = 1;
  A.XtX.back() = rest;
  for (int j = 0; j < p; ++j) A.logdet_R2 += 2 * std::log(L[static_cast<std::size_t>(j) * (k + 1)]);
  return true;
}

}  // namespace

bool orthonormalize(Frame& frame, CrossProducts& A) {
  const int p = A.p, k = A.k();
  std::vector<double> L, c, R(static_cast<std::size_t>(p) * p, 0.0);
  if (!go_on(A, L, c)) return false;
  for (int j = 0; j < p; ++j)  // L'R and c + L'c
    for (int i = 0; i <= j; ++i)
      for (int l = i; l <= j; ++l)
        R[i + static_cast<std::size_t>(j) * p] +=
            L[l + static_cast<std::size_t>(i) * k] * frame.R[l + static_cast<std::size_t>(j) * p];
  for (int i = 0; i < p; ++i)
    for (int l = i; l < p; ++l) c[i] += L[l + static_cast<std::size_t>(i) * k] * frame.c[l];
  frame.R = std::move(R);
  frame.c = std::move(c);
  return true;
}

OrthonormalProducts::OrthonormalProducts(const CrossProducts& A) : chosen_(&A) {
  constexpr double kExact = 1e-10;  // of sums of many rows' rounding errors
  const int p = A.p;
  const std::size_t k = A.k();
  const double size = std::sqrt(std::max(A.XtX.back(), 0.0));
  bool orthonormal = true;
  for (int c = 0; c < p; ++c) {
    for (int r = 0; r <= c; ++r) orthonormal = orthonormal && std::abs(A.XtX[r + c * k] - (r == c)) < kExact;
    orthonormal = orthonormal && std::abs(A.XtX[c + p * k]) <= kExact * size;
  }
  if (orthonormal) return;
  own_ = A;
  std::vector<double> L, c;
  if (go_on(own_, L, c)) chosen_ = &own_;
}

}  // namespace mixedmodels
