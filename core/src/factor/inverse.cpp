// The inverse on the pattern of the factor.
// With Y = L_R L_J^-1: [M^-1]_RJ = -[M^-1]_RR Y and [M^-1]_JJ = (L_J L_J')^-1 - Y'[M^-1]_RJ. Until a supernode is
// finished its panel of the inverse holds Y below and (L_J L_J')^-1 on top.
#include <algorithm>

#include "factor/factor.hpp"
#include "factor/sizes.hpp"
#include "kernels/blas.hpp"
#include "kernels/dense_inverse.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

void Factor::invert() {
  if (inverse_.empty()) {
    product_.resize(static_cast<std::size_t>(S_.product_size));
    std::size_t size = 0;
    for (int s : S_.top)
      size = std::max(size, static_cast<std::size_t>(S_.supernodes[s].below) * S_.supernodes[s].width);
    reserve_below(size);
    inverse_.resize(panels_.size());  // the last, so that nothing is missing where it is there
  }
  InterruptMeter meter;
  for (auto it = S_.top.rbegin(); it != S_.top.rend(); ++it) invert_top(S_.supernodes[*it], meter);
  const int chunks = static_cast<int>(S_.chunks.size());
  workers_.run(chunks, [&](int i, int) { start_inverse(S_.chunks[i]); });
  // What the top gives, panel by panel, to as many supernodes at a time as there can be: a panel is read from the
  // memory once for all of them.
  const int group = std::max(1, parts(chunks, 2 * workers_.threads()));
  workers_.run(parts(chunks, group), [&](int i, int thread) {
    pull_inverse(S_.chunks[i * group].front(), S_.chunks[std::min(chunks, (i + 1) * group) - 1].back(), thread);
  });
  workers_.run(chunks, [&](int i, int thread) { invert_chunk(S_.chunks[i], thread); });
}

void Factor::divide_by_own(const Supernode& node, InterruptMeter& meter) {
  const int w = node.width, ld = node.leading();
  double* Z = inverse_.data() + node.panel;
  std::copy_n(panels_.data() + node.panel, std::int64_t{ld} * w, Z);
  if (w <= kSmallWidth) {
    meter.count(std::int64_t{w} * w * ld);
    small::divide_lower(w, ld, Z, node.below);
    small::invert_from_factor(w, ld, Z);
  } else {
    blas::trsm('R', 'L', 'N', node.below, w, Z, ld, Z + w, ld);
    blas::potri('L', w, Z, ld);
  }
}

// out += [M^-1]_RR y over the part of it that lies in the columns of one later supernode; y and out are `columns`
// columns over the rows below, with the leading dimensions of the panel and of `below`.
void Factor::multiply_inverse(const Supernode& node, const Update& u, const double* y, int columns, double* out,
                              int thread, InterruptMeter& meter) {
  const int ld = node.leading(), m = node.below;
  const PanelBlock from = block_of(node, u, inverse_.data());
  if (!by_blas(node, u)) {
    meter.count(std::int64_t{4} * from.count * from.width * columns);
    multiply_symmetric(from, y + u.begin, columns, ld, out + u.begin, m);
    return;
  }
  const double* block =
      from.panel + (from.local[0] - from.shift) + std::int64_t{from.columns[0] - from.first} * from.lead;
  int ldb = from.lead;
  if (!u.contiguous) {
    double* work = work_[thread].data();
    for (int c = 0; c < from.width; ++c) {
      const double* column = from.panel + std::int64_t{from.columns[c] - from.first} * from.lead;
      double* to = work + static_cast<std::size_t>(c) * from.count;
      for (int i = c; i < from.count; ++i) to[i] = column[from.local[i] - from.shift];
    }
    block = work;
    ldb = from.count;
  }
  const int rest = from.count - from.width;
  blas::symm('L', 'L', from.width, columns, 1.0, block, ldb, y + u.begin, ld, 1.0, out + u.begin, m);
  blas::gemm('N', 'N', rest, columns, from.width, 1.0, block + from.width, ldb, y + u.begin, ld, 1.0, out + u.end, m);
  blas::gemm('T', 'N', from.width, columns, rest, 1.0, block + from.width, ldb, y + u.end, ld, 1.0, out + u.begin, m);
}

void Factor::finish_inverse(const Supernode& node, const double* product, InterruptMeter& meter) {
  const int w = node.width, m = node.below, ld = node.leading();
  double* Z = inverse_.data() + node.panel;
  double* Y = Z + w;
  if (w <= kSmallWidth) {
    meter.count(std::int64_t{w} * w * m);
    for (int c = 0; c < w; ++c)
      for (int r = c; r < w; ++r)
        Z[r + std::int64_t{c} * ld] += small::dot(m, Y + std::int64_t{r} * ld, product + std::int64_t{c} * m);
  } else {
    blas::gemm('T', 'N', w, w, m, 1.0, Y, ld, product, m, 1.0, Z, ld);
  }
  store_product(node, product, 0, w);
}

void Factor::store_product(const Supernode& node, const double* product, int first, int last) {
  const int m = node.below;
  double* below = inverse_.data() + node.panel + node.width;
  for (int c = first; c < last; ++c)
    for (int i = 0; i < m; ++i) below[i + std::int64_t{c} * node.leading()] = -product[i + std::int64_t{c} * m];
}

