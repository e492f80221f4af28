#include "criterion/ztviz.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/dense_inverse.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Squared pivot of a template, in units of a level's information, above which its inverse is accurate.
constexpr double kSafe = 1e-2;
// Largest squared template in these units for which Z'V^-1Z is computed: kLargest if all are invertible, else kLarge.
constexpr double kLargest = 1e10, kLarge = 1e5;
constexpr int kSmall = 12;      // columns above which BLAS is called
constexpr int kColumns = 64;    // of U in one task
constexpr int kReadable = 200;  // rows of the rest from which on work is shared and M^-1 read in place

std::vector<double> inverse_template(int s, std::vector<double> lam) {
  small::invert_lower(s, s, lam.data());
  return lam;
}

// A template squared, in units of the information of a level: its pivots, and its entries row by row.
struct Size {
  double smallest, largest;
};

Size size_of(const FactorBlock& block, const std::vector<double>& lam) {
  const std::int64_t s = block.width, size = s * s;
  Size out{std::numeric_limits<double>::infinity(), 0};
  for (std::int64_t r = 0; r < s; ++r) {
    double known = 0, row = 0;
    for (std::int32_t l = 0; l < block.levels; ++l) known += block.diagonal[l * size + r * (s + 1)];
    known /= block.levels;
    for (std::int64_t c = 0; c <= r; ++c) row += lam[r + c * s] * lam[r + c * s];
    out.smallest = std::min(out.smallest, lam[r * (s + 1)] * lam[r * (s + 1)] * known);
    out.largest = std::max(out.largest, row * known);
  }
  return out;
}

}  // namespace

bool keeps_digits(const CrossProducts& A, const Templates& lam) {
  if (A.has_prior() || A.pattern->has_own_pairs()) return false;  // the levels of the lead must be independent
  bool safe = true;
  double largest = 0;
  for (std::size_t f = 0; f < lam.size(); ++f) {
    const Size size = size_of(A.factors[f], lam[f]);
    safe = safe && size.smallest > kSafe;
    largest = std::max(largest, size.largest);
  }
  return largest < (safe ? kLargest : kLarge);
}

ZtViZ::ZtViZ(ProfiledDeviance& pls, bool alone)
    : A_(*pls.model().A),
      lam_(pls.lam()),
      pls_(alone ? &pls : nullptr),
      place_(static_cast<std::size_t>(A_.nodes)),
      layout_(A_, {}) {
  const Templates& lam = lam_;
  for (std::size_t f = 0; f < lam.size(); ++f) {
    const int s = A_.factors[f].width;
    divides_.push_back(size_of(A_.factors[f], lam[f]).smallest > kSafe);
    transposed_lam_.emplace_back(lam[f].size());
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) transposed_lam_[f][r + c * s] = lam[f][c + r * s];
    inverse_lam_.emplace_back(divides_[f] ? inverse_template(s, lam[f]) : std::vector<double>{});
    inverse_of_S_.emplace_back(divides_[f] ? lam[f].size() : 0, 0.0);
    if (divides_[f])
      blocks::add_transposed_product(s, s, s, inverse_lam_[f].data(), inverse_lam_[f].data(), inverse_of_S_[f].data());
  }
}

void ZtViZ::renew(const std::vector<int>& nodes, Workers& workers) {
  layout_.assign(A_, nodes);
  rest_levels_.clear();
  divides_rest_ = true;
  for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
    const Layout::Part& part = layout_.parts[f];
    for (std::size_t i = 0; i < part.levels.size(); ++i) {
      const int at = part.first + static_cast<int>(i) * part.width;
      place_[A_.factors[f].first_node + part.levels[i]] = at;
      if (static_cast<int>(f) == layout_.lead) continue;
      rest_levels_.push_back({static_cast<int>(f), part.width, at - layout_.own});
      divides_rest_ = divides_rest_ && divides_[f];
    }
  }
  read_ = divides_rest_ && read_inverse();
  collect_links();
  if (!read_) collect_rest();
  eliminate_lead();
  eliminate_rest(workers);
}

