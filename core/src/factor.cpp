#include "mixedmodels/factor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "mixedmodels/blas.hpp"
#include "mixedmodels/small.hpp"

namespace mixedmodels {

namespace {

constexpr int kSmallWidth = 12;         // narrower supernodes are eliminated by plain loops
constexpr double kSmallUpdate = 16384;  // updates of fewer multiplications go by plain loops

bool by_blas(const Supernode& node, const Update& u) {
  return static_cast<double>(node.below - u.begin) * (u.end - u.begin) * node.width > kSmallUpdate && node.width > 3;
}

}  // namespace

Factor::Factor(const CrossProducts& A, const Symbolic& symbolic) : A_(A), S_(symbolic) {
  panels_.resize(static_cast<std::size_t>(S_.panel_size));
  std::size_t work = 0;
  for (const Supernode& node : S_.supernodes)
    for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
      const Update& u = S_.updates[t];
      if (by_blas(node, u) && !u.contiguous)
        work = std::max(work, static_cast<std::size_t>(node.below - u.begin) * (u.end - u.begin));
    }
  work_.resize(work);
}

void Factor::assemble(const std::vector<std::vector<double>>& lam) {
  std::fill(panels_.begin(), panels_.end(), 0.0);
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width;
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t node = block.first_node + l;
      double* target = panels_.data() + S_.diagonal_at[node];
      const double* d = block.diagonal.data() + std::int64_t{l} * s * s;
      if (s == 1)
        *target = lam[f][0] * lam[f][0] * *d + 1.0;
      else
        small::add_sandwich(s, s, lam[f].data(), d, lam[f].data(), target, S_.leading[node], true);
    }
  }
  for (std::size_t t = 0; t < A_.pairs.size(); ++t) {
    const PairBlock& pair = A_.pairs[t];
    const FactorBlock &a = A_.factors[pair.a], &b = A_.factors[pair.b];
    const double *lam_a = lam[pair.a].data(), *lam_b = lam[pair.b].data();
    const std::vector<std::int64_t>& at = S_.pair_at[t];
    if (a.width == 1 && b.width == 1) {
      const double scale = lam_a[0] * lam_b[0];
      for (std::size_t e = 0; e < at.size(); ++e) panels_[at[e] < 0 ? ~at[e] : at[e]] = scale * pair.values[e];
      continue;
    }
    const int size = a.width * b.width;
    for (std::int32_t l = 0; l < a.levels; ++l)
      for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
        const double* value = pair.values.data() + e * size;
        if (at[e] >= 0)
          small::add_sandwich(b.width, a.width, lam_b, value, lam_a, panels_.data() + at[e],
                              S_.leading[a.first_node + l], false);
        else
          small::add_sandwich_transposed(b.width, a.width, lam_b, value, lam_a, panels_.data() + ~at[e],
                                         S_.leading[b.first_node + pair.level_b[e]]);
      }
  }
}

bool Factor::renew(const std::vector<std::vector<double>>& lam) {
  assemble(lam);
  for (const Supernode& node : S_.supernodes) {
    if (!eliminate(node)) return false;
    update_ancestors(node);
  }
  return true;
}

bool Factor::eliminate(const Supernode& node) {
  const int w = node.width, ld = node.leading();
  double* P = panels_.data() + node.panel;
  if (w <= kSmallWidth) return small::eliminate(w, ld, P);
  if (!blas::potrf('L', w, P, ld)) return false;
  blas::trsm('R', 'L', 'T', node.below, w, P, ld, P + w, ld);
  return true;
}

