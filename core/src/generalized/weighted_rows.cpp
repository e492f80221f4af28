#include "generalized/weighted_rows.hpp"

#include <algorithm>

#include "kernels/instruction_sets.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"
#include "products/codes.hpp"

namespace mixedmodels {

namespace {

constexpr int kBlock = WeightedRows::kRowsOfBlock;
// Sums over all rows are added up from so many groups of them, or fewer where each has that many numbers together.
constexpr int kGroups = 16;
constexpr double kGroupNumbers = 4e6;
// Rows of a level from which on a sum over them is faster by columns.
constexpr int kRun = 8;

int factor_of_most_levels(const Rows& rows) {
  const auto largest = std::max_element(rows.factors.begin(), rows.factors.end(),
                                        [](const FactorRows& a, const FactorRows& b) { return a.levels < b.levels; });
  return largest == rows.factors.end() ? -1 : static_cast<int>(largest - rows.factors.begin());
}

void require_room(const Rows& rows, int p, int groups) {
  double numbers = 4.0 + p;
  for (const FactorRows& f : rows.factors) numbers += 1 + f.width();
  require_memory("The rows of the model",
                 {{"columns in the order of the levels", bytes_of_numbers(numbers * static_cast<double>(rows.n))},
                  {"sums of groups of rows", bytes_of_numbers(static_cast<double>(groups) * p * p)}});
}

MIXEDMODELS_CLONES double weighted_dot(int n, const double* x, const double* y) {
  double sum = 0;
  MIXEDMODELS_STRANDS(sum)
  for (int i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// The upper triangle (p x p) of X'WX of a block of rows, added.
MIXEDMODELS_CLONES void add_squares(int count, int p, const double* x, const double* w, double* sums) {
  double wx[kBlock];
  for (int c = 0; c < p; ++c) {
    const double* column = x + c * kBlock;
    for (int i = 0; i < count; ++i) wx[i] = w[i] * column[i];
    for (int r = 0; r <= c; ++r) {
      const double* other = x + r * kBlock;
      double sum = 0;
      MIXEDMODELS_STRANDS(sum)
      for (int i = 0; i < count; ++i) sum += wx[i] * other[i];
      sums[r + static_cast<std::size_t>(c) * p] += sum;
    }
  }
}

// Adds numbers of rows to those of their levels. Where rows are sorted by level, a level's are added up first: a sum in
// memory waits for itself at every step.
void add_by_level(const std::int32_t* codes, std::int64_t begin, std::int64_t end, bool sorted, double factor,
                  const double* x, double* sums) {
  in_strips(end - begin, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = begin + first; i < begin + last;) {
      const std::int32_t level = codes[i];
      double sum = x[i++];
      for (; sorted && i < begin + last && codes[i] == level; ++i) sum += x[i];
      sums[level] += factor * sum;
    }
  });
}

// Loops over rows in strips, with `work` operations a row.
template <typename Row>
void each_row(std::int64_t begin, std::int64_t end, int work, Row&& row) {
  in_strips(end - begin, work, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = begin + first; i < begin + last; ++i) row(i);
  });
}

}  // namespace

WeightedRows::WeightedRows(const Model& model, const Column& offset)
    : n_(model.rows.n), q_(model.A->q), p_(model.basis.p()), largest_(factor_of_most_levels(model.rows)) {
  const Rows& rows = model.rows;
  if (largest_ >= 0) {
    const FactorRows& by = rows.factors[largest_];
    order_ = rows_by_level(by.codes, by.levels, n_).row_order;
  }
  require_one_level(rows, "A generalized model");
  require_room(rows, p_, groups());
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
    each_row(0, n_, 20, [&](std::int64_t i) {
      pair.at[i] = static_cast<std::int32_t>(find_pair(block.start.data(), block.level_b.data(), a[i], b[i]));
    });
    pairs_.push_back(std::move(pair));
  }
  divide_between_levels();
  x_.resize(static_cast<std::size_t>((n_ + kBlock - 1) / kBlock * kBlock) * p_);
  if (p_ == 0) return;
  std::vector<std::int64_t> list(n_);
  for (std::int64_t i = 0; i < n_; ++i) list[i] = place(i);
  BasisRows basis(rows, model.basis, static_cast<int>(std::min<std::int64_t>(kBlock, n_)));
  each_block(all(), p_ * p_, [&](std::int64_t first, int count, const double*) {
    const double* from = basis.block(RowList{list.data()}, first, count);
    double* to = x_.data() + first * p_;
    for (int i = 0; i < count; ++i)
      for (int j = 0; j < p_; ++j) to[j * kBlock + i] = from[std::int64_t{i} * (p_ + 1) + j];
  });
}

