#include "generalized/weighted_rows.hpp"

#include <algorithm>

#include "kernels/instruction_sets.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"
#include "products/codes.hpp"

namespace mixedmodels {

namespace {

constexpr int kBlock = WeightedRows::kRowsOfBlock;

std::vector<std::int32_t> order_by_largest(const Rows& rows) {
  const auto largest = std::max_element(rows.factors.begin(), rows.factors.end(),
                                        [](const FactorRows& a, const FactorRows& b) { return a.levels < b.levels; });
  if (largest == rows.factors.end()) return {};
  return rows_by_level(largest->codes, largest->levels, rows.n).row_order;
}

void require_room(const Rows& rows, int p) {
  double numbers = 4.0 + p;
  for (const FactorRows& f : rows.factors) numbers += 1 + f.width();
  require_memory("The rows of the model",
                 {{"columns in the order of the levels", bytes_of_numbers(numbers * static_cast<double>(rows.n))}});
}

MIXEDMODELS_CLONES double weighted_dot(int n, const double* x, const double* y) {
  double sum = 0;
  MIXEDMODELS_STRANDS(sum)
  for (int i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// The upper triangle (p columns, `leading` apart) of X'WX of a block of rows, added.
MIXEDMODELS_CLONES void add_squares(int count, int p, const double* x, const double* w, int leading, double* sums) {
  double wx[kBlock];
  for (int c = 0; c < p; ++c) {
    const double* column = x + c * kBlock;
    for (int i = 0; i < count; ++i) wx[i] = w[i] * column[i];
    for (int r = 0; r <= c; ++r) {
      const double* other = x + r * kBlock;
      double sum = 0;
      MIXEDMODELS_STRANDS(sum)
      for (int i = 0; i < count; ++i) sum += wx[i] * other[i];
      sums[r + static_cast<std::size_t>(c) * leading] += sum;
    }
  }
}

// Loops over blocks of rows: body(first row, rows in it).
template <typename Body>
void each_block(std::int64_t n, int work, Body&& body) {
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const int count = static_cast<int>(std::min<std::int64_t>(kBlock, n - first));
    check_interrupt(1.0 * count * work);
    body(first, count);
  }
}

// Loops over rows in strips, with `work` operations a row.
template <typename Row>
void each_row(std::int64_t n, int work, Row&& row) {
  in_strips(n, work, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) row(i);
  });
}

}  // namespace

WeightedRows::WeightedRows(const Model& model, const Column& offset)
    : n_(model.rows.n), q_(model.A->q), p_(model.basis.p()), order_(order_by_largest(model.rows)) {
  const Rows& rows = model.rows;
  require_one_level(rows, "A generalized model");
  require_room(rows, p_);
  const auto place = [&](std::int64_t i) { return order_.empty() ? i : std::int64_t{order_[i]}; };
  if (offset.base) offset_ = sorted(offset);
  for (std::size_t f = 0; f < rows.factors.size(); ++f) {
    const FactorRows& from = rows.factors[f];
    const FactorBlock& block = model.A->factors[f];
    Factor to{block.width, block.offset, std::vector<std::int32_t>(n_), {}};
    for (std::int64_t i = 0; i < n_; ++i) to.codes[i] = from.codes[place(i)];
    const bool constant = from.width() == 1 && from.z[0].stride == 0;
    if (constant && n_ > 0) to.constant = from.z[0][0];
    if (!constant) {
      to.z.resize(static_cast<std::size_t>(n_) * block.width);
      for (std::int64_t i = 0; i < n_; ++i)
        for (int c = 0; c < block.width; ++c) to.z[i * block.width + c] = from.z[c][place(i)];
      if (block.width == 1 && std::all_of(to.z.begin(), to.z.end(), [&](double z) { return z == to.z[0]; })) {
        to.constant = n_ > 0 ? to.z[0] : 1;
        to.z.clear();
      }
    }
    factors_.push_back(std::move(to));
  }
  for (const PairBlock& block : model.A->pairs) {
    Pair pair{block.a, block.b, std::vector<std::int32_t>(n_)};
    const std::int32_t *a = factors_[block.a].codes.data(), *b = factors_[block.b].codes.data();
    each_row(n_, 20, [&](std::int64_t i) {
      pair.at[i] = static_cast<std::int32_t>(find_pair(block.start.data(), block.level_b.data(), a[i], b[i]));
    });
    pairs_.push_back(std::move(pair));
  }
  x_.resize(static_cast<std::size_t>((n_ + kBlock - 1) / kBlock * kBlock) * p_);
  if (p_ == 0) return;
  std::vector<std::int64_t> list(n_);
  for (std::int64_t i = 0; i < n_; ++i) list[i] = place(i);
  BasisRows basis(rows, model.basis, static_cast<int>(std::min<std::int64_t>(kBlock, n_)));
  each_block(n_, p_ * p_, [&](std::int64_t first, int count) {
    const double* from = basis.block(RowList{list.data()}, first, count);
    double* to = x_.data() + first * p_;
    for (int i = 0; i < count; ++i)
      for (int j = 0; j < p_; ++j) to[j * kBlock + i] = from[std::int64_t{i} * (p_ + 1) + j];
  });
}

