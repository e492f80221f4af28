#include "products/gram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/eigen.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"
#include "products/axes.hpp"
#include "products/triangle.hpp"

namespace mixedmodels {

namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

std::size_t at(int r, int c, int lead) { return r + static_cast<std::size_t>(c) * lead; }

// X <- X^-1 for an upper triangle.
std::vector<double> inverse_of_upper(const std::vector<double>& R, int k) {
  std::vector<double> out(R.size(), 0.0);
  for (int j = 0; j < k; ++j) out[at(j, j, k)] = 1;
  blas::trsm('L', 'U', 'N', k, k, R.data(), std::max(k, 1), out.data(), std::max(k, 1));
  return out;
}

// Rows and columns in the opposite order: a lower triangle becomes an upper one.
std::vector<double> reversed(const std::vector<double>& square, int s) {
  return {square.rbegin(), square.rbegin() + static_cast<std::ptrdiff_t>(s) * s};
}

// One term of a factor: its columns first .. first + s - 1.
struct Term {
  int first, s;
};

std::vector<Term> terms_of(const std::vector<int>& widths) {
  std::vector<Term> out;
  int first = 0;
  for (int s : widths) out.push_back({std::exchange(first, first + s), s});
  return out;
}

std::vector<double> corner(const std::vector<double>& square, int S, Term term) {
  std::vector<double> out;
  for (int c = 0; c < term.s; ++c)
    for (int r = 0; r < term.s; ++r) out.push_back(square[at(term.first + r, term.first + c, S)]);
  return out;
}

void put_corner(const std::vector<double>& from, Term term, int S, std::vector<double>& square) {
  for (int c = 0; c < term.s; ++c)
    for (int r = 0; r < term.s; ++r) square[at(term.first + r, term.first + c, S)] = from[at(r, c, term.s)];
}

std::vector<double> identity(int S) {
  std::vector<double> out(static_cast<std::size_t>(S) * S, 0.0);
  for (int c = 0; c < S; ++c) out[at(c, c, S)] = 1;
  return out;
}

std::vector<double> axes_of(const FactorBlock& f) { return f.T.empty() ? identity(f.width) : f.T; }

// z'Wz over all levels, S x S.
std::vector<double> total(const FactorBlock& f) {
  const std::size_t size = static_cast<std::size_t>(f.width) * f.width;
  std::vector<double> out(size, 0.0);
  InterruptMeter meter;
  for (std::int64_t l = 0; l < f.levels; ++l) {
    meter.count(static_cast<std::int64_t>(size));
    small::axpy(static_cast<int>(size), 1, f.diagonal.data() + l * size, out.data());
  }
  return out;
}

// The frame of a term's columns from the last to the first, of which T has the inverse.
std::vector<double> frame_of_axes(const std::vector<double>& T, int s) { return inverse_of_upper(reversed(T, s), s); }
std::vector<double> axes_of_frame(const std::vector<double>& F, int s) { return reversed(inverse_of_upper(F, s), s); }

FrameQr qr_of_term(const std::vector<double>& all, const std::vector<double>& T, int S, Term term, RowCount count) {
  const std::vector<double> G = reversed(corner(all, S, term), term.s);
  return {term.s, false, G.data(), frame_of_axes(corner(T, S, term), term.s), count};
}

// T1 such that the axes are T T1, of the frame's columns in the opposite order.
std::vector<double> turn_of_term(const FrameQr& qr, const std::vector<double>& F, int s, RowCount count) {
  const double root_n = std::sqrt(static_cast<double>(count.rows));
  const std::vector<double> triangle = qr.triangle();
  DependenceScan scan(s);
  std::vector<double> out(static_cast<std::size_t>(s) * s, 0.0);
  for (int j = 0; j < s; ++j) {
    double* column = out.data() + at(0, j, s);
    if (scan.independent(triangle.data() + at(0, j, s), dependence_tolerance(count.rows))) {
      scan.accept();
      qr.solve(scan.basis().data() + scan.basis().size() - s, column);
      for (int r = 0; r < s; ++r) column[r] *= root_n;
    } else {  // scaled only
      const double scale = scan.column_norm() > 0 ? root_n / scan.column_norm() : 1.0;
      for (int r = 0; r <= j; ++r) column[r] = scale * F[at(r, j, s)];
    }
  }
  return out;
}

bool is_identity(const std::vector<double>& T, int S) { return T == identity(S); }

// z T1 in the place of z, in everything that z is in.
void turn_axes(int factor, const std::vector<double>& T1, CrossProducts& A) {
  FactorBlock& f = A.factors[factor];
  const int S = f.width, k = A.k();
  const std::size_t size = static_cast<std::size_t>(S) * S;
  std::vector<double> half(std::max(size, static_cast<std::size_t>(S) * k));
  InterruptMeter meter;
  for (std::int64_t l = 0; l < f.levels; ++l) {
    meter.count(std::int64_t{4} * S * S * (S + k));
    double* D = f.diagonal.data() + l * size;
    for (int c = 0; c < S; ++c)  // D T1
      for (int r = 0; r < S; ++r) {
        double sum = 0;
        for (int i = 0; i < S; ++i) sum += D[at(r, i, S)] * T1[at(i, c, S)];
        half[at(r, c, S)] = sum;
      }
    for (int c = 0; c < S; ++c)
      for (int r = 0; r <= c; ++r)
        D[at(r, c, S)] = D[at(c, r, S)] = small::dot(S, T1.data() + at(0, r, S), half.data() + at(0, c, S));
    double* rows = A.ZtX.data() + (f.offset + l * S) * k;
    std::fill(half.begin(), half.end(), 0.0);
    for (int c = 0; c < S; ++c)
      for (int r = 0; r < S; ++r)
        if (T1[at(r, c, S)] != 0) small::axpy(k, T1[at(r, c, S)], rows + std::int64_t{r} * k, half.data() + c * k);
    std::copy_n(half.data(), static_cast<std::size_t>(S) * k, rows);
  }
  for (PairBlock& pair : A.pairs) {
    const int sa = A.factors[pair.a].width, sb = A.factors[pair.b].width;
    std::vector<double> block(static_cast<std::size_t>(sa) * sb);
    for (std::size_t t = 0; t < pair.level_b.size(); ++t) {
      double* values = pair.values.data() + t * block.size();
      meter.count(2 * std::int64_t{sa} * sb * S);
      if (pair.a == factor) {  // P T1
        std::fill(block.begin(), block.end(), 0.0);
        for (int c = 0; c < sa; ++c)
          for (int i = 0; i < sa; ++i)
            small::axpy(sb, T1[at(i, c, S)], values + at(0, i, sb), block.data() + at(0, c, sb));
        std::copy(block.begin(), block.end(), values);
      }
      if (pair.b == factor) {  // T1' P
        for (int c = 0; c < sa; ++c)
          for (int r = 0; r < sb; ++r)
            block[at(r, c, sb)] = small::dot(sb, T1.data() + at(0, r, S), values + at(0, c, sb));
        std::copy(block.begin(), block.end(), values);
      }
    }
  }
}

}  // namespace

