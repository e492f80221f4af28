// Sums as plain numbers and back. What comes back may be any file's contents: nothing is taken on trust that an index,
// a size or a division depends on.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/interrupt.hpp"
#include "products/sums.hpp"

namespace mixedmodels {

namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 53;  // sums of many such numbers do not overflow

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("These are not the numbers of sums over rows: ") + what);
}

template <typename T>
void require_size(const std::vector<T>& v, double size, const char* what) {
  require(static_cast<double>(v.size()) == size, what);
}

void require_finite(const std::vector<double>& v, const char* what) {
  in_strips(static_cast<std::int64_t>(v.size()), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) require(std::isfinite(v[i]), what);
  });
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// A triangle with a diagonal that can be divided by.
void require_triangle(const double* M, int s, bool upper, const char* what) {
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r) {
      const double entry = M[r + static_cast<std::size_t>(c) * s];
      require(std::isfinite(entry), what);
      if (r == c) require(entry > 0, what);
      if (upper ? r > c : r < c) require(entry == 0, what);
    }
}

// Widths of the terms of every factor.
std::vector<std::vector<int>> widths_of(const SumsState& state) {
  constexpr std::int64_t kMostColumns = 10000;
  std::vector<std::vector<int>> out;
  std::size_t at = 0;
  for (std::int64_t terms : state.terms) {
    require(terms > 0 && terms <= static_cast<std::int64_t>(state.widths.size() - at), "terms of a factor");
    std::vector<int> own;
    std::int64_t columns = 0;
    for (std::int64_t t = 0; t < terms; ++t, ++at) {
      require(state.widths[at] > 0 && state.widths[at] <= kMostColumns, "columns of a term");
      columns += state.widths[at];
      require(columns <= kMostColumns, "columns of a factor");
      own.push_back(static_cast<int>(state.widths[at]));
    }
    out.push_back(std::move(own));
  }
  require(at == state.widths.size(), "widths of terms");
  return out;
}

SumsFrame frame_of(const SumsState& state) {
  SumsFrame out;
  require(state.c.size() < 1000000, "columns of X");
  const int p = static_cast<int>(state.c.size());
  require_size(state.R, 1.0 * p * p, "the triangle of the frame");
  require_triangle(state.R.data(), p, true, "the triangle of the frame");
  require_finite(state.c, "coefficients of the frame");
  require_size(state.numbers, 4, "counts");
  require(state.numbers[0] > 0 && std::isfinite(state.numbers[0]) && std::isfinite(1 / state.numbers[0]),
          "the unit of the response");
  out.fixed.R = state.R;
  out.fixed.c = state.c;
  out.fixed.unit = state.numbers[0];
  for (int j = 0; j < p; ++j) out.fixed.kept.push_back(j);
  out.widths = widths_of(state);
  std::size_t at = 0;
  for (std::size_t f = 0; f < out.widths.size(); ++f) {
    const auto S = static_cast<std::size_t>(out.width(f));
    require(S * S <= state.T.size() - at, "axes of terms");
    require_triangle(state.T.data() + at, static_cast<int>(S), false, "axes of terms");
    out.T.emplace_back(state.T.begin() + static_cast<std::ptrdiff_t>(at),
                       state.T.begin() + static_cast<std::ptrdiff_t>(at + S * S));
    at += S * S;
  }
  require(at == state.T.size(), "axes of terms");
  return out;
}

std::vector<std::int32_t> levels_of(const SumsState& state) {
  std::vector<std::int32_t> out;
  double sum = 0;
  for (std::int64_t levels : state.levels) {
    require(levels >= 0 && levels <= std::numeric_limits<std::int32_t>::max(), "numbers of levels");
    out.push_back(static_cast<std::int32_t>(levels));
    sum += static_cast<double>(levels);
  }
  require_size(state.level_counts, sum, "rows of the levels");
  return out;
}

}  // namespace

SumsState state_of(const SumsFrame& frame) {
  SumsState out;
  out.R = frame.fixed.R;
  out.c = frame.fixed.c;
  out.numbers = {frame.fixed.unit, 0, 0, 0};
  for (std::size_t f = 0; f < frame.widths.size(); ++f) {
    out.terms.push_back(static_cast<std::int64_t>(frame.widths[f].size()));
    for (int s : frame.widths[f]) out.widths.push_back(s);
    append(out.T, frame.T[f]);
  }
  return out;
}

SumsFrame frame_from_state(const SumsState& state) { return frame_of(state); }