std::vector<double> WeightedRows::sorted(const Column& column) const {
  std::vector<double> out(n_);
  for (std::int64_t i = 0; i < n_; ++i) out[i] = column[order_.empty() ? i : std::int64_t{order_[i]}];
  return out;
}

std::vector<double> WeightedRows::unsorted(const std::vector<double>& values) const {
  if (order_.empty()) return values;
  std::vector<double> out(n_);
  for (std::int64_t i = 0; i < n_; ++i) out[order_[i]] = values[i];
  return out;
}

void WeightedRows::predict(const double* b, const double* beta, bool with_offset, double* eta) const {
  if (with_offset && !offset_.empty())
    std::copy(offset_.begin(), offset_.end(), eta);
  else
    std::fill_n(eta, n_, 0.0);
  if (p_ > 0)
    each_block(n_, p_, [&](std::int64_t first, int count) {
      const double* x = x_.data() + first * p_;
      for (int j = 0; j < p_; ++j) small::axpy(count, beta[j], x + j * kBlock, eta + first);
    });
  for (const Factor& f : factors_) {
    const double* own = b + f.offset;
    if (f.z.empty()) {
      each_row(n_, 1, [&](std::int64_t i) { eta[i] += f.constant * own[f.codes[i]]; });
      continue;
    }
    each_row(n_, f.width, [&](std::int64_t i) {
      eta[i] += small::dot(f.width, f.row(i), own + std::int64_t{f.codes[i]} * f.width);
    });
  }
}

void WeightedRows::add_levels(const Factor& f, const double* w, double* diagonal) const {
  if (f.z.empty()) {
    const double square = f.constant * f.constant;
    each_row(n_, 1, [&](std::int64_t i) { diagonal[f.codes[i]] += square * w[i]; });
    return;
  }
  const int s = f.width;
  each_row(n_, s * s, [&](std::int64_t i) {
    const double* z = f.row(i);
    double* d = diagonal + std::int64_t{f.codes[i]} * s * s;
    for (int c = 0; c < s; ++c) small::axpy(s, w[i] * z[c], z, d + c * s);
  });
}

void WeightedRows::add_pairs(const Pair& pair, const double* w, double* values) const {
  const Factor &a = factors_[pair.a], &b = factors_[pair.b];
  const int sa = a.width, sb = b.width;
  if (a.z.empty() && b.z.empty()) {
    const double product = a.constant * b.constant;
    each_row(n_, 1, [&](std::int64_t i) { values[pair.at[i]] += product * w[i]; });
    return;
  }
  each_row(n_, sa * sb, [&](std::int64_t i) {
    const double *za = a.row(i), *zb = b.row(i);
    double* v = values + std::int64_t{pair.at[i]} * sa * sb;
    for (int c = 0; c < sa; ++c) small::axpy(sb, w[i] * za[c], zb, v + c * sb);
  });
}