void WeightedRows::divide_between_levels() {
  between_levels_.assign(1, 0);
  for (int part = 1; part < parts(); ++part) {
    std::int64_t end = std::max(between_levels_.back(), std::int64_t{part} * kRowsOfPart);
    if (largest_ >= 0)
      for (const std::int32_t* codes = factors_[largest_].codes.data(); end < n_ && codes[end] == codes[end - 1];)
        ++end;
    between_levels_.push_back(end);
  }
  if (n_ > 0) between_levels_.push_back(n_);
}

int WeightedRows::groups() const {
  const double most = kGroupNumbers / (static_cast<double>(p_) * p_ + 1);
  return std::max(1, std::min({kGroups, parts(), static_cast<int>(std::min<double>(most, kGroups))}));
}

WeightedRows::Range WeightedRows::group(int g) const {
  const auto end = [&](int i) { return std::min(n_, std::int64_t{i} * parts() / groups() * kRowsOfPart); };
  return {end(g), end(g + 1)};
}

// Loops over blocks of rows, of which the first and the last may be parts: body(first row, rows in it, their X), whose
// columns are a block apart.
template <typename Body>
void WeightedRows::each_block(Range rows, double work, Body&& body) const {
  for (std::int64_t first = rows.first; first < rows.last;) {
    const std::int64_t in_block = first % kBlock;
    const int count = static_cast<int>(std::min(kBlock - in_block, rows.last - first));
    check_interrupt(work * count);
    body(first, count, x_.data() + (first - in_block) * p_ + in_block);
    first += count;
  }
}