void Factor::invert_top(const Supernode& node, InterruptMeter& meter) {
  const int w = node.width, m = node.below, ld = node.leading();
  const double* P = panels_.data() + node.panel;
  double* Z = inverse_.data() + node.panel;
  double* Y = Z + w;
  auto copy_rows = [&](int first, int rows) {
    for (int c = 0; c < w; ++c) std::copy_n(P + first + std::int64_t{c} * ld, rows, Z + first + std::int64_t{c} * ld);
  };
  if (m <= kStripRows) {
    divide_by_own(node, meter);
  } else {
    workers_.run(1 + parts(m, kStripRows), [&](int i, int) {
      if (i == 0) {
        copy_rows(0, w);
        blas::potri('L', w, Z, ld);
        return;
      }
      const int first = (i - 1) * kStripRows, rows = std::min(kStripRows, m - first);
      copy_rows(w + first, rows);
      blas::trsm('R', 'L', 'N', rows, w, P, ld, Y + first, ld);
    });
  }
  if (m == 0) return;
  const int slice = parts(w, workers_.threads());  // a slice for every thread: each packs the whole inverse anew
  workers_.run(parts(w, slice), [&](int i, int thread) {
    const int first = i * slice, columns = std::min(slice, w - first);
    const double* y = Y + std::int64_t{first} * ld;
    double* product = below_.data() + std::int64_t{first} * m;
    std::fill_n(product, std::int64_t{m} * columns, 0.0);
    InterruptMeter own;
    for (std::int64_t t = node.update_begin; t < node.update_end; ++t)
      multiply_inverse(node, S_.updates[t], y, columns, product, thread, own);
    blas::gemm('T', 'N', w - first, columns, m, 1.0, y, ld, product, m, 1.0, Z + first + std::int64_t{first} * ld, ld);
  });
  workers_.run(parts(w, slice),
               [&](int i, int) { store_product(node, below_.data(), i * slice, std::min(w, (i + 1) * slice)); });
}

void Factor::start_inverse(const std::vector<int>& chunk) {
  InterruptMeter meter;
  for (int s : chunk) {
    const Supernode& node = S_.supernodes[s];
    divide_by_own(node, meter);
    std::fill_n(product_.data() + node.product, std::int64_t{node.below} * node.width, 0.0);
  }
}

// The part of the top in the products of the supernodes first .. last of the chunks.
void Factor::pull_inverse(int first, int last, int thread) {
  InterruptMeter meter;
  for (const std::vector<Pull>& pulls : S_.pulls) {
    auto it =
        std::lower_bound(pulls.begin(), pulls.end(), first, [](const Pull& pull, int s) { return pull.node < s; });
    for (; it != pulls.end() && it->node <= last; ++it) {
      const Supernode& node = S_.supernodes[it->node];
      multiply_inverse(node, S_.updates[it->update], inverse_.data() + node.panel + node.width, node.width,
                       product_.data() + node.product, thread, meter);
    }
  }
}

void Factor::invert_chunk(const std::vector<int>& chunk, int thread) {
  InterruptMeter meter;
  for (auto it = chunk.rbegin(); it != chunk.rend(); ++it) {
    const Supernode& node = S_.supernodes[*it];
    if (node.below == 0) continue;
    double* product = product_.data() + node.product;
    for (std::int64_t t = node.update_begin; t < node.update_end; ++t)
      if (!S_.updates[t].deferred)
        multiply_inverse(node, S_.updates[t], inverse_.data() + node.panel + node.width, node.width, product, thread,
                         meter);
    finish_inverse(node, product, meter);
  }
}

bool Factor::inverse_has(const std::vector<int>& place, int n) const {
  std::size_t found = 0;
  for (const Supernode& node : S_.supernodes) {
    check_interrupt(node.leading());
    std::size_t before = 0;  // columns of this supernode that are wanted
    for (int c = 0; c < node.width; ++c)
      if (place[node.first + c] >= 0) ++before, found += before;
    if (before == 0) continue;
    for (int r = 0; r < node.below; ++r)
      if (place[S_.rows[node.rows + r]] >= 0) found += before;
  }
  return found == static_cast<std::size_t>(n) * (n + 1) / 2;
}

void Factor::read_inverse(const std::vector<int>& place, int n, double* out) const {
  const auto lead = static_cast<std::size_t>(n);
  for (const Supernode& node : S_.supernodes) {
    check_interrupt(1.0 * node.leading() * node.width);
    const double* column = inverse_.data() + node.panel;
    const int* below = S_.rows.data() + node.rows;
    for (int c = 0; c < node.width; ++c, column += node.leading()) {
      const int at = place[node.first + c];
      if (at < 0) continue;
      const auto read = [&](int row, double value) {
        if (row >= 0) out[std::max(row, at) + std::min(row, at) * lead] = value;
      };
      for (int r = c; r < node.width; ++r) read(place[node.first + r], column[r]);
      for (int r = 0; r < node.below; ++r) read(place[below[r]], column[node.width + r]);
    }
  }
  mirror(n, out);
}

}  // namespace mixedmodels