void WeightedRows::renew_random(const double* w, CrossProducts& A) const {
  for (std::size_t f = 0; f < factors_.size(); ++f) {
    std::fill(A.factors[f].diagonal.begin(), A.factors[f].diagonal.end(), 0.0);
    add_levels(factors_[f], w, A.factors[f].diagonal.data());
  }
  for (std::size_t t = 0; t < pairs_.size(); ++t) {
    std::fill(A.pairs[t].values.begin(), A.pairs[t].values.end(), 0.0);
    add_pairs(pairs_[t], w, A.pairs[t].values.data());
  }
}

void WeightedRows::renew_fixed(const double* w, CrossProducts& A) const {
  const int k = A.k();
  for (std::int64_t i = 0; i < A.q; ++i) std::fill_n(A.ZtX.data() + i * k, p_, 0.0);
  for (const Factor& f : factors_)
    each_block(n_, f.width * p_, [&](std::int64_t first, int count) {
      const double* x = x_.data() + first * p_;
      for (int i = 0; i < count; ++i) {
        const double* z = f.row(first + i);
        double* target = A.ZtX.data() + (f.offset + std::int64_t{f.codes[first + i]} * f.width) * k;
        for (int c = 0; c < f.width; ++c) {
          const double wz = w[first + i] * z[c];
          for (int j = 0; j < p_; ++j) target[c * k + j] += wz * x[j * kBlock + i];
        }
      }
    });
  renew_fixed_squares(w, A);
}

void WeightedRows::renew_fixed_squares(const double* w, CrossProducts& A) const {
  const int k = A.k();
  for (int c = 0; c < p_; ++c) std::fill_n(A.XtX.data() + std::size_t(c) * k, c + 1, 0.0);
  each_block(n_, p_ * p_ / 2, [&](std::int64_t first, int count) {
    add_squares(count, p_, x_.data() + first * p_, w + first, k, A.XtX.data());
  });
  for (int c = 0; c < p_; ++c)
    for (int r = 0; r < c; ++r) A.XtX[c + std::size_t(r) * k] = A.XtX[r + std::size_t(c) * k];
}

void WeightedRows::sum_random(const double* s, double* Zts) const {
  std::fill_n(Zts, q_, 0.0);
  for (const Factor& factor : factors_) {
    double* own = Zts + factor.offset;
    if (factor.z.empty()) {
      each_row(n_, 1, [&](std::int64_t i) { own[factor.codes[i]] += factor.constant * s[i]; });
      continue;
    }
    each_row(n_, factor.width, [&](std::int64_t i) {
      small::axpy(factor.width, s[i], factor.row(i), own + std::int64_t{factor.codes[i]} * factor.width);
    });
  }
}

void WeightedRows::sum_fixed(const double* s, double* Xts) const {
  std::fill_n(Xts, p_, 0.0);
  each_block(n_, p_, [&](std::int64_t first, int count) {
    const double* x = x_.data() + first * p_;
    for (int j = 0; j < p_; ++j) Xts[j] += weighted_dot(count, s + first, x + j * kBlock);
  });
}

void WeightedRows::quadratic(const std::vector<std::vector<double>>& levels,
                             const std::vector<std::vector<double>>& pairs, double* out) const {
  std::fill_n(out, n_, 0.0);
  for (std::size_t f = 0; f < factors_.size(); ++f) {
    const Factor& factor = factors_[f];
    const int s = factor.width;
    each_row(n_, s * s, [&](std::int64_t i) {
      const double *z = factor.row(i), *C = levels[f].data() + std::int64_t{factor.codes[i]} * s * s;
      for (int c = 0; c < s; ++c) out[i] += z[c] * small::dot(s, C + c * s, z);
    });
  }
  for (std::size_t t = 0; t < pairs_.size(); ++t) {
    const Pair& pair = pairs_[t];
    const Factor &a = factors_[pair.a], &b = factors_[pair.b];
    const int size = a.width * b.width;
    each_row(n_, size, [&](std::int64_t i) {
      const double *za = a.row(i), *zb = b.row(i), *C = pairs[t].data() + std::int64_t{pair.at[i]} * size;
      for (int c = 0; c < a.width; ++c) out[i] += 2 * za[c] * small::dot(b.width, C + c * b.width, zb);
    });
  }
}

}  // namespace mixedmodels