// Sums by levels: add(factor, rows) for parts of the rows of the factor by which these are sorted, and for all rows of
// each of the others. Beside them `more` tasks: add(-1 - i, all rows) for i from 0 on.
template <typename Add>
void WeightedRows::each_factor(Workers& workers, int more, Add&& add) const {
  const int others = std::max(static_cast<int>(factors_.size()) - 1, 0), divided = largest_ < 0 ? 0 : parts();
  workers.run(others + more + divided, [&](int task, int) {
    if (task < others)
      add(task + (task >= largest_), all());
    else if (task < others + more)
      add(others - 1 - task, all());
    else
      add(largest_, part_between_levels(task - others - more));
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

void WeightedRows::predict(Workers& workers, const double* b, const double* beta, bool with_offset, double* eta) const {
  double work = 1.0 + p_;
  for (const Factor& f : factors_) work += f.width;
  each_part(workers, work, [&](std::int64_t begin, std::int64_t end, int) {
    if (with_offset && !offset_.empty())
      std::copy(offset_.begin() + begin, offset_.begin() + end, eta + begin);
    else
      std::fill(eta + begin, eta + end, 0.0);
    each_block({begin, end}, 0, [&](std::int64_t first, int count, const double* x) {
      for (int j = 0; j < p_; ++j) small::axpy(count, beta[j], x + j * kBlock, eta + first);
    });
    for (const Factor& f : factors_) {
      const double* own = b + f.offset;
      if (f.z.empty())
        for (std::int64_t i = begin; i < end; ++i) eta[i] += f.constant * own[f.codes[i]];
      else
        for (std::int64_t i = begin; i < end; ++i)
          eta[i] += small::dot(f.width, f.row(i), own + std::int64_t{f.codes[i]} * f.width);
    }
  });
}

void WeightedRows::add_levels(const Factor& f, Range rows, const double* w, double* diagonal) const {
  if (f.z.empty()) {
    add_by_level(f.codes.data(), rows.first, rows.last, &f == by_largest(), f.constant * f.constant, w, diagonal);
    return;
  }
  const int s = f.width;
  each_row(rows.first, rows.last, s * s, [&](std::int64_t i) {
    const double* z = f.row(i);
    double* d = diagonal + std::int64_t{f.codes[i]} * s * s;
    for (int c = 0; c < s; ++c) small::axpy(s, w[i] * z[c], z, d + c * s);
  });
}

void WeightedRows::add_pairs(const Pair& pair, Range rows, const double* w, double* values) const {
  const Factor &a = factors_[pair.a], &b = factors_[pair.b];
  const int sa = a.width, sb = b.width;
  if (a.z.empty() && b.z.empty()) {
    const double product = a.constant * b.constant;
    each_row(rows.first, rows.last, 1, [&](std::int64_t i) { values[pair.at[i]] += product * w[i]; });
    return;
  }
  each_row(rows.first, rows.last, sa * sb, [&](std::int64_t i) {
    const double *za = a.row(i), *zb = b.row(i);
    double* v = values + std::int64_t{pair.at[i]} * sa * sb;
    for (int c = 0; c < sa; ++c) small::axpy(sb, w[i] * za[c], zb, v + c * sb);
  });
}

// A pair of levels of which one is of the factor by which rows are sorted is divided as its levels are.
void WeightedRows::renew_random(Workers& workers, const double* w, CrossProducts& A) const {
  for (FactorBlock& f : A.factors) std::fill(f.diagonal.begin(), f.diagonal.end(), 0.0);
  for (PairBlock& pair : A.pairs) std::fill(pair.values.begin(), pair.values.end(), 0.0);
  const auto divided = [&](const Pair& pair) { return pair.a == largest_ || pair.b == largest_; };
  std::vector<int> whole;
  for (std::size_t t = 0; t < pairs_.size(); ++t)
    if (!divided(pairs_[t])) whole.push_back(static_cast<int>(t));
  each_factor(workers, static_cast<int>(whole.size()), [&](int f, Range rows) {
    if (f < 0) {
      const int t = whole[-1 - f];
      return add_pairs(pairs_[t], rows, w, A.pairs[t].values.data());
    }
    add_levels(factors_[f], rows, w, A.factors[f].diagonal.data());
    for (std::size_t t = 0; f == largest_ && t < pairs_.size(); ++t)
      if (divided(pairs_[t])) add_pairs(pairs_[t], rows, w, A.pairs[t].values.data());
  });
}

// Z'WX of one factor. Where rows are sorted by it, those of a level are added up before they are stored.
void WeightedRows::add_fixed(int factor, Range rows, const double* w, double* ZtX, int k) const {
  const Factor& f = factors_[factor];
  double wz[kBlock];
  each_block(rows, 1.0 * f.width * p_, [&](std::int64_t first, int count, const double* x) {
    const std::int32_t* codes = f.codes.data() + first;
    for (int c = 0; c < f.width; ++c) {
      for (int i = 0; i < count; ++i) wz[i] = w[first + i] * f.row(first + i)[c];
      const auto target = [&](std::int32_t level) { return ZtX + (f.offset + std::int64_t{level} * f.width + c) * k; };
      for (int i = 0, end = 0; i < count; i = end) {
        double* own = target(codes[i]);
        end = i + 1;
        while (factor == largest_ && end < count && codes[end] == codes[i]) ++end;
        if (end - i < kRun)
          for (; i < end; ++i)
            for (int j = 0; j < p_; ++j) own[j] += wz[i] * x[j * kBlock + i];
        else
          for (int j = 0; j < p_; ++j) own[j] += weighted_dot(end - i, wz + i, x + j * kBlock + i);
      }
    }
  });
}

void WeightedRows::renew_fixed(Workers& workers, const double* w, CrossProducts& A) const {
  const int k = A.k();
  for (std::int64_t i = 0; i < A.q; ++i) std::fill_n(A.ZtX.data() + i * k, p_, 0.0);
  std::vector<double> squares = no_squares();
  each_factor(workers, groups(), [&](int f, Range rows) {
    if (f < 0)
      add_squares_of_group(-1 - f, w, squares);
    else
      add_fixed(f, rows, w, A.ZtX.data(), k);
  });
  store_squares(squares, A);
}

void WeightedRows::renew_fixed_squares(Workers& workers, const double* w, CrossProducts& A) const {
  std::vector<double> squares = no_squares();
  workers.run(groups(), [&](int g, int) { add_squares_of_group(g, w, squares); });
  store_squares(squares, A);
}

std::vector<double> WeightedRows::no_squares() const {
  return std::vector<double>(static_cast<std::size_t>(groups()) * p_ * p_, 0.0);
}

void WeightedRows::add_squares_of_group(int g, const double* w, std::vector<double>& squares) const {
  double* own = squares.data() + static_cast<std::size_t>(g) * p_ * p_;
  each_block(group(g), 0.5 * p_ * p_,
             [&](std::int64_t first, int count, const double* x) { add_squares(count, p_, x, w + first, own); });
}

// X'WX, both triangles, from the upper ones of the groups.
void WeightedRows::store_squares(const std::vector<double>& squares, CrossProducts& A) const {
  const std::size_t k = A.k(), size = static_cast<std::size_t>(p_) * p_;
  for (int c = 0; c < p_; ++c)
    for (int r = 0; r <= c; ++r) {
      double sum = 0;
      for (std::size_t at = r + static_cast<std::size_t>(c) * p_; at < squares.size(); at += size) sum += squares[at];
      A.XtX[r + c * k] = A.XtX[c + r * k] = sum;
    }
}

void WeightedRows::add_random(const Factor& f, Range rows, const double* s, double* own) const {
  if (f.z.empty()) {
    add_by_level(f.codes.data(), rows.first, rows.last, &f == by_largest(), f.constant, s, own);
    return;
  }
  each_row(rows.first, rows.last, f.width,
           [&](std::int64_t i) { small::axpy(f.width, s[i], f.row(i), own + std::int64_t{f.codes[i]} * f.width); });
}

void WeightedRows::sum_random(Workers& workers, const double* s, double* Zts) const {
  std::fill_n(Zts, q_, 0.0);
  each_factor(workers, 0, [&](int f, Range rows) { add_random(factors_[f], rows, s, Zts + factors_[f].offset); });
}

void WeightedRows::sum_fixed(Workers& workers, const double* s, double* Xts) const {
  const int count = groups();
  std::vector<double> sums(static_cast<std::size_t>(count) * p_, 0.0);
  workers.run(count, [&](int g, int) {
    double* own = sums.data() + static_cast<std::size_t>(g) * p_;
    each_block(group(g), p_, [&](std::int64_t first, int rows, const double* x) {
      for (int j = 0; j < p_; ++j) own[j] += weighted_dot(rows, s + first, x + j * kBlock);
    });
  });
  std::fill_n(Xts, p_, 0.0);
  for (int g = 0; g < count; ++g) small::axpy(p_, 1.0, sums.data() + static_cast<std::size_t>(g) * p_, Xts);
}

void WeightedRows::quadratic(Workers& workers, const std::vector<std::vector<double>>& levels,
                             const std::vector<std::vector<double>>& pairs, double* out) const {
  double work = 1;
  for (const Factor& f : factors_) work += f.width * f.width;
  for (const Pair& pair : pairs_) work += factors_[pair.a].width * factors_[pair.b].width;
  each_part(workers, work, [&](std::int64_t first, std::int64_t last, int) {
    std::fill(out + first, out + last, 0.0);
    for (std::size_t f = 0; f < factors_.size(); ++f) {
      const Factor& factor = factors_[f];
      const int s = factor.width;
      for (std::int64_t i = first; i < last; ++i) {
        const double *z = factor.row(i), *C = levels[f].data() + std::int64_t{factor.codes[i]} * s * s;
        for (int c = 0; c < s; ++c) out[i] += z[c] * small::dot(s, C + c * s, z);
      }
    }
    for (std::size_t t = 0; t < pairs_.size(); ++t) {
      const Pair& pair = pairs_[t];
      const Factor &a = factors_[pair.a], &b = factors_[pair.b];
      const int size = a.width * b.width;
      for (std::int64_t i = first; i < last; ++i) {
        const double *za = a.row(i), *zb = b.row(i), *C = pairs[t].data() + std::int64_t{pair.at[i]} * size;
        for (int c = 0; c < a.width; ++c) out[i] += 2 * za[c] * small::dot(b.width, C + c * b.width, zb);
      }
    }
  });
}

}  // namespace mixedmodels