FrameQr::FrameQr(int k, bool response, const double* G, const std::vector<double>& F, RowCount count)
    : k_(k), R_(static_cast<std::size_t>(k) * k, 0.0), F_(F) {
  const int columns = k - response;
  PartSizes sizes(F_.data(), k);
  for (int j = 0; j < k; ++j) {
    const double parts = sizes.next(j, [](int) { return true; });
    const double square = G[at(j, j, k)], noise = dependence_tolerance(count.rows) * parts / std::abs(F[at(j, j, k)]);
    if (j < columns && !(square > noise * noise * count.weights)) continue;
    double rest = square;
    for (int i = 0; i < j; ++i) {
      if (R_[at(i, i, k)] == 0) continue;
      double sum = G[at(i, j, k)];
      for (int l = 0; l < i; ++l) sum -= R_[at(l, i, k)] * R_[at(l, j, k)];
      R_[at(i, j, k)] = sum / R_[at(i, i, k)];
      rest -= R_[at(i, j, k)] * R_[at(i, j, k)];
    }
    if (rest > 4 * k * kEpsilon * square) {
      R_[at(j, j, k)] = std::sqrt(rest);
      if (j < columns) ++rank_;
    } else if (j < columns) {  // the Gram matrix cannot tell it from those before it
      condition_ = std::numeric_limits<double>::infinity();
    }
  }
  if (condition_ == 1) find_condition(columns);
}

