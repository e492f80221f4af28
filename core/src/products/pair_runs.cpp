#include "products/pair_runs.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "products/crossprod.hpp"

namespace mixedmodels {

namespace {

// A row's pair, and either its product (of two factors with one effect each) or its number.
struct Item {
  std::uint64_t key;
  union {
    double product;
    std::int64_t row;
  };
};

constexpr int kDigit = 11;  // bits sorted at a time

// Sorts by the lowest bits of the keys, stably; returns where the items are then, in `items` or in `spare`.
Item* sort_items(Item* items, Item* spare, std::size_t n, int bits) {
  const int passes = std::max(1, (bits + kDigit - 1) / kDigit), digit = (bits + passes - 1) / passes;
  const std::size_t buckets = std::size_t{1} << digit;
  std::vector<std::uint32_t> counts(passes * buckets, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (int pass = 0; pass < passes; ++pass)
      ++counts[pass * buckets + (items[i].key >> (pass * digit) & (buckets - 1))];
  for (int pass = 0; pass < passes; ++pass) {
    check_interrupt(4.0 * static_cast<double>(n));
    std::uint32_t* next = counts.data() + pass * buckets;
    std::uint32_t sum = 0;
    for (std::size_t b = 0; b < buckets; ++b) sum += std::exchange(next[b], sum);
    for (std::size_t i = 0; i < n; ++i) spare[next[items[i].key >> (pass * digit) & (buckets - 1)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

std::size_t count_keys(const Item* items, std::size_t n) {
  std::size_t count = n > 0;
  for (std::size_t i = 1; i < n; ++i) count += items[i].key != items[i - 1].key;
  return count;
}

}  // namespace

PairRuns::PairRuns(int a, int b, int width_a, int width_b, std::int32_t levels_a, std::int32_t levels_b)
    : a_(a),
      b_(b),
      width_a_(width_a),
      width_b_(width_b),
      bits_a_(std::bit_width(static_cast<std::uint32_t>(std::max(levels_a - 1, 0)))),
      bits_b_(std::bit_width(static_cast<std::uint32_t>(std::max(levels_b - 1, 0)))) {}

void PairRuns::add(const Rows& rows) {
  const auto n = static_cast<std::size_t>(rows.n);
  if (n == 0) return;
  const FactorRows &a = rows.factors[a_], &b = rows.factors[b_];
  const bool scalar = block() == 1;
  RawArray<Item> given(n), spare(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    given[i].key = key(a.codes[i], b.codes[i]);
    if (scalar)
      given[i].product = rows.w(row) * a.z[0][row] * b.z[0][row];
    else
      given[i].row = row;
  }
  const Item* items = sort_items(given.data(), spare.data(), n, bits_a_ + bits_b_);
  auto run = std::make_shared<PairRun>();
  run->size = count_keys(items, n);
  run->key = RawArray<std::uint64_t>(run->size);
  const auto size = static_cast<std::size_t>(block());
  run->value = RawArray<double>(run->size * size);
  std::fill_n(run->value.data(), run->size * size, 0.0);
  std::size_t at = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0 && items[i].key != items[i - 1].key) ++at;
    run->key[at] = items[i].key;
    if (scalar)
      run->value[at] += items[i].product;
    else
      add_outer(a, b, items[i].row, rows.w(items[i].row), run->value.data() + at * size);
  }
  push(std::move(run));
}

void PairRuns::push(std::shared_ptr<const PairRun> run) {
  if (run->size == 0) return;
  while (!runs_.empty() && runs_.back()->size <= 2 * run->size) {
    run = merged(*runs_.back(), *run);
    runs_.pop_back();
  }
  runs_.push_back(std::move(run));
}

const PairRun* PairRuns::pack() {
  while (runs_.size() > 1) {
    std::shared_ptr<const PairRun> run = merged(*runs_[runs_.size() - 2], *runs_.back());
    runs_.pop_back();
    runs_.back() = std::move(run);
  }
  return runs_.empty() ? nullptr : runs_.front().get();
}

std::size_t PairRuns::size() const {
  std::size_t sum = 0;
  for (const auto& run : runs_) sum += run->size;
  return sum;
}

// Both in one pass. Steps that cannot come to an end of either run are made without asking.
std::shared_ptr<const PairRun> PairRuns::merged(const PairRun& one, const PairRun& other) const {
  constexpr std::size_t kSteps = 65536;
  const auto width = static_cast<std::size_t>(block());
  const std::size_t most = one.size + other.size;
  require_memory("Sums over rows",
                 {{"pairs of levels, as they are merged",
                   bytes_of_numbers(static_cast<double>(most) * (1.0 + static_cast<double>(width)))}});
  auto out = std::make_shared<PairRun>();
  out->key = RawArray<std::uint64_t>(most);
  out->value = RawArray<double>(most * width);
  std::size_t i = 0, j = 0, at = 0;
  const std::uint64_t *key_one = one.key.data(), *key_other = other.key.data();
  const double *value_one = one.value.data(), *value_other = other.value.data();
  std::uint64_t* key = out->key.data();
  double* value = out->value.data();
  while (i < one.size && j < other.size) {
    const std::size_t steps = std::min({one.size - i, other.size - j, kSteps});
    check_interrupt(4.0 * static_cast<double>(steps * width));
    for (std::size_t step = 0; step < steps; ++step, ++at) {
      const bool from_one = key_one[i] <= key_other[j], from_other = key_other[j] <= key_one[i];
      key[at] = from_one ? key_one[i] : key_other[j];
      if (width == 1) {
        value[at] = (from_one ? value_one[i] : 0.0) + (from_other ? value_other[j] : 0.0);
      } else {
        const double *v = value_one + i * width, *w = value_other + j * width;
        double* to = value + at * width;
        if (from_one && from_other)
          for (std::size_t e = 0; e < width; ++e) to[e] = v[e] + w[e];
        else
          std::copy_n(from_one ? v : w, width, to);
      }
      i += from_one;
      j += from_other;
    }
  }
  auto rest = [&](const PairRun& run, std::size_t from) {
    std::copy(run.key.data() + from, run.key.data() + run.size, key + at);
    std::copy(run.value.data() + from * width, run.value.data() + run.size * width, value + at * width);
    at += run.size - from;
  };
  rest(one, i);
  rest(other, j);
  out->size = at;
  return out;
}

}  // namespace mixedmodels