SumsState Sums::state() {
  pack();
  SumsState out = state_of(frame_);
  out.levels.assign(levels_.begin(), levels_.end());
  out.counts = {A_.n, count_.rows};
  out.numbers = {frame_.fixed.unit, count_.weights, A_.sum_log_weights, within_};
  out.XtX = A_.XtX;
  out.ZtX = A_.ZtX;
  for (std::size_t f = 0; f < levels_.size(); ++f) {
    append(out.diagonal, A_.factors[f].diagonal);
    append(out.level_counts, level_counts_[f]);
  }
  for (PairRuns& runs : pairs_) {
    const PairRun* run = runs.pack();
    const std::size_t size = run ? run->size : 0;
    out.pair_counts.push_back(static_cast<std::int64_t>(size));
    for (std::size_t t = 0; t < size; ++t) {
      out.level_a.push_back(runs.level_a(run->key[t]));
      out.level_b.push_back(runs.level_b(run->key[t]));
    }
    if (run) out.pair_values.insert(out.pair_values.end(), run->value.data(), run->value.data() + size * runs.block());
  }
  return out;
}

void Sums::set_pairs(const SumsState& state) {
  require(state.pair_counts.size() == pairs_.size(), "numbers of pairs");
  std::size_t at = 0, value = 0;
  for (std::size_t t = 0; t < pairs_.size(); ++t) {
    PairRuns& runs = pairs_[t];
    const std::int64_t given = state.pair_counts[t];
    require(given >= 0 && given <= static_cast<std::int64_t>(state.level_a.size() - at), "numbers of pairs");
    const auto size = static_cast<std::size_t>(given), block = static_cast<std::size_t>(runs.block());
    require(size <= (state.pair_values.size() - value) / block, "sums of pairs");
    if (size == 0) continue;
    auto run = std::make_shared<PairRun>();
    run->size = size;
    run->key = RawArray<std::uint64_t>(size);
    run->value = RawArray<double>(size * block);
    in_strips(given, 4, [&](std::int64_t first, std::int64_t last) {
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
        const std::int32_t a = state.level_a[at + i], b = state.level_b[at + i];
        require(a >= 0 && a < levels_[runs.a()] && b >= 0 && b < levels_[runs.b()], "levels of a pair");
        run->key[i] = runs.key(a, b);
        require(i == 0 || run->key[i] > run->key[i - 1], "pairs in ascending order");
      }
    });
    std::copy_n(state.pair_values.data() + value, size * block, run->value.data());
    runs.push(std::move(run));
    at += size;
    value += size * block;
  }
  require(at == state.level_a.size() && at == state.level_b.size() && value == state.pair_values.size(), "pairs");
}

Sums Sums::from_state(SumsState state) {
  SumsFrame frame = frame_of(state);
  std::vector<std::int32_t> levels = levels_of(state);
  require(levels.size() == frame.widths.size(), "numbers of levels");
  double q = 0, blocks = 0;
  for (std::size_t f = 0; f < levels.size(); ++f) {
    const double width = frame.width(f);
    q += levels[f] * width;
    blocks += levels[f] * width * width;
  }
  const double k = frame.fixed.p() + 1;
  require_size(state.XtX, k * k, "products of X and y");
  require_size(state.ZtX, q * k, "products of Z with X and y");
  require_size(state.diagonal, blocks, "blocks of the levels");
  require(state.level_a.size() == state.level_b.size(), "levels of pairs");
  for (const auto* numbers : {&state.XtX, &state.ZtX, &state.diagonal, &state.pair_values, &state.numbers})
    require_finite(*numbers, "a number that is not finite");
  require_size(state.counts, 2, "counts");
  require(state.counts[0] >= 0 && state.counts[1] >= state.counts[0] && state.counts[1] <= kMostRows, "counts of rows");
  require(state.numbers[1] >= 0 && state.numbers[3] >= 0, "a negative sum");
  Sums out(std::move(levels), std::move(frame));
  out.set_pairs(state);
  out.A_.n = state.counts[0];
  out.count_ = {state.counts[1], state.numbers[1]};
  out.A_.sum_log_weights = state.numbers[2];
  out.within_ = state.numbers[3];
  out.A_.XtX = std::move(state.XtX);
  out.A_.ZtX = std::move(state.ZtX);
  std::size_t at = 0, level = 0;
  for (std::size_t f = 0; f < out.levels_.size(); ++f) {
    std::vector<double>& diagonal = out.A_.factors[f].diagonal;
    std::copy_n(state.diagonal.begin() + static_cast<std::ptrdiff_t>(at), diagonal.size(), diagonal.begin());
    std::vector<std::int64_t>& counts = out.level_counts_[f];
    std::copy_n(state.level_counts.begin() + static_cast<std::ptrdiff_t>(level), counts.size(), counts.begin());
    for (std::int64_t count : counts) require(count >= 0 && count <= kMostRows, "rows of the levels");
    at += diagonal.size();
    level += counts.size();
  }
  return out;
}

}  // namespace mixedmodels
