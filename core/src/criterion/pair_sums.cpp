#include "criterion/pair_sums.hpp"

#include <algorithm>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/level_blocks.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kRows = 96;          // rows of a panel, about
constexpr int kPanel = 4'000'000;  // numbers of a panel, at most
constexpr int kPacked = 64;        // pairs of levels that are summed in one call
// Tasks that panels are dealt out to, and the numbers that their sums may take.
constexpr std::size_t kTasks = 24, kNumbers = 20'000'000;

MIXEDMODELS_CLONES
double sum_of_squares(int n, const double* x) {
  double sum = 0;
  MIXEDMODELS_STRANDS(sum)
  for (int i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

using Panel = PanelSpace::Panel;

class Panels {
 public:
  Panels(const ZtViZ& T, int k, const double* Y, Workers& workers, PanelSpace& space, PairSums& out)
      : T_(T), layout_(T.layout()), k_(k), Y_(Y), workers_(workers), space_(space), out_(out) {
    space.threads.resize(std::max(space.threads.size(), static_cast<std::size_t>(workers.threads())));
  }

  void run() {
    by_products_ = lead_cost(layout_, T_.links(), k_).by_products();
    const auto size = static_cast<std::size_t>(layout_.own) * layout_.rest;
    if (!by_products_ && size > space_.room) {  // left as it is: the panels touch it first
      space_.back = std::make_unique_for_overwrite<double[]>(size);
      space_.room = size;
    }
    std::vector<Panel>& panels = space_.panels;
    panels.clear();
    for (int f = 0; f < static_cast<int>(layout_.parts.size()); ++f)
      if (f != layout_.lead) split(f, panels);
    run([this](const Panel& p, PanelSpace::OfThread& space, PairSums& out) { rest_panel(p, space, out); });
    if (by_products_) return add_products();
    panels.clear();
    split(layout_.lead, panels);
    run([this](const Panel& p, PanelSpace::OfThread& space, PairSums& out) { lead_panel(p, space, out); });
  }

 private:
  void split(int f, std::vector<Panel>& out) const {
    const Layout::Part& part = layout_.parts[f];
    const int rows = std::clamp(kPanel / std::max(1, layout_.own), ZtViZ::kTile, kRows);
    const int levels = static_cast<int>(part.levels.size()), step = std::max(1, rows / part.width);
    for (int first = 0; first < levels; first += step) out.push_back({f, first, std::min(levels, first + step)});
  }

  // Panels are dealt to a fixed number of tasks. Each has sums of its own, which are added in the order of the tasks,
  // so that results do not depend on the threads.
  template <typename Take>
  void run(Take take) {
    const std::vector<Panel>& panels = space_.panels;
    if (panels.size() < 2 || workers_.threads() == 1) {
      for (const Panel& p : panels) take(p, space_.threads[0], out_);
      return;
    }
    const std::size_t tasks = std::min(panels.size(), std::clamp<std::size_t>(kNumbers / out_.numbers(), 2, kTasks));
    std::vector<PairSums> sums(tasks, out_.zeros());
    workers_.run(static_cast<int>(tasks), [&](int task, int thread) {
      for (std::size_t i = task; i < panels.size(); i += tasks) take(panels[i], space_.threads[thread], sums[task]);
    });
    for (const PairSums& s : sums) out_.add(s);
  }

  int width(const Panel& p) const { return layout_.parts[p.factor].width; }
  int rows(const Panel& p) const { return (p.last - p.first) * width(p); }
  int row(const Panel& p) const { return layout_.parts[p.factor].first + p.first * width(p); }
  static int padded(int rows) { return (rows + ZtViZ::kTile - 1) / ZtViZ::kTile * ZtViZ::kTile; }

  // Rows of G between a panel of the rest and everything before it.
  void rest_panel(const Panel& p, PanelSpace::OfThread& space, PairSums& out) {
    const int n = rows(p), height = padded(n), rest = layout_.rest, own = layout_.own, at = row(p) - own;
    space.panel.assign(static_cast<std::size_t>(height) * rest, 0.0);
    space.values.resize(std::max(space.values.size(), static_cast<std::size_t>(height) * std::max(own, rest)));
    double *panel = space.panel.data(), *values = space.values.data();
    T_.rows_of_R(at, n, height, panel);
    const int levels = own / layout_.parts[layout_.lead].width;
    T_.times_links(height, panel, levels, space.scratch, values);
    if (!by_products_) keep_transposed(n, own, height, values, space_.back.get() + static_cast<std::size_t>(at) * own);
    if (T_.divides()) {
      T_.divide_rows(at, n, own, height, values);
    } else {
      T_.rows_of_Ut(at, n, height, panel);
      T_.times_links(height, panel, levels, space.scratch, values);
    }
    subtract(p, 0, own, height, values);
    add_all(p, {layout_.lead, 0, levels}, height, values, space.packed, out);

    const int columns = at + n;
    T_.rows_of_T22(at, n, columns, height, values);
    subtract(p, own, columns, height, values);
    for (int f = 0; f < p.factor; ++f) {
      const Layout::Part& part = layout_.parts[f];
      if (f == layout_.lead || part.levels.empty()) continue;
      add_all(p, {f, 0, static_cast<int>(part.levels.size())}, height,
              values + static_cast<std::size_t>(part.first - own) * height, space.packed, out);
    }
    add_below(p, height, values + static_cast<std::size_t>(layout_.parts[p.factor].first - own) * height, space.packed,
              out);
  }

  // Rows of G between a panel of the lead and the levels up to its last.
  void lead_panel(const Panel& p, PanelSpace::OfThread& space, PairSums& out) {
    const int n = rows(p), height = padded(n), rest = layout_.rest, own = layout_.own, s = width(p), at = row(p);
    const int columns = p.last * s;
    space.panel.assign(static_cast<std::size_t>(height) * rest, 0.0);
    space.values.resize(std::max(space.values.size(), static_cast<std::size_t>(height) * columns));
    double *panel = space.panel.data(), *values = space.values.data();
    for (int j = 0; j < rest; ++j)
      for (int i = 0; i < n; ++i)
        panel[i + static_cast<std::size_t>(j) * height] = -space_.back[at + i + static_cast<std::size_t>(j) * own];
    T_.times_links(height, panel, p.last, space.scratch, values);
    for (int l = p.first; l < p.last; ++l)
      for (int c = 0; c < s; ++c)
        small::axpy(s, 1.0, T_.B().data() + static_cast<std::size_t>(l * s + c) * s,
                    values + (l - p.first) * s + static_cast<std::size_t>(l * s + c) * height);
    subtract(p, 0, columns, height, values);
    add_below(p, height, values, space.packed, out);
  }

  // The lead's pairs without making them: with e_l = [E'; Y] of a level, G_lm = B_l (l = m only) - e_l'[R 0; 0 I] e_m,
  // so that sums over l and m fall apart into products of the matrices N_ab = sum of e_la e_lb'.
  void add_products() {
    const int s = layout_.parts[layout_.lead].width, size = layout_.rest + k_, f = layout_.lead;
    const auto square = static_cast<std::size_t>(size) * size;
    std::vector<double>& RN = space_.products;
    RN.resize(square * s * s);
    const int pairs = s * s;
    const int tasks = size > kRows ? pairs : 1;
    workers_.run(tasks, [&](int task, int thread) {
      PanelSpace::OfThread& space = space_.threads[thread];
      space.panel.resize(std::max(space.panel.size(), square));
      for (int ab = task; ab < pairs; ab += tasks) {
        T_.links_product(ab % s, ab / s, k_, Y_, space.scratch, space.panel.data());
        T_.times_R(k_, size, space.panel.data(), RN.data() + ab * square);
      }
    });
    std::vector<double>& same = out_.same[f];
    for (int ab = 0; ab < pairs; ++ab)
      for (int cd = 0; cd <= ab; ++cd) {  // sum of e_a'R e_b e_c'R e_d = tr(R N_bd R N_ca)
        const int a = ab % s, b = ab / s, c = cd % s, d = cd / s;
        const double sum = trace_of_product(size, RN.data() + (b + d * s) * square, RN.data() + (c + a * s) * square);
        same[ab + static_cast<std::size_t>(cd) * pairs] += sum;
        if (ab != cd) same[cd + static_cast<std::size_t>(ab) * pairs] += sum;
      }
    T_.for_each_own_share([&](int l, double* w) {
      const double* B = T_.B().data() + static_cast<std::size_t>(l) * pairs;
      const double* y = Y_ + static_cast<std::ptrdiff_t>(l) * s * k_;
      for (int b = 0; b < s && k_ > 0; ++b)
        for (int a = 0; a < s; ++a) w[a + b * s] += small::dot(k_, y + a * k_, y + b * k_);
      for (int i = 0; i < pairs; ++i) {
        out_.own[f][i] += B[i] - w[i];
        for (int j = 0; j < pairs; ++j)
          same[j + static_cast<std::size_t>(i) * pairs] += B[i] * B[j] - B[i] * w[j] - w[i] * B[j];
      }
    });
  }

  // tr(X Y)
  static double trace_of_product(int n, const double* X, const double* Y) {
    double sum = 0;
    check_interrupt(1.0 * n * n);
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i)
        sum += X[i + static_cast<std::size_t>(j) * n] * Y[j + static_cast<std::size_t>(i) * n];
    return sum;
  }

  // out (columns x n) = the first n rows of values, in tiles.
  static void keep_transposed(int n, int columns, int height, const double* values, double* out) {
    for (int first = 0; first < columns; first += ZtViZ::kTile)
      for (int i = 0; i < n; ++i)
        for (int c = first; c < std::min(columns, first + ZtViZ::kTile); ++c)
          out[c + static_cast<std::size_t>(i) * columns] = values[i + static_cast<std::size_t>(c) * height];
  }

  void subtract(const Panel& p, int first, int columns, int height, double* values) const {
    if (k_ == 0) return;
    blas::gemm('T', 'N', rows(p), columns, k_, -1.0, Y_ + static_cast<std::size_t>(row(p)) * k_, k_,
               Y_ + static_cast<std::size_t>(first) * k_, k_, 1.0, values, height);
  }

  // Pairs of a level of p and one of another factor's, all of them in the columns of `values`.
  void add_all(const Panel& p, const Panel& other, int height, const double* values, std::vector<double>& packed,
               PairSums& out) const {
    const int f = std::max(p.factor, other.factor), g = std::min(p.factor, other.factor);
    double* to = out.pairs[PairSums::index(f, g)].data();
    const int s = width(other);
    for (int m = other.first; m < other.last; ++m) {
      check_interrupt(1.0 * (p.last - p.first) * width(p) * width(p) * s * s);
      add_pairs(width(p), s, p.last - p.first, height, values + static_cast<std::size_t>(m) * s * height,
                p.factor < other.factor, packed, m + 1 == other.last, to);
    }
  }

  // Pairs of a level of p and one before it, and every level with itself.
  void add_below(const Panel& p, int height, const double* values, std::vector<double>& packed, PairSums& out) const {
    const int s = width(p);
    double* to = out.pairs[PairSums::index(p.factor, p.factor)].data();
    for (int m = 0; m < p.last; ++m) {
      check_interrupt(1.0 * (p.last - p.first) * s * s * s * s);
      const int after = std::max(0, m + 1 - p.first);
      const double* column = values + static_cast<std::size_t>(m) * s * height;
      add_pairs(s, s, p.last - p.first - after, height, column + after * s, false, packed, m + 1 == p.last, to);
    }
    for (int l = 0; l < p.last - p.first; ++l) {
      const double* block = values + l * s + static_cast<std::size_t>(p.first + l) * s * height;
      for (int c = 0; c < s; ++c)
        small::axpy(s, 1.0, block + static_cast<std::size_t>(c) * height, out.own[p.factor].data() + c * s);
      add_pairs(s, s, 1, height, block, false, packed, true, out.same[p.factor].data());
    }
  }

  // Blocks (s x t) that lie below each other in a column of levels; what was packed is summed when there is enough of
  // it or it is the last.
  void add_pairs(int s, int t, int count, int height, const double* block, bool transposed, std::vector<double>& packed,
                 bool last, double* out) const {
    if (s == 1 && t == 1) {
      *out += sum_of_squares(count, block);
      return;
    }
    if (s <= 2 && t <= 2) {
      if (s == 2 && t == 2) return add_small<2, 2>(count, height, block, transposed, out);
      return s == 2 ? add_small<2, 1>(count, height, block, transposed, out)
                    : add_small<1, 2>(count, height, block, transposed, out);
    }
    const std::size_t size = static_cast<std::size_t>(s) * t, before = packed.size();
    packed.resize(before + size * count);
    double* to = packed.data() + before;
    for (int l = 0; l < count; ++l, block += s) {
      if (transposed) {
        for (int a = 0; a < s; ++a)
          for (int b = 0; b < t; ++b) *to++ = block[a + static_cast<std::size_t>(b) * height];
      } else {
        for (int b = 0; b < t; ++b) to = std::copy_n(block + static_cast<std::size_t>(b) * height, s, to);
      }
    }
    if (!last && packed.size() < size * kPacked) return;
    blocks::add_outer(static_cast<int>(size), static_cast<int>(packed.size() / size), packed.data(), packed.data(),
                      out);
    packed.clear();
  }

  template <int s, int t>
  static void add_small(int count, int height, const double* block, bool transposed, double* out) {
    constexpr int size = s * t;
    double sum[size][size] = {}, x[size];
    for (int l = 0; l < count; ++l, block += s) {
      for (int b = 0; b < t; ++b)
        for (int a = 0; a < s; ++a) x[a + b * s] = block[a + static_cast<std::size_t>(b) * height];
      for (int i = 0; i < size; ++i)
        for (int j = 0; j < size; ++j) sum[i][j] += x[i] * x[j];
    }
    const auto place = [&](int i) { return transposed ? i / s + i % s * t : i; };
    for (int i = 0; i < size; ++i)
      for (int j = 0; j < size; ++j) out[place(i) + place(j) * size] += sum[i][j];
  }

  const ZtViZ& T_;
  const Layout& layout_;
  int k_;
  const double* Y_;
  Workers& workers_;
  PanelSpace& space_;
  PairSums& out_;
  bool by_products_ = false;
};

}  // namespace