// Takes L_R L_R' from the columns of later supernodes, R the rows below.
void Factor::update_ancestors(const Supernode& node) {
  const int w = node.width, ld = node.leading();
  const double* below = panels_.data() + node.panel + w;
  const int* rows = S_.rows.data() + node.rows;
  for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
    const Update& u = S_.updates[t];
    const Supernode& target = S_.supernodes[u.target];
    const int* local = S_.local.data() + u.local;
    double* panel = panels_.data() + target.panel;
    const int columns = u.end - u.begin, count = node.below - u.begin, lead = target.leading();
    if (!by_blas(node, u)) {
      small::subtract_outer(w, ld, below + u.begin, columns, count, local, rows + u.begin, target.first, panel, lead);
      continue;
    }
    const bool direct = u.contiguous;
    double* block = direct ? panel + local[0] + std::int64_t{rows[u.begin] - target.first} * lead : work_.data();
    const int ldb = direct ? lead : count;
    const double alpha = direct ? -1.0 : 1.0, beta = direct ? 1.0 : 0.0;
    blas::syrk('L', 'N', columns, w, alpha, below + u.begin, ld, beta, block, ldb);
    blas::gemm('N', 'T', count - columns, columns, w, alpha, below + u.end, ld, below + u.begin, ld, beta,
               block + columns, ldb);
    if (direct) continue;
    for (int c = 0; c < columns; ++c) {
      double* column = panel + std::int64_t{rows[u.begin + c] - target.first} * lead;
      const double* from = work_.data() + static_cast<std::size_t>(c) * count;
      for (int i = c; i < count; ++i) column[local[i]] -= from[i];
    }
  }
}

double Factor::logdet2() const {
  double sum = 0;
  for (const Supernode& node : S_.supernodes)
    for (int c = 0; c < node.width; ++c) sum += std::log(panels_[node.panel + std::int64_t{c} * (node.leading() + 1)]);
  return 2 * sum;
}

void Factor::reserve_below(std::size_t size) {
  if (below_.size() < size) below_.resize(size);
}

void Factor::solve_L(double* b, int k) {
  if (k == 0) return;
  reserve_below(static_cast<std::size_t>(k) * S_.max_below);
  for (const Supernode& node : S_.supernodes) {
    const int w = node.width, ld = node.leading();
    const double* P = panels_.data() + node.panel;
    const int* rows = S_.rows.data() + node.rows;
    double* own = b + std::int64_t{node.first} * k;
    if (w <= kSmallWidth) {
      small::solve_lower(w, ld, P, own, k);
      for (int c = 0; c < w; ++c) {
        const double *column = P + w + std::int64_t{c} * ld, *x = own + c * k;
        for (int i = 0; i < node.below; ++i) small::axpy(k, -column[i], x, b + std::int64_t{rows[i]} * k);
      }
      continue;
    }
    blas::trsm('R', 'L', 'T', k, w, P, ld, own, k);
    blas::gemm('N', 'T', k, node.below, w, 1.0, own, k, P + w, ld, 0.0, below_.data(), k);
    for (int i = 0; i < node.below; ++i)
      small::axpy(k, -1.0, below_.data() + std::int64_t{i} * k, b + std::int64_t{rows[i]} * k);
  }
}

void Factor::solve_Lt(double* b, int k) {
  if (k == 0) return;
  reserve_below(static_cast<std::size_t>(k) * S_.max_below);
  for (auto it = S_.supernodes.rbegin(); it != S_.supernodes.rend(); ++it) {
    const Supernode& node = *it;
    const int w = node.width, ld = node.leading();
    const double* P = panels_.data() + node.panel;
    const int* rows = S_.rows.data() + node.rows;
    double* own = b + std::int64_t{node.first} * k;
    if (w <= kSmallWidth) {
      for (int c = 0; c < w; ++c) {
        const double* column = P + w + std::int64_t{c} * ld;
        for (int i = 0; i < node.below; ++i) small::axpy(k, -column[i], b + std::int64_t{rows[i]} * k, own + c * k);
      }
      small::solve_upper(w, ld, P, own, k);
      continue;
    }
    for (int i = 0; i < node.below; ++i)
      std::copy_n(b + std::int64_t{rows[i]} * k, k, below_.data() + std::int64_t{i} * k);
    blas::gemm('N', 'N', k, w, node.below, -1.0, below_.data(), k, P + w, ld, 1.0, own, k);
    blas::trsm('R', 'L', 'N', k, w, P, ld, own, k);
  }
}