// start_, found_: the links of the lead's levels, in the order of the component's nodes.
void ZtViZ::find_links() {
  const Layout::Part& lead = layout_.parts[layout_.lead];
  const int s = lead.width, own = layout_.own;
  const auto for_each = [&](auto visit) {
    for (const PairBlock& pair : A_.pairs) {
      if (pair.a != layout_.lead && pair.b != layout_.lead) continue;
      const FactorBlock &a = A_.factors[pair.a], &b = A_.factors[pair.b];
      for (std::int32_t l : layout_.parts[pair.a].levels)
        for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
          const int of_a = place_[a.first_node + l], of_b = place_[b.first_node + pair.level_b[e]];
          const double* values = pair.values.data() + e * a.width * b.width;
          if (pair.a == layout_.lead)
            visit(of_a / s, Link{of_b - own, b.width, values, false});
          else
            visit(of_b / s, Link{of_a - own, a.width, values, true});
        }
    }
  };
  start_.assign(lead.levels.size() + 2, 0);
  for_each([&](int level, const Link&) { ++start_[level + 2]; });
  std::partial_sum(start_.begin(), start_.end(), start_.begin());
  found_.resize(start_.back());
  for_each([&](int level, const Link& link) { found_[start_[level + 1]++] = link; });
}

// links_ <- A_21 where it is not zero, batch by batch.
void ZtViZ::collect_links() {
  find_links();
  Layout::Part& lead = layout_.parts[layout_.lead];
  const int s = lead.width, levels = static_cast<int>(lead.levels.size());
  batches_.clear();
  index_.clear();
  links_.clear();
  if (found_.empty()) {
    batches_.push_back({0, levels, 0, 0, 0});
    return;
  }
  // Levels with the same rows come together when they are ordered by a number made of these.
  std::vector<std::pair<std::uint64_t, int>> order;
  for (int level = 0; level < levels; ++level) {
    std::uint64_t key = 0;
    for (std::size_t e = start_[level]; e < start_[level + 1]; ++e)
      key = (key ^ static_cast<std::uint64_t>(found_[e].row + 1)) * 0x9E3779B97F4A7C15u;
    order.emplace_back(key, level);
  }
  std::sort(order.begin(), order.end());
  const auto same_rows = [&](int i, int j) {
    return std::equal(found_.begin() + start_[i], found_.begin() + start_[i + 1], found_.begin() + start_[j],
                      found_.begin() + start_[j + 1], [](const Link& x, const Link& y) { return x.row == y.row; });
  };
  std::vector<std::int32_t> sorted;
  for (int i = 0; i < levels; ++i) {
    const int level = order[i].second;
    sorted.push_back(lead.levels[level]);
    place_[A_.factors[layout_.lead].first_node + lead.levels[level]] = i * s;
    if (i == 0 || !same_rows(order[i - 1].second, level)) {
      batches_.push_back({i, i, 0, index_.size(), links_.size()});
      for (std::size_t e = start_[level]; e < start_[level + 1]; ++e)
        for (int r = 0; r < found_[e].width; ++r) index_.push_back(found_[e].row + r);
      batches_.back().count = static_cast<int>(index_.size() - batches_.back().rows);
    }
    ++batches_.back().last;
    for (int c = 0; c < s; ++c)
      for (std::size_t e = start_[level]; e < start_[level + 1]; ++e)
        for (int r = 0; r < found_[e].width; ++r)
          links_.push_back(found_[e].by_lead ? found_[e].values[c + r * s] : found_[e].values[r + c * found_[e].width]);
  }
  lead.levels = std::move(sorted);
}

// F_ <- A_22, of which the lower triangle.
void ZtViZ::collect_rest() {
  const int rest = layout_.rest, own = layout_.own;
  F_.assign(static_cast<std::size_t>(rest) * rest, 0.0);
  auto column = [&](int c) { return F_.data() + static_cast<std::size_t>(c) * rest; };
  for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
    if (static_cast<int>(f) == layout_.lead) continue;
    const int s = layout_.parts[f].width;
    for (std::int32_t l : layout_.parts[f].levels) {
      const double* d = A_.factors[f].diagonal.data() + std::int64_t{l} * s * s;
      const int first = place_[A_.factors[f].first_node + l] - own;
      for (int c = 0; c < s; ++c) std::copy_n(d + c * s, s, column(first + c) + first);
    }
  }
  for (const PairBlock& pair : A_.pairs) {
    if (pair.a == layout_.lead || pair.b == layout_.lead) continue;
    const int sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
    for (std::int32_t l : layout_.parts[pair.a].levels)
      for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
        const double* v = pair.values.data() + e * sa * sb;
        const int col = place_[A_.factors[pair.a].first_node + l] - own,
                  row = place_[A_.factors[pair.b].first_node + pair.level_b[e]] - own;
        for (int c = 0; c < sa; ++c) std::copy_n(v + c * sb, sb, column(col + c) + row);
      }
  }
}