LeadCost lead_cost(const Layout& layout, double links, int k) {
  const double s = layout.parts[layout.lead].width, own = layout.own, size = layout.rest + k, all = s * s * s * s;
  return {own * (3 * links + own * (s * s + k)) + 2 * own * s * s, 2 * s * s * size * size * size +
                                                                       2 * all * size * size + all * own / s +
                                                                       3 * s * own * (links / std::max(own, 1.0) + k)};
}

PairSums::PairSums(const CrossProducts& A) {
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    widths.push_back(A.factors[f].width);
    own.emplace_back(static_cast<std::size_t>(widths[f]) * widths[f], 0.0);
    for (std::size_t g = 0; g <= f; ++g) {
      const std::size_t size = static_cast<std::size_t>(widths[f]) * widths[g];
      pairs.emplace_back(size * size, 0.0);
      if (f == g) same.emplace_back(size * size, 0.0);
    }
  }
}

PairSums PairSums::zeros() const {
  PairSums out(*this);
  for (auto* list : {&out.own, &out.pairs, &out.same})
    for (std::vector<double>& v : *list) std::fill(v.begin(), v.end(), 0.0);
  return out;
}

std::size_t PairSums::numbers() const {
  std::size_t out = 1;
  for (const auto* list : {&own, &pairs, &same})
    for (const std::vector<double>& v : *list) out += v.size();
  return out;
}

