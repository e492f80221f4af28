#include "after/prediction.hpp"

#include <algorithm>
#include <array>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kBatch = 64;  // rows solved together

class RowPredictor {
 public:
  RowPredictor(Pls& pls, const double* b, const PredictionRows& rows)
      : pls_(pls),
        b_(b),
        A_(*pls.model().A),
        S_(*pls.model().symbolic),
        rows_(rows),
        K_(pls.fixed_modes()),
        p_(A_.p),
        h_(static_cast<std::size_t>(p_)) {
    for (const FactorBlock& f : A_.factors) {
      start_.push_back(total_);
      total_ += f.width;
    }
    t_.resize(static_cast<std::size_t>(total_));
    pls.ensure_inverse();
  }

  void run(double* random, double* variance) {
    for (std::int64_t i = 0; i < rows_.n; ++i) {
      check_interrupt(1.0 * p_ * (p_ + total_) + 100);
      read(i);
      random[i] = modes(i);
      variance[i] = fixed(i);
      if (!quadratic(i, variance[i])) waiting_.push_back(i);
      if (waiting_.size() == kBatch) solve(variance);
    }
    if (!waiting_.empty()) solve(variance);
  }

 private:
  // t = lam'z of every factor.
  void read(std::int64_t i) {
    for (std::size_t f = 0; f < A_.factors.size(); ++f) {
      const int s = A_.factors[f].width;
      const double *z = rows_.z[f] + i * s, *lam = pls_.lam()[f].data();
      for (int c = 0; c < s; ++c) {
        double sum = 0;
        for (int r = c; r < s; ++r) sum += lam[r + c * s] * z[r];
        t_[start_[f] + c] = sum;
      }
    }
  }

  double* t(std::size_t f) { return t_.data() + start_[f]; }
  bool known(std::size_t f, std::int64_t i) const { return rows_.codes[f][i] >= 0; }
  bool uses(std::size_t f) {
    return std::any_of(t(f), t(f) + A_.factors[f].width, [](double value) { return value != 0; });
  }
  std::int64_t first(std::size_t f, std::int64_t i) const {
    return A_.factors[f].offset + std::int64_t{rows_.codes[f][i]} * A_.factors[f].width;
  }

  double modes(std::int64_t i) const {
    double sum = 0;
    for (std::size_t f = 0; f < A_.factors.size(); ++f)
      if (known(f, i)) sum += small::dot(A_.factors[f].width, rows_.z[f] + i * A_.factors[f].width, b_ + first(f, i));
    return sum;
  }

  // |RX'^-1 (x - K't)|^2.
  double fixed(std::int64_t i) {
    std::copy_n(rows_.x + i * p_, p_, h_.data());
    for (std::size_t f = 0; f < A_.factors.size(); ++f) {
      if (!known(f, i)) continue;
      for (int c = 0; c < A_.factors[f].width; ++c)
        small::axpy(p_, -t(f)[c], K_.data() + (first(f, i) + c) * p_, h_.data());
    }
    const int k = A_.k();
    double sum = 0;
    for (int j = 0; j < p_; ++j) {
      h_[j] /= pls_.RX()[j + static_cast<std::size_t>(j) * k];
      for (int r = j + 1; r < p_; ++r) h_[r] -= pls_.RX()[r + static_cast<std::size_t>(j) * k] * h_[j];
      sum += h_[j] * h_[j];
    }
    return sum;
  }

  // Adds t'M^-1 t; false, and nothing added, when two levels do not meet in the pattern.
  bool quadratic(std::int64_t i, double& out) {
    double sum = 0;
    for (std::size_t f = 0; f < A_.factors.size(); ++f) {
      if (!uses(f)) continue;
      if (!known(f, i)) {
        sum += small::dot(A_.factors[f].width, t(f), t(f));
        continue;
      }
      sum += own(f, i);
      for (std::size_t g = 0; g < f; ++g) {
        if (!uses(g) || !known(g, i)) continue;
        double cross = 0;
        if (!between(f, g, i, cross)) return false;
        sum += 2 * cross;
      }
    }
    out += sum;
    return true;
  }