void FrameQr::find_condition(int columns) {
  std::vector<double> scaled;
  for (int c = 0; c < columns; ++c)
    if (entry(c, c) != 0) {
      const double length = norm(R_.data() + at(0, c, k_), c + 1);
      for (int r = 0; r < k_; ++r) scaled.push_back(entry(r, c) / length);
    }
  if (rank_ < 2) return;
  std::vector<double> gram(static_cast<std::size_t>(rank_) * rank_), values, vectors;
  for (int c = 0; c < rank_; ++c)
    for (int r = 0; r < rank_; ++r)
      gram[at(r, c, rank_)] = small::dot(k_, scaled.data() + at(0, r, k_), scaled.data() + at(0, c, k_));
  symmetric_eigen(rank_, std::move(gram), values, vectors);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  condition_ = *least > 0 ? std::sqrt(*most / *least) : std::numeric_limits<double>::infinity();
}

std::vector<double> FrameQr::triangle() const {
  std::vector<double> out(R_.size(), 0.0);
  for (int c = 0; c < k_; ++c)
    for (int l = 0; l <= c; ++l)
      small::axpy(l + 1, F_[at(l, c, k_)], R_.data() + at(0, l, k_), out.data() + at(0, c, k_));
  return out;
}

void FrameQr::solve(const double* v, double* x) const {
  std::copy_n(v, k_, x);
  for (int c = k_ - 1; c >= 0; --c) {
    x[c] = entry(c, c) != 0 ? x[c] / entry(c, c) : 0.0;
    small::axpy(c, -x[c], R_.data() + at(0, c, k_), x);
  }
}

std::vector<double> with_response(const Frame& frame) {
  const int p = frame.p(), k = p + 1;
  std::vector<double> out(static_cast<std::size_t>(k) * k, 0.0);
  for (int c = 0; c < p; ++c) std::copy_n(frame.R.data() + at(0, c, p), c + 1, out.data() + at(0, c, k));
  std::copy(frame.c.begin(), frame.c.end(), out.begin() + static_cast<std::ptrdiff_t>(at(0, p, k)));
  out.back() = 1;
  return out;
}

FrameQr qr_of(const Frame& frame, const CrossProducts& A, RowCount count) {
  return {A.k(), true, A.XtX.data(), with_response(frame), count};
}

Frame better_frame(const Frame& frame, const CrossProducts& A, RowCount count) {
  Frame out = frame_of_triangle(qr_of(frame, A, count).triangle(), A.k(), count.rows, count.weights, frame.unit);
  out.kept = frame.kept;
  return out;
}

OrthogonalBasis go_to_basis(const Frame& frame, CrossProducts& A, RowCount count) {
  const int k = A.k(), p = k - 1;
  const FrameQr qr = qr_of(frame, A, count);
  DependenceScan scan(k);
  OrthogonalBasis out = basis_of_triangle(qr.triangle(), scan, count.rows, 1 / frame.unit);
  const int r = out.p();
  const double* Q = scan.basis().data();  // k x r: the basis along the orthonormal columns Q1 of the frame's QR
  // What is left of the response along Q1: of y~, and of X~ c where a column of the frame is outside of the basis.
  std::vector<double> own(static_cast<std::size_t>(k), 0.0), given(own),
      turn(static_cast<std::size_t>(k) * (r + 1), 0.0);
  for (int i = 0; i < p; ++i) {
    own[i] = qr.entry(i, p);
    for (int j = i; j < p && r < qr.rank(); ++j) given[i] += qr.entry(i, j) * frame.c[j];
  }
  std::vector<double> fitted(static_cast<std::size_t>(k), 0.0), rest(given);
  for (int b = 0; b < r; ++b) {
    const double* q = Q + at(0, b, k);
    small::axpy(k, small::dot(k, q, own.data()), q, fitted.data());
    small::axpy(k, -small::dot(k, q, given.data()), q, rest.data());
    qr.solve(q, turn.data() + at(0, b, k));
  }
  double squares = qr.entry(p, p) * qr.entry(p, p);
  for (int i = 0; i < p; ++i) squares += std::pow(rest[i] + own[i] - fitted[i], 2);
  for (int i = 0; i < p; ++i) rest[i] -= fitted[i];
  qr.solve(rest.data(), turn.data() + at(0, r, k));
  turn[at(p, r, k)] = 1;
  out.residual_norm = std::sqrt(squares);
  const double unit = out.fits_exactly ? 1.0 : out.choose_unit(count.rows);
  for (int i = 0; i < k; ++i) turn[at(i, r, k)] /= unit;
  // Rows of [Z'W X~, Z'W y~] times the turn; stored by rows, so that they are columns here.
  std::vector<double> ZtX(static_cast<std::size_t>(A.q) * (r + 1));
  blas::gemm('T', 'N', r + 1, static_cast<int>(A.q), k, 1, turn.data(), k, A.ZtX.data(), k, 0, ZtX.data(), r + 1);
  A.ZtX = std::move(ZtX);
  A.p = r;
  A.XtX.assign(static_cast<std::size_t>(r + 1) * (r + 1), 0.0);
  for (int j = 0; j < r; ++j) A.XtX[at(j, j, r + 1)] = 1;
  A.XtX.back() = squares / unit / unit;
  A.unit = out.unit;
  A.logdet_R2 = out.logdet_R2();
  return out;
}