void PairSums::add(const PairSums& other) {
  const auto add_list = [](const std::vector<std::vector<double>>& from, std::vector<std::vector<double>>& to) {
    for (std::size_t i = 0; i < from.size(); ++i)
      for (std::size_t j = 0; j < from[i].size(); ++j) to[i][j] += from[i][j];
  };
  add_list(other.own, own);
  add_list(other.pairs, pairs);
  add_list(other.same, same);
}

double PairSums::product(int f, int g, int a, int b, int c, int d) const {
  if (f < g) return product(g, f, b, a, d, c);
  const std::size_t s = widths[f], size = s * widths[g], row = a + b * s, column = c + d * s;
  const double* sums = pairs[index(f, g)].data();
  if (f != g) return sums[row + column * size];
  const std::size_t mirrored = b + a * s, with = d + c * s;
  return same[f][row + column * size] + sums[row + column * size] + sums[mirrored + with * size];
}

double PairSums::trace(int f, int a, const double* x, int g, int b, const double* y) const {
  double out = 0;
  for (int i = 0; i < widths[f]; ++i)
    for (int j = 0; j < widths[g]; ++j)
      if (x[i] * y[j] != 0) out += x[i] * y[j] * (product(f, g, i, b, a, j) + product(f, g, i, j, a, b));
  return 2 * out;
}

void add_level_sums(const ZtViZ& T, int k, const double* Y, Workers& workers, PanelSpace& space, PairSums& out) {
  Panels(T, k, Y, workers, space, out).run();
}

}  // namespace mixedmodels
