#include "products/sums.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <utility>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "products/axes.hpp"

namespace mixedmodels {

namespace {

constexpr std::int64_t kChunk = 262144;  // rows whose pairs are sorted at a time

Column shifted(Column column, std::int64_t first) {
  if (column.base) column.base += first * column.stride;
  return column;
}

// Rows first .. first + count - 1.
Rows slice(const Rows& rows, std::int64_t first, std::int64_t count) {
  Rows out = rows;
  out.n = count;
  for (Column& x : out.x) x = shifted(x, first);
  out.y = shifted(out.y, first);
  out.weight = shifted(out.weight, first);
  out.offset = shifted(out.offset, first);
  for (FactorRows& f : out.factors) {
    f.codes += first;
    for (Column& z : f.z) z = shifted(z, first);
  }
  return out;
}

// Whether no number of a column is infinite or NaN.
bool is_finite(const Column& column, std::int64_t n) {
  if (!column.base || n == 0) return true;
  if (column.stride == 0) return std::isfinite(column[0]);
  constexpr double kMost = std::numeric_limits<double>::max();
  int bad = 0;
  in_strips(n, 1, [&](std::int64_t first, std::int64_t last) {
    if (column.stride == 1)
      for (std::int64_t i = first; i < last; ++i) bad |= !(std::abs(column.base[i]) <= kMost);
    else
      for (std::int64_t i = first; i < last; ++i) bad |= !(std::abs(column[i]) <= kMost);
  });
  return bad == 0;
}

void require_finite(const Rows& rows) {
  auto require = [&](const Column& column, const char* what) {
    if (!is_finite(column, rows.n)) throw std::invalid_argument(std::string(what) + " has a value that is not finite.");
  };
  for (std::size_t j = 0; j < rows.x.size(); ++j) require(rows.x[j], ("Column " + std::to_string(j) + " of X").c_str());
  for (std::size_t f = 0; f < rows.factors.size(); ++f)
    for (const Column& z : rows.factors[f].z) require(z, ("A column of Z of factor " + std::to_string(f)).c_str());
  require(rows.y, "The response");
  require(rows.weight, "The weights");
  require(rows.offset, "The offset");
  double least = 0;
  for (std::int64_t i = 0; i < rows.n && rows.weight.base; ++i) least = std::min(least, rows.weight[i]);
  if (least < 0) throw std::invalid_argument("A weight is negative.");
}

void require_room(const std::vector<std::int32_t>& levels, const SumsFrame& frame) {
  double blocks = 0, q = 0;
  for (std::size_t f = 0; f < levels.size(); ++f) {
    const double width = frame.width(f);
    blocks += levels[f] * (width * width + 1);
    q += levels[f] * width;
  }
  require_memory("Sums over rows",
                 {{"blocks of the levels", bytes_of_numbers(blocks)},
                  {"products of fixed and random effects", bytes_of_numbers(q * (frame.fixed.p() + 1))}});
}

}  // namespace

bool SumsFrame::operator==(const SumsFrame& other) const {
  return fixed.kept == other.fixed.kept && fixed.R == other.fixed.R && fixed.c == other.fixed.c &&
         fixed.unit == other.fixed.unit && widths == other.widths && T == other.T;
}

int SumsFrame::width(std::size_t factor) const {
  int sum = 0;
  for (int s : widths[factor]) sum += s;
  return sum;
}

SumsFrame pilot_sums_frame(Rows pilot, std::vector<std::vector<int>> widths) {
  require_finite(pilot);
  SumsFrame out;
  OrthogonalBasis basis = orthogonalize(pilot);
  pilot.scale /= basis.choose_unit(pilot.n);
  out.fixed = pilot_frame(pilot);
  for (std::size_t f = 0; f < widths.size(); ++f) out.T.push_back(pilot_axes(pilot, static_cast<int>(f), widths[f]));
  out.widths = std::move(widths);
  return out;
}

Sums::Sums(std::vector<std::int32_t> levels, SumsFrame frame) : levels_(std::move(levels)), frame_(std::move(frame)) {
  if (levels_.size() != frame_.widths.size())
    throw std::invalid_argument("Sums and their frame are of as many grouping factors.");
  require_room(levels_, frame_);
  std::vector<int> widths;
  Rows none;
  for (std::size_t f = 0; f < levels_.size(); ++f) {
    widths.push_back(frame_.width(f));
    none.factors.push_back({nullptr, levels_[f], {}, frame_.T[f]});
    level_counts_.emplace_back(static_cast<std::size_t>(levels_[f]), 0);
  }
  A_ = zero_products(std::make_shared<const Pattern>(pattern_of(levels_, widths)), none, frame_.fixed);
  const auto factors = static_cast<int>(levels_.size());
  for (int a = 0; a < factors; ++a)
    for (int b = a + 1; b < factors; ++b) pairs_.emplace_back(a, b, widths[a], widths[b], levels_[a], levels_[b]);
}

void Sums::require_usable() const {
  if (!usable_)
    throw std::runtime_error(
        "These sums were interrupted while rows were added, and hold a part of them. Make new sums of these rows.");
}

void Sums::add(const Rows& rows, double within, const Cells* cells) {
  require_usable();
  if (!std::isfinite(within) || within < 0) throw std::invalid_argument("A sum of squares is a number, not negative.");
  if (cells && (cells->n < 0 || cells->n > std::int64_t{1} << 53 || !std::isfinite(cells->sum_log_weights)))
    throw std::invalid_argument("Cells stand for a number of rows, with a sum of the logarithms of their weights.");
  require_finite(rows);
  const std::int64_t n = A_.n, all = count_.rows;
  const double sum_log_weights = A_.sum_log_weights;
  usable_ = false;
  for (std::int64_t first = 0; first < rows.n; first += kChunk)
    add_chunk(slice(rows, first, std::min(kChunk, rows.n - first)));
  if (within > 0) within_ += within / frame_.fixed.unit / frame_.fixed.unit;
  if (cells) {
    A_.n = n + cells->n;
    count_.rows = all + cells->n;
    A_.sum_log_weights = sum_log_weights + cells->sum_log_weights;
  }
  usable_ = true;
}

void Sums::add_chunk(const Rows& given) {
  Rows rows = given;
  rows.scale = 1 / frame_.fixed.unit;
  std::vector<std::vector<double>> numbers;  // that the columns along the axes point into
  for (std::size_t f = 0; f < rows.factors.size(); ++f) {
    auto own = put_along_axes(rows, static_cast<int>(f), frame_.widths[f], frame_.T[f]);
    std::move(own.begin(), own.end(), std::back_inserter(numbers));
  }
  for (PairRuns& pair : pairs_) pair.add(rows);
  add_rows(rows, frame_.fixed, std::int64_t{0}, rows.n, 1, A_);
  count_.rows += rows.n;
  if (rows.weight.base)
    for (std::int64_t i = 0; i < rows.n; ++i) count_.weights += rows.weight[i];
  else
    count_.weights += static_cast<double>(rows.n);
  for (std::size_t f = 0; f < rows.factors.size(); ++f)
    for (std::int64_t i = 0; i < rows.n; ++i) level_counts_[f][rows.factors[f].codes[i]] += rows.w(i) > 0;
}

void Sums::pack() {
  require_usable();
  for (PairRuns& pair : pairs_) pair.pack();
}

Sums Sums::merged(const Sums& other) const {
  require_usable();
  other.require_usable();
  if (levels_ != other.levels_) throw std::invalid_argument("Sums of different levels cannot be merged.");
  if (!(frame_ == other.frame_)) throw std::invalid_argument("Sums in different frames cannot be merged.");
  Sums out = *this;
  out.pack();
  out.A_ += other.A_;
  out.count_.rows += other.count_.rows;
  out.count_.weights += other.count_.weights;
  out.within_ += other.within_;
  for (std::size_t f = 0; f < levels_.size(); ++f)
    for (std::size_t l = 0; l < level_counts_[f].size(); ++l) out.level_counts_[f][l] += other.level_counts_[f][l];
  for (std::size_t t = 0; t < pairs_.size(); ++t) {
    PairRuns theirs = other.pairs_[t];  // which shares the runs
    if (theirs.pack()) out.pairs_[t].push(theirs.packed());
  }
  out.pack();
  return out;
}

std::size_t Sums::pairs() const {
  std::size_t sum = 0;
  for (const PairRuns& pair : pairs_) sum += pair.size();
  return sum;
}

double Sums::bytes() const {
  double numbers = A_.bytes() / bytes_of_numbers(1.0);
  for (std::int32_t levels : levels_) numbers += levels;
  for (const PairRuns& pair : pairs_) numbers += static_cast<double>(pair.size()) * (1 + pair.block());
  return bytes_of_numbers(numbers);
}

Sums::Condition Sums::condition() const {
  require_usable();
  const FrameQr qr = qr_of(frame_.fixed, A_, count_);
  Condition out;
  out.frame = qr.condition();
  for (std::size_t f = 0; f < levels_.size(); ++f)
    out.frame = std::max(out.frame, condition_of_axes(static_cast<int>(f), frame_.widths[f], A_, count_));
  const double left = qr.entry(A_.p, A_.p) * qr.entry(A_.p, A_.p), all = A_.XtX.back();
  // What the frame leaves of a response that it fits exactly has no digits to lose.
  const std::vector<double> triangle = qr.triangle();
  const auto k = static_cast<std::size_t>(A_.k());
  double response = 0;
  for (std::size_t i = (k - 1) * k; i < k * k; ++i) response += triangle[i] * triangle[i];
  if (all > kExact * kExact * response) out.response = all / left;
  return out;
}

SumsFrame Sums::better_frame() const {
  require_usable();
  SumsFrame out = frame_;
  out.fixed = mixedmodels::better_frame(frame_.fixed, A_, count_);
  for (std::size_t f = 0; f < levels_.size(); ++f)
    out.T[f] = better_axes(static_cast<int>(f), frame_.widths[f], A_, count_);
  return out;
}

FinishedSums Sums::finish() {
  pack();
  auto pattern = std::make_shared<Pattern>(*A_.pattern);
  for (PairRuns& runs : pairs_) {
    PairPattern pair{
        runs.a(), runs.b(), std::vector<std::int64_t>(static_cast<std::size_t>(levels_[runs.a()]) + 1, 0), {}};
    const PairRun* run = runs.pack();
    const std::size_t size = run ? run->size : 0;
    require_memory("The cross-products of two grouping factors",
                   {{"pairs of levels", 4.0 * static_cast<double>(size)},
                    {"their blocks", bytes_of_numbers(static_cast<double>(size) * runs.block())}});
    pair.level_b.resize(size);
    for (std::size_t t = 0; t < size; ++t) {
      ++pair.start[runs.level_a(run->key[t]) + 1];
      pair.level_b[t] = runs.level_b(run->key[t]);
    }
    for (std::size_t l = 1; l < pair.start.size(); ++l) pair.start[l] += pair.start[l - 1];
    pattern->pairs.push_back(std::move(pair));
  }
  FinishedSums out;
  CrossProducts A = on_pattern(A_, pattern);
  for (std::size_t t = 0; t < pairs_.size(); ++t)
    if (const PairRun* run = pairs_[t].pack())
      std::copy_n(run->value.data(), A.pairs[t].values.size(), A.pairs[t].values.begin());
  A.XtX.back() += within_;
  out.basis = go_to_basis(frame_.fixed, A, count_);
  for (std::size_t f = 0; f < levels_.size(); ++f) go_to_axes(static_cast<int>(f), frame_.widths[f], A, count_);
  out.A = std::make_shared<const CrossProducts>(std::move(A));
  return out;
}

}  // namespace mixedmodels