void go_to_axes(int factor, const std::vector<int>& widths, CrossProducts& A, RowCount count) {
  FactorBlock& f = A.factors[factor];
  const int S = f.width;
  const std::vector<double> T = axes_of(f), all = total(f);
  std::vector<double> turn = identity(S), found(T.size(), 0.0);
  for (Term term : terms_of(widths)) {
    if (term.s == 1) {  // a power of two, so that nothing is rounded
      const std::size_t own = at(term.first, term.first, S);
      const double rms = std::sqrt(all[own] / static_cast<double>(count.rows)) / T[own];
      turn[own] = power_of_two(rms) / T[own];
      continue;
    }
    const FrameQr qr = qr_of_term(all, T, S, term, count);
    const std::vector<double> F = frame_of_axes(corner(T, S, term), term.s);
    put_corner(reversed(turn_of_term(qr, F, term.s, count), term.s), term, S, turn);
  }
  if (!is_identity(turn, S)) turn_axes(factor, turn, A);
  blas::gemm('N', 'N', S, S, S, 1, T.data(), S, turn.data(), S, 0, found.data(), S);
  f.T = is_identity(found, S) ? std::vector<double>{} : std::move(found);
}

std::vector<double> pilot_axes(const Rows& pilot, int factor, const std::vector<int>& widths) {
  const FactorRows& f = pilot.factors[factor];
  std::vector<double> out = identity(f.width());
  double weights = 0;
  for (std::int64_t i = 0; i < pilot.n; ++i) weights += pilot.w(i);
  for (Term term : terms_of(widths)) {
    const int s = term.s, last = term.first + s - 1;
    std::vector<double> triangle =
        triangle_of_rows(pilot, s, 1, [&](int j, std::int64_t row) { return f.z[last - j][row]; });
    scale_to_pilot(triangle, s, s, pilot.n, weights);
    if (s == 1) triangle[0] = 1 / power_of_two(triangle[0]);
    put_corner(axes_of_frame(triangle, s), term, f.width(), out);
  }
  return out;
}

std::vector<double> better_axes(int factor, const std::vector<int>& widths, const CrossProducts& A, RowCount count) {
  const FactorBlock& f = A.factors[factor];
  const std::vector<double> T = axes_of(f), all = total(f);
  std::vector<double> out = T;
  for (Term term : terms_of(widths)) {
    if (term.s == 1) continue;
    std::vector<double> triangle = qr_of_term(all, T, f.width, term, count).triangle();
    scale_to_pilot(triangle, term.s, term.s, count.rows, count.weights);
    put_corner(axes_of_frame(triangle, term.s), term, f.width, out);
  }
  return out;
}

double condition_of_axes(int factor, const std::vector<int>& widths, const CrossProducts& A, RowCount count) {
  const FactorBlock& f = A.factors[factor];
  const std::vector<double> T = axes_of(f), all = total(f);
  double out = 1;
  for (Term term : terms_of(widths))
    if (term.s > 1) out = std::max(out, qr_of_term(all, T, f.width, term, count).condition());
  return out;
}

}  // namespace mixedmodels