void Factor::invert() {
  if (inverse_.empty()) {
    inverse_.resize(panels_.size());
    std::size_t size = 0;
    for (const Supernode& node : S_.supernodes)
      size = std::max(size, static_cast<std::size_t>(node.below) * node.width);
    reserve_below(size);
  }
  std::copy(panels_.begin(), panels_.end(), inverse_.begin());
  for (auto it = S_.supernodes.rbegin(); it != S_.supernodes.rend(); ++it) invert_supernode(*it);
}

// With Y = L_R L_J^-1: [M^-1]_RJ = -[M^-1]_RR Y and [M^-1]_JJ = (L_J L_J')^-1 - Y'[M^-1]_RJ.
void Factor::invert_supernode(const Supernode& node) {
  const int w = node.width, m = node.below, ld = node.leading();
  double* Z = inverse_.data() + node.panel;
  double* Y = Z + w;
  if (w <= kSmallWidth) {
    small::divide_lower(w, ld, Z, m);
    small::invert_from_factor(w, ld, Z);
  } else {
    blas::trsm('R', 'L', 'N', m, w, Z, ld, Y, ld);
    blas::potri('L', w, Z, ld);
  }
  if (m == 0) return;
  double* T = below_.data();  // m x w
  std::fill_n(T, static_cast<std::size_t>(m) * w, 0.0);
  multiply_inverse(node, Y, T);
  if (w <= kSmallWidth) {
    for (int c = 0; c < w; ++c)
      for (int r = c; r < w; ++r)
        Z[r + std::int64_t{c} * ld] += small::dot(m, Y + std::int64_t{r} * ld, T + static_cast<std::size_t>(c) * m);
  } else {
    blas::gemm('T', 'N', w, w, m, 1.0, Y, ld, T, m, 1.0, Z, ld);
  }
  for (int c = 0; c < w; ++c)
    for (int i = 0; i < m; ++i) Y[i + std::int64_t{c} * ld] = -T[i + static_cast<std::size_t>(c) * m];
}

// out += [M^-1]_RR y for the rows R below a supernode, read from the later panels; y has the panel's leading dimension.
void Factor::multiply_inverse(const Supernode& node, const double* y, double* out) {
  const int w = node.width, m = node.below, ld = node.leading();
  const int* rows = S_.rows.data() + node.rows;
  for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
    const Update& u = S_.updates[t];
    const Supernode& target = S_.supernodes[u.target];
    const int* local = S_.local.data() + u.local;
    const double* panel = inverse_.data() + target.panel;
    const int columns = u.end - u.begin, count = m - u.begin, lead = target.leading();
    if (!by_blas(node, u)) {
      small::multiply_symmetric(w, columns, count, local, rows + u.begin, target.first, panel, lead, y + u.begin, ld,
                                out + u.begin, m);
      continue;
    }
    const double* block = panel + local[0] + std::int64_t{rows[u.begin] - target.first} * lead;
    int ldb = lead;
    if (!u.contiguous) {
      for (int c = 0; c < columns; ++c) {
        const double* column = panel + std::int64_t{rows[u.begin + c] - target.first} * lead;
        double* to = work_.data() + static_cast<std::size_t>(c) * count;
        for (int i = c; i < count; ++i) to[i] = column[local[i]];
      }
      block = work_.data();
      ldb = count;
    }
    blas::symm('L', 'L', columns, w, 1.0, block, ldb, y + u.begin, ld, 1.0, out + u.begin, m);
    blas::gemm('N', 'N', count - columns, w, columns, 1.0, block + columns, ldb, y + u.begin, ld, 1.0, out + u.end, m);
    blas::gemm('T', 'N', columns, w, count - columns, 1.0, block + columns, ldb, y + u.end, ld, 1.0, out + u.begin, m);
  }
}

}  // namespace mixedmodels