// Level by level with J J' = lam (lam'A_11 lam + I)^-1 lam' = K: B_ = A_11 - A_11 K A_11, links_ <- A_21 (I - K A_11) =
// E' and F_ <- F_ - A_21 K A_12.
void ZtViZ::eliminate_lead() {
  const Layout::Part& part = layout_.parts[layout_.lead];
  const int s = part.width, size = s * s;
  const double* lam = lam_[layout_.lead].data();
  B_.assign(part.levels.size() * size, 0.0);
  AL_.resize(size);
  for (const Batch& batch : batches_) {
    const int k = batch.count, height = 2 * s + k;
    const std::size_t block = static_cast<std::size_t>(k) * s;
    half_.resize(std::max(half_.size(), block * (batch.last - batch.first)));
    for (int i = batch.first; i < batch.last; ++i) {
      check_interrupt(4.0 * height * s * s);
      const double* A = A_.factors[layout_.lead].diagonal.data() + std::int64_t{part.levels[i]} * size;
      double *C = links_.data() + batch.at + (i - batch.first) * block,
             *B = B_.data() + static_cast<std::size_t>(i) * size;
      // [lam'A_11 lam + I; A_11 lam; A_21 lam], eliminated, is [L; A_11 J; A_21 J].
      std::fill_n(AL_.data(), size, 0.0);
      blocks::add_product(s, s, s, A, lam, AL_.data());
      panel_.assign(static_cast<std::size_t>(height) * s, 0.0);
      for (int c = 0; c < s; ++c) {
        double* column = panel_.data() + static_cast<std::size_t>(c) * height;
        for (int r = 0; r < s; ++r) column[r] = (r == c) + small::dot(s - r, lam + r * (s + 1), AL_.data() + r + c * s);
        std::copy_n(AL_.data() + c * s, s, column + s);
        for (int j = c; j < s; ++j) small::axpy(k, lam[j + c * s], C + static_cast<std::size_t>(j) * k, column + 2 * s);
      }
      small::eliminate(s, height, panel_.data());
      double* J = half_.data() + (i - batch.first) * block;
      for (int c = 0; c < s; ++c)
        std::copy_n(panel_.data() + 2 * s + static_cast<std::size_t>(c) * height, k, J + c * k);
      if (divides_[layout_.lead]) {
        divide_lead(panel_.data(), height, k, B, C);
        continue;
      }
      std::copy_n(A, size, B);
      for (int j = 0; j < s; ++j) {
        const double* AJ = panel_.data() + static_cast<std::size_t>(j) * height + s;
        for (int c = 0; c < s; ++c) {
          small::axpy(s, -AJ[c], AJ, B + c * s);
          small::axpy(k, -AJ[c], AJ + s, C + static_cast<std::size_t>(c) * k);
        }
      }
    }
    if (!read_) subtract_from_rest(batch, half_.data());
  }
}

// From the factor L of M of one level: B = lam'^-1 (I - M^-1) lam^-1 and C <- C lam M^-1 lam^-1.
void ZtViZ::divide_lead(const double* L, int height, int k, double* B, double* C) {
  const int s = layout_.parts[layout_.lead].width, size = s * s;
  const double *lam = lam_[layout_.lead].data(), *over = inverse_lam_[layout_.lead].data();
  divided_.assign(3 * static_cast<std::size_t>(size), 0.0);
  double *inverse = divided_.data(), *half = inverse + size, *W = half + size;
  for (int c = 0; c < s; ++c) std::copy_n(L + static_cast<std::size_t>(c) * height, s, inverse + c * s);
  small::invert_from_factor(s, s, inverse);
  mirror(s, inverse);
  blocks::add_product(s, s, s, inverse, over, half);
  blocks::add_product(s, s, s, lam, half, W);
  for (int i = 0; i < size; ++i) half[i] = over[i] - half[i];
  blocks::add_transposed_product(s, s, s, over, half, B);
  if (k == 0) return;
  scratch_.assign(C, C + static_cast<std::size_t>(k) * s);
  std::fill_n(C, static_cast<std::size_t>(k) * s, 0.0);
  blocks::add_product(k, s, s, scratch_.data(), W, C);
}

