#include "generalized/components.hpp"

#include <algorithm>

#include "criterion/connected.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

std::size_t square(int q) { return static_cast<std::size_t>(q) * q; }

// in <- in', q x q.
void transpose(int q, double* in) {
  for (int c = 0; c < q; ++c)
    for (int r = 0; r < c; ++r)
      std::swap(in[r + static_cast<std::size_t>(c) * q], in[c + static_cast<std::size_t>(r) * q]);
}

}  // namespace

Components::Components(const LevelGraph& graph, const CrossProducts& A, const WeightedRows& rows)
    : nodes_(components(graph)), place_(graph.nodes) {
  std::vector<int> owner(graph.nodes);
  for (std::size_t c = 0; c < nodes_.size(); ++c) {
    int at = 0;
    for (int node : nodes_[c]) {
      owner[node] = static_cast<int>(c);
      place_[node] = at;
      at += graph.weight[node];
    }
    sizes_.push_back(at);
    largest_ = std::max(largest_, at);
  }
  row_start_.assign(nodes_.size() + 1, 0);
  if (A.factors.empty()) return;
  const std::int32_t* codes = rows.codes(0);
  const std::int64_t first = A.factors[0].first_node;
  for (std::int64_t i = 0; i < rows.n(); ++i) ++row_start_[owner[first + codes[i]] + 1];
  for (std::size_t c = 0; c < nodes_.size(); ++c) row_start_[c + 1] += row_start_[c];
  row_list_.resize(rows.n());
  std::vector<std::int64_t> next(row_start_);
  for (std::int64_t i = 0; i < rows.n(); ++i) row_list_[next[owner[first + codes[i]]]++] = i;
}

DenseComponent::DenseComponent(const CrossProducts& A, const WeightedRows& rows, const Components& components)
    : all_(A), rows_(rows), components_(components) {}

bool DenseComponent::assign(std::size_t c, const Squares& lam) {
  c_ = c;
  q_ = components_.size(c);
  levels_.clear();
  std::size_t f = 0;
  for (int node : components_.nodes(c)) {
    while (node >= all_.factors[f].first_node + all_.factors[f].levels) ++f;
    const FactorBlock& block = all_.factors[f];
    levels_.push_back({static_cast<int>(f), components_.place(node), block.width,
                       block.offset + (node - block.first_node) * block.width});
  }
  fill();
  const auto stride = static_cast<std::size_t>(q_) + 1;
  inverse_ = A_;
  apply(lam, true, inverse_.data(), q_);
  transpose(q_, inverse_.data());
  apply(lam, true, inverse_.data(), q_);
  for (int i = 0; i < q_; ++i) inverse_[i * stride] += 1;
  if (!blas::potrf('L', q_, inverse_.data(), q_) || !blas::potri('L', q_, inverse_.data(), q_)) return false;
  for (int col = 0; col < q_; ++col)
    for (int r = 0; r < col; ++r)
      inverse_[r + static_cast<std::size_t>(col) * q_] = inverse_[col + static_cast<std::size_t>(r) * q_];
  covariance_ = inverse_;
  apply(lam, false, covariance_.data(), q_);
  transpose(q_, covariance_.data());
  apply(lam, false, covariance_.data(), q_);
  return true;
}

// Z'WZ of the component.
void DenseComponent::fill() {
  A_.assign(square(q_), 0.0);
  const auto put = [&](int row, int column, int rows, int columns, const double* from) {
    for (int c = 0; c < columns; ++c)
      for (int r = 0; r < rows; ++r) {
        A_[row + r + static_cast<std::size_t>(column + c) * q_] = from[r + c * rows];
        A_[column + c + static_cast<std::size_t>(row + r) * q_] = from[r + c * rows];
      }
  };
  for (const Level& level : levels_) {
    const FactorBlock& block = all_.factors[level.factor];
    put(level.first, level.first, level.width, level.width,
        block.diagonal.data() + (level.effect - block.offset) * level.width);
  }
  for (const PairBlock& pair : all_.pairs)
    for (const Level& level : levels_) {
      if (level.factor != pair.a) continue;
      const FactorBlock &a = all_.factors[pair.a], &b = all_.factors[pair.b];
      const std::int64_t l = (level.effect - a.offset) / a.width;
      for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e)
        put(components_.place(b.first_node + pair.level_b[e]), level.first, b.width, a.width,
            pair.values.data() + e * a.width * b.width);
    }
}

void DenseComponent::apply(const Squares& lam, bool transposed, double* x, int k) const {
  check_interrupt(2.0 * q_ * k);
  double out[16];
  std::vector<double> wide;
  for (const Level& level : levels_) {
    const int s = level.width;
    const double* square = lam[level.factor].data();
    double* to = out;
    if (s > 16) {
      wide.resize(s);
      to = wide.data();
    }
    for (int j = 0; j < k; ++j) {
      double* own = x + level.first + static_cast<std::size_t>(j) * q_;
      for (int r = 0; r < s; ++r) {
        to[r] = 0;
        for (int i = 0; i < s; ++i) to[r] += (transposed ? square[i + r * s] : square[r + i * s]) * own[i];
      }
      std::copy_n(to, s, own);
    }
  }
}

double DenseComponent::dot(std::int64_t row, const double* x) const {
  double sum = 0;
  for_each_effect(row, [&](int place, int width, const double* z) { sum += small::dot(width, z, x + place); });
  return sum;
}

void DenseComponent::add(std::int64_t row, double a, double* x) const {
  for_each_effect(row, [&](int place, int width, const double* z) { small::axpy(width, a, z, x + place); });
}

}  // namespace mixedmodels
