#include "after/leverage.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr std::int64_t kBlock = 256;     // rows held at a time
constexpr std::int64_t kTask = 1 << 13;  // rows of one task

// One thread's view of a row.
class RowReader {
 public:
  RowReader(const ProfiledDeviance& pls, const std::vector<double>& K)
      : rows_(pls.model().rows), A_(*pls.model().A), S_(*pls.model().symbolic), pls_(pls), K_(K) {
    std::size_t width = 0;
    for (const FactorBlock& f : A_.factors) {
      first_.push_back(width);
      width += static_cast<std::size_t>(f.width);
    }
    u_.resize(width);
    level_.resize(A_.factors.size());
  }

  // Reads row i: u = Lambda'z, factor by factor.
  void read(std::int64_t i) {
    for (std::size_t f = 0; f < A_.factors.size(); ++f) {
      const FactorRows& rows_f = rows_.factors[f];
      const int s = A_.factors[f].width;
      const double* lam = pls_.lam()[f].data();
      double* u = u_.data() + first_[f];
      level_[f] = rows_f.codes[i];
      for (int c = 0; c < s; ++c) {
        u[c] = 0;
        for (int r = c; r < s; ++r) u[c] += lam[r + c * s] * rows_f.z[r][i];
      }
    }
  }

  double prior() const { return small::dot(static_cast<int>(u_.size()), u_.data(), u_.data()); }

  // u'M^-1 u.
  double random() const {
    double sum = 0;
    for (std::size_t f = 0; f < A_.factors.size(); ++f) sum += own(f);
    for (std::size_t t = 0; t < A_.pairs.size(); ++t) sum += 2 * pair(t);
    return sum;
  }

  // xt <- x - K'u.
  void subtract_modes(double* x) const {
    for (std::size_t f = 0; f < A_.factors.size(); ++f) {
      const FactorBlock& block = A_.factors[f];
      for (int c = 0; c < block.width; ++c) small::axpy(A_.p, -u_[first_[f] + c], K_.data() + (start(f) + c) * A_.p, x);
    }
  }

  // z'b.
  double random_part(std::int64_t i) const {
    double sum = 0;
    for (std::size_t f = 0; f < A_.factors.size(); ++f)
      for (int c = 0; c < A_.factors[f].width; ++c) sum += rows_.factors[f].z[c][i] * pls_.b()[start(f) + c];
    return sum;
  }

 private:
  std::int64_t start(std::size_t f) const {
    return A_.factors[f].offset + std::int64_t{level_[f]} * A_.factors[f].width;
  }

  double own(std::size_t f) const {
    const FactorBlock& block = A_.factors[f];
    const std::int64_t node = block.first_node + level_[f];
    const double* m = pls_.factor().inverse().data() + S_.diagonal_at[node];  // its lower triangle counts
    const double* u = u_.data() + first_[f];
    double sum = 0;
    for (int c = 0; c < block.width; ++c) {
      const double* column = m + std::int64_t{c} * S_.leading[node];
      sum += column[c] * u[c] * u[c];
      for (int r = c + 1; r < block.width; ++r) sum += 2 * column[r] * u[r] * u[c];
    }
    return sum;
  }

  double pair(std::size_t t) const {
    const PairBlock& block = A_.pairs[t];
    const FactorBlock &a = A_.factors[block.a], &b = A_.factors[block.b];
    const std::int32_t level_a = level_[block.a], level_b = level_[block.b];
    const auto begin = block.level_b.begin() + block.start[level_a];
    const auto end = block.level_b.begin() + block.start[level_a + 1];
    const auto at = S_.pair_at[t][std::lower_bound(begin, end, level_b) - block.level_b.begin()];
    const double* m = pls_.factor().inverse().data() + (at < 0 ? ~at : at);
    const std::int64_t lead = S_.leading[at < 0 ? b.first_node + level_b : a.first_node + level_a];
    const double *ua = u_.data() + first_[block.a], *ub = u_.data() + first_[block.b];
    double sum = 0;
    for (int c = 0; c < a.width; ++c)
      for (int r = 0; r < b.width; ++r) sum += ub[r] * (at < 0 ? m[c + r * lead] : m[r + c * lead]) * ua[c];
    return sum;
  }

  const Rows& rows_;
  const CrossProducts& A_;
  const Symbolic& S_;
  const ProfiledDeviance& pls_;
  const std::vector<double>& K_;
  std::vector<std::size_t> first_;
  std::vector<double> u_;
  std::vector<std::int32_t> level_;
};

}  // namespace

RowValues row_values(ProfiledDeviance& pls, bool directions) {
  const Rows& rows = pls.model().rows;
  const OrthogonalBasis& basis = pls.model().basis;
  const CrossProducts& A = *pls.model().A;
  require_one_level(rows, "What the rows weigh");
  require_independent_levels(A, "What the rows weigh");
  const int p = A.p, k = A.k();
  const auto n = static_cast<std::size_t>(rows.n);
  require_memory("What the rows weigh",
                 {{"modes of the fixed effects", bytes_of_numbers(2.0 * static_cast<double>(A.q) * p)},
                  {"values of the rows", bytes_of_numbers(static_cast<double>(n) * (4 + (directions ? p : 0)))}});
  pls.ensure_inverse();
  const std::vector<double>& K = pls.fixed_modes();
  RowValues out;
  for (auto* v : {&out.random, &out.fixed, &out.prior, &out.residual}) v->resize(n);
  if (directions) out.direction.resize(n * static_cast<std::size_t>(p));
  const auto tasks = static_cast<int>((rows.n + kTask - 1) / kTask);
  pls.factor().workers().run(tasks, [&](int task, int) {
    RowReader reader(pls, K);
    BasisRows basis_rows(rows, basis, static_cast<int>(kBlock));
    std::vector<double> x(static_cast<std::size_t>(std::max(p, 1)));
    const std::int64_t last = std::min(rows.n, (task + 1) * kTask);
    for (std::int64_t first = task * kTask; first < last; first += kBlock) {
      const auto count = static_cast<int>(std::min(kBlock, last - first));
      const double* xy = basis_rows.block(first, count);
      for (int i = 0; i < count; ++i) {
        const std::int64_t row = first + i;
        const double* own = xy + static_cast<std::size_t>(i) * k;
        const double w = rows.w(row), root = std::sqrt(w);
        check_interrupt(2.0 * p * p + 100);
        reader.read(row);
        out.prior[row] = reader.prior();
        out.random[row] = w * reader.random();
        out.residual[row] = root * (own[p] - small::dot(p, own, pls.beta().data()) - reader.random_part(row));
        std::copy_n(own, p, x.data());
        reader.subtract_modes(x.data());
        small::solve_lower(p, k, pls.RX().data(), x.data(), 1);
        out.fixed[row] = w * small::dot(p, x.data(), x.data());
        if (!directions) continue;
        small::solve_upper(p, k, pls.RX().data(), x.data(), 1);
        basis.solve_R(x.data(), 1);
        double* target = out.direction.data() + row * p;
        for (int j = 0; j < p; ++j) target[j] = root * x[j];
      }
    }
  });
  return out;
}

}  // namespace mixedmodels