// F <- F - J J' on the rows of a batch.
void ZtViZ::subtract_from_rest(const Batch& batch, const double* J) {
  const int k = batch.count, columns = (batch.last - batch.first) * layout_.parts[layout_.lead].width;
  const int* rows = index_.data() + batch.rows;
  auto column = [&](int c) { return F_.data() + static_cast<std::size_t>(rows[c]) * layout_.rest; };
  if (k <= kSmall) {
    check_interrupt(1.0 * k * k * columns);
    for (int j = 0; j < columns; ++j, J += k)
      for (int c = 0; c < k; ++c) {
        double* to = column(c);
        for (int r = c; r < k; ++r) to[rows[r]] -= J[r] * J[c];
      }
    return;
  }
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(k) * k));
  blas::syrk('L', 'N', k, columns, 1.0, J, k, 0.0, scratch_.data(), k);
  for (int c = 0; c < k; ++c) {
    const double* from = scratch_.data() + static_cast<std::size_t>(c) * k;
    double* to = column(c);
    for (int r = c; r < k; ++r) to[rows[r]] -= from[r];
  }
}

// R_ <- (Lambda_2'F Lambda_2 + I)^-1, which is a block of M^-1.
bool ZtViZ::read_inverse() {
  const int rest = layout_.rest;
  if (!pls_ || rest < kReadable) return false;
  const Symbolic& S = pls_->factor().symbolic();
  where_.assign(static_cast<std::size_t>(A_.q), -1);
  for (const RestLevel& level : rest_levels_) {
    const FactorBlock& block = A_.factors[level.factor];
    const Layout::Part& part = layout_.parts[level.factor];
    const std::int32_t l = part.levels[(level.first + layout_.own - part.first) / level.width];
    for (int r = 0; r < level.width; ++r) where_[S.permuted[Layout::effect(block, l) + r]] = level.first + r;
  }
  if (!pls_->factor().inverse_has(where_, rest)) return false;
  pls_->ensure_inverse();
  R_.resize(static_cast<std::size_t>(rest) * rest);
  pls_->factor().read_inverse(where_, rest, R_.data());
  return true;
}

// X <- T'X T, T on the diagonal for every level.
void ZtViZ::congruence(const Templates& T, double* X, Workers& workers) const {
  const int rest = layout_.rest, levels = static_cast<int>(rest_levels_.size());
  const int tasks = rest < kReadable ? 1 : std::min(levels, 8 * workers.threads());
  workers.run(tasks, [&](int task, int) {
    std::vector<double> old;
    for (int l = static_cast<int>(std::int64_t{task} * levels / tasks);
         l < static_cast<int>(std::int64_t{task + 1} * levels / tasks); ++l) {
      const auto [f, s, first] = rest_levels_[l];
      check_interrupt(2.0 * s * s * rest);
      double* columns = X + static_cast<std::size_t>(first) * rest;
      old.assign(static_cast<std::size_t>(s) * rest, 0.0);
      for (int c = 0; c < s; ++c)
        for (int i = 0; i < s; ++i)
          if (T[f][i + c * s] != 0)
            small::axpy(rest, T[f][i + c * s], columns + static_cast<std::size_t>(i) * rest,
                        old.data() + static_cast<std::size_t>(c) * rest);
      for (int c = 0; c < s; ++c) {
        const double* from = old.data() + static_cast<std::size_t>(c) * rest;
        double* to = columns + static_cast<std::size_t>(c) * rest;
        for (const RestLevel& level : rest_levels_)
          for (int r = 0; r < level.width; ++r)
            to[level.first + r] = level.width == 1 ? T[level.factor][0] * from[level.first]
                                                   : small::dot(level.width, T[level.factor].data() + r * level.width,
                                                                from + level.first);
      }
    }
  });
}

void ZtViZ::eliminate_rest(Workers& workers) {
  const int rest = layout_.rest;
  const auto size = static_cast<std::size_t>(rest) * rest;
  R_.resize(size);
  if (rest == 0) return;
  if (!read_) {
    mirror(rest, F_.data());
    R_ = F_;
    congruence(lam_, R_.data(), workers);
    for (int i = 0; i < rest; ++i) R_[i + static_cast<std::size_t>(i) * rest] += 1;
    invert_positive_definite(rest, R_.data(), workers);
  }
  congruence(transposed_lam_, R_.data(), workers);
  if (divides_rest_) return;
  U_.assign(size, 0.0);
  const int columns = rest < kReadable ? rest : kColumns;
  workers.run((rest + columns - 1) / columns, [&](int task, int) {
    const int first = task * columns, count = std::min(columns, rest - first);
    double* to = U_.data() + static_cast<std::size_t>(first) * rest;
    for (int c = 0; c < count; ++c) to[first + c + static_cast<std::size_t>(c) * rest] = 1;
    blas::gemm('N', 'N', rest, count, rest, -1.0, R_.data(), rest, F_.data() + static_cast<std::size_t>(first) * rest,
               rest, 1.0, to, rest);
  });
}

}  // namespace mixedmodels