  double own(std::size_t f, std::int64_t i) {
    const std::int64_t node = A_.factors[f].first_node + rows_.codes[f][i];
    const double* Z = pls_.factor().inverse().data() + S_.diagonal_at[node];
    const int s = A_.factors[f].width;
    double sum = 0;
    for (int c = 0; c < s; ++c) {
      const double* column = Z + std::int64_t{c} * S_.leading[node];
      sum += t(f)[c] * t(f)[c] * column[c];
      for (int r = c + 1; r < s; ++r) sum += 2 * t(f)[r] * t(f)[c] * column[r];
    }
    return sum;
  }

  // t_a'[M^-1]_ab t_b of two levels of different factors; false when the block is not in the pattern.
  bool between(std::size_t a, std::size_t b, std::int64_t i, double& out) {
    int column = S_.position[A_.factors[a].first_node + rows_.codes[a][i]];
    int row = S_.position[A_.factors[b].first_node + rows_.codes[b][i]];
    if (column > row) {
      std::swap(column, row);
      std::swap(a, b);
    }
    const auto after = std::upper_bound(S_.supernodes.begin(), S_.supernodes.end(), column,
                                        [](int at, const Supernode& node) { return at < node.first; });
    const Supernode& node = *std::prev(after);
    int local = row - node.first;
    if (local >= node.width) {
      const int *begin = S_.rows.data() + node.rows, *end = begin + node.below;
      const int* found = std::lower_bound(begin, end, row);
      if (found == end || *found != row) return false;
      local = node.width + static_cast<int>(found - begin);
    }
    const double* Z = pls_.factor().inverse().data() + node.panel + local;
    for (int c = 0; c < A_.factors[a].width; ++c)
      out +=
          t(a)[c] * small::dot(A_.factors[b].width, t(b), Z + std::int64_t{column - node.first + c} * node.leading());
    return true;
  }

  // |L^-1 P t|^2 of the rows that wait.
  void solve(double* variance) {
    const int k = static_cast<int>(waiting_.size());
    rhs_.assign(static_cast<std::size_t>(A_.q) * k, 0.0);
    for (int j = 0; j < k; ++j) {
      const std::int64_t i = waiting_[j];
      read(i);
      for (std::size_t f = 0; f < A_.factors.size(); ++f)
        for (int c = 0; c < A_.factors[f].width; ++c)
          if (known(f, i))
            rhs_[static_cast<std::size_t>(S_.permuted[first(f, i) + c]) * k + j] = t(f)[c];
          else
            variance[i] += t(f)[c] * t(f)[c];
    }
    pls_.factor().solve_L(rhs_.data(), k);
    std::array<double, kBatch> sum{};
    check_interrupt(static_cast<double>(A_.q) * k);
    for (std::int64_t r = 0; r < A_.q; ++r)
      for (int j = 0; j < k; ++j) sum[j] += rhs_[r * k + j] * rhs_[r * k + j];
    for (int j = 0; j < k; ++j) variance[waiting_[j]] += sum[j];
    waiting_.clear();
  }

  Pls& pls_;
  const double* b_;
  const CrossProducts& A_;
  const Symbolic& S_;
  const PredictionRows& rows_;
  const std::vector<double>& K_;  // of the fixed effects
  int p_, total_ = 0;
  std::vector<int> start_;
  std::vector<double> t_, h_, rhs_;
  std::vector<std::int64_t> waiting_;
};

}  // namespace

void predict_rows(Pls& pls, const double* b, const PredictionRows& rows, double* random, double* variance) {
  const double q = static_cast<double>(pls.model().A->q);
  require_memory("The variances of predictions",
                 {{"modes of the fixed effects", bytes_of_numbers(2.0 * q * pls.model().A->p)},
                  {"right-hand sides", bytes_of_numbers(kBatch * q)}});
  RowPredictor(pls, b, rows).run(random, variance);
}

}  // namespace mixedmodels
