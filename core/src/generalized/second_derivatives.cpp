#include "generalized/second_derivatives.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kRows = 256;  // rows of a block

class ExactHessian {
 public:
  ExactHessian(const CurvaturePoint& at, const WeightedRows& rows, const Components& components)
      : at_(at), rows_(rows), components_(components), one_(at.A, rows, components) {
    m_ = static_cast<int>(at.entries.size());
    N_ = m_ + at.p;
    k_ = at.A.k();
    for (auto* v : {&own_, &mixed_, &traces_}) v->assign(static_cast<std::size_t>(N_) * N_, 0.0);
  }

  std::vector<double> run() {
    const double q = components_.largest();
    require_memory("The exact Hessian",
                   {{"derivatives of all effects of a component", bytes_of_numbers(q * q * (2.0 * N_ + m_ + 8))}});
    for (std::size_t c = 0; c < components_.count(); ++c) {
      if (!one_.assign(c, at_.lam)) return {};
      q_ = one_.q();
      load();
      move_modes();
      add_explicit();
      differentiate_covariance();
      add_rows();
      add_traces();
    }
    std::vector<double> H(own_.size());
    for (int a = 0; a < at_.p; ++a)
      for (int b = 0; b < at_.p; ++b)
        own_[m_ + a + at(0, m_ + b)] += 2 * at_.A.XtX[a + b * static_cast<std::size_t>(k_)];
    for (int b = 0; b < N_; ++b)
      for (int a = 0; a < N_; ++a)
        H[a + at(0, b)] = 0.5 * (own_[a + at(0, b)] + own_[b + at(0, a)]) + mixed_[a + at(0, b)] +
                          mixed_[b + at(0, a)] + 0.5 * (traces_[a + at(0, b)] + traces_[b + at(0, a)]);
    return H;
  }

 private:
  std::size_t at(int row, int column) const { return row + static_cast<std::size_t>(column) * N_; }
  double* column(std::vector<double>& of, int j) { return of.data() + static_cast<std::size_t>(j) * q_; }
  const ThetaEntry& entry(int e) const { return at_.entries[e]; }

  template <typename Call>
  void for_each_level(int factor, Call&& call) const {
    for (const DenseComponent::Level& level : one_.levels())
      if (level.factor == factor) call(level);
  }

  void load() {
    const std::pair<std::vector<double>*, const std::vector<double>*> all[] = {
        {&u_, &at_.u}, {&c_, &at_.score}, {&v_, &at_.v}, {&bv_, &at_.bv}, {&d_, &at_.d}};
    for (const auto& [to, from] : all) {
      to->resize(q_);
      for (const DenseComponent::Level& level : one_.levels())
        std::copy_n(from->data() + level.effect, level.width, to->data() + level.first);
    }
  }

  // How modes, effects and Z's move with every parameter: du_, db_, ds_ (q x N).
  void move_modes() {
    const std::size_t size = static_cast<std::size_t>(q_) * N_;
    du_.resize(size);
    db_.assign(size, 0.0);
    ds_.assign(size, 0.0);
    for (int e = 0; e < m_; ++e)
      for_each_level(entry(e).factor, [&](const DenseComponent::Level& level) {
        column(db_, e)[level.first + entry(e).row] = u_[level.first + entry(e).column];
      });
    for (const DenseComponent::Level& level : one_.levels())
      for (int i = 0; i < level.width; ++i)
        for (int j = 0; j < at_.p; ++j) column(ds_, m_ + j)[level.first + i] = -at_.A.ZtX[(level.effect + i) * k_ + j];
    std::vector<double> right(ds_);  // -Z'W e
    blas::gemm('N', 'N', q_, m_, q_, -1.0, one_.ZtWZ().data(), q_, db_.data(), q_, 0.0, right.data(), q_);
    one_.apply(at_.lam, true, right.data(), N_);
    for (int e = 0; e < m_; ++e)
      for_each_level(entry(e).factor, [&](const DenseComponent::Level& level) {
        column(right, e)[level.first + entry(e).column] += c_[level.first + entry(e).row];
      });
    blas::gemm('N', 'N', q_, N_, q_, 1.0, one_.inverse().data(), q_, right.data(), q_, 0.0, du_.data(), q_);
    right = du_;
    one_.apply(at_.lam, false, right.data(), N_);
    for (std::size_t i = 0; i < size; ++i) db_[i] += right[i];
    blas::gemm('N', 'N', q_, N_, q_, -1.0, one_.ZtWZ().data(), q_, db_.data(), q_, 1.0, ds_.data(), q_);
  }

  // Of 2 g, and of log |M| what is linear in how the modes move.
  void add_explicit() {
    for (int e = 0; e < m_; ++e)
      for_each_level(entry(e).factor, [&](const DenseComponent::Level& level) {
        const int r = level.first + entry(e).row, c = level.first + entry(e).column;
        for (int b = 0; b < N_; ++b) {
          own_[at(e, b)] -= 2 * (c_[r] * column(du_, b)[c] + u_[c] * column(ds_, b)[r]);
          mixed_[at(e, b)] += d_[r] * column(du_, b)[c] + v_[c] * column(ds_, b)[r];
        }
      });
    for (const DenseComponent::Level& level : one_.levels())
      for (int i = 0; i < level.width; ++i)
        for (int b = 0; b < N_; ++b) {
          const double moved = 2 * column(db_, b)[level.first + i];
          const double* x = at_.A.ZtX.data() + (level.effect + i) * k_;
          for (int j = 0; j < at_.p; ++j) own_[at(m_ + j, b)] += moved * x[j];
        }
  }

  // P Q_e P' for every entry of theta, and the traces with T.
  void differentiate_covariance() {
    const std::size_t size = static_cast<std::size_t>(q_) * q_;
    const double *A = one_.ZtWZ().data(), *C = one_.covariance().data();
    P_.assign(size, 0.0);
    for (int i = 0; i < q_; ++i) P_[i * (static_cast<std::size_t>(q_) + 1)] = 1;
    blas::gemm('N', 'N', q_, q_, q_, -1.0, C, q_, A, q_, 1.0, P_.data(), q_);
    T_.resize(size);
    blas::gemm('N', 'N', q_, q_, q_, 1.0, A, q_, P_.data(), q_, 0.0, T_.data(), q_);
    by_columns(P_, PL_);
    by_columns(T_, TL_);
    LTL_ = TL_;
    one_.apply(at_.lam, true, LTL_.data(), q_);
    dC_.resize(size * m_);
    for (int e = 0; e < m_; ++e) {
      double* out = dC_.data() + size * e;
      int first = 0, levels = 0;
      for_each_level(entry(e).factor, [&](const DenseComponent::Level& level) {
        if (levels++ == 0) first = level.first;
      });
      const int s = at_.A.factors[entry(e).factor].width;
      blas::gemm('N', 'T', q_, q_, levels, 1.0, column(P_, first + entry(e).row), s * q_,
                 column(PL_, first + entry(e).column), s * q_, 0.0, out, q_);
      for (int c = 0; c < q_; ++c)
        for (int r = 0; r <= c; ++r) {
          double &one = out[r + static_cast<std::size_t>(c) * q_], &other = out[c + static_cast<std::size_t>(r) * q_];
          one = other = one + other;
        }
    }
    for (int a = 0; a < m_; ++a)
      for (int b = 0; b <= a; ++b) {
        double sum = 0;
        for_each_level(entry(a).factor, [&](const DenseComponent::Level& l) {
          const int r = l.first + entry(a).row, c = l.first + entry(a).column;
          if (entry(a).factor == entry(b).factor && entry(a).column == entry(b).column)
            sum += 2 * column(T_, r)[l.first + entry(b).row];
          for_each_level(entry(b).factor, [&](const DenseComponent::Level& k) {
            const int r2 = k.first + entry(b).row, c2 = k.first + entry(b).column;
            sum -= 2 * (column(TL_, c)[r2] * column(TL_, c2)[r] + column(LTL_, c2)[c] * column(T_, r2)[r]);
          });
        });
        traces_[at(a, b)] += sum;
        if (a != b) traces_[at(b, a)] += sum;
      }
  }

  // out = in Lambda, q x q.
  void by_columns(const std::vector<double>& in, std::vector<double>& out) {
    out.assign(in.size(), 0.0);
    for (const DenseComponent::Level& level : one_.levels())
      for (int c = 0; c < level.width; ++c)
        for (int i = 0; i < level.width; ++i)
          small::axpy(q_, at_.lam[level.factor][i + c * level.width],
                      in.data() + static_cast<std::size_t>(level.first + i) * q_, column(out, level.first + c));
  }

  // Sums over rows, and A_a of every parameter (q x q each).
  void add_rows() {
    const std::size_t size = static_cast<std::size_t>(q_) * q_;
    dA_.assign(size * N_, 0.0);
    E_.resize(static_cast<std::size_t>(kRows) * N_);
    weighted_.resize(E_.size());
    slopes_.resize(static_cast<std::size_t>(kRows) * std::max(m_, 1));
    const auto rows = one_.rows();
    for (std::size_t first = 0; first < rows.size(); first += kRows) {
      const int count = static_cast<int>(std::min<std::size_t>(kRows, rows.size() - first));
      check_interrupt(10.0 * count * N_ * (N_ + 4));
      for (int i = 0; i < count; ++i) add_row(rows[first + i], i);
      blas::gemm('T', 'N', N_, N_, count, 1.0, weighted_.data(), kRows, E_.data(), kRows, 1.0, traces_.data(), N_);
      for (int i = 0; i < count; ++i) {  // t E
        const double t = at_.t[rows[first + i]];
        for (int a = 0; a < N_; ++a)
          weighted_[i + static_cast<std::size_t>(a) * kRows] = t * E_[i + static_cast<std::size_t>(a) * kRows];
      }
      // t E_a z'(P Q_b P')z, for the sum with a, b exchanged
      blas::gemm('T', 'N', N_, m_, count, 1.0, weighted_.data(), kRows, slopes_.data(), kRows, 1.0, mixed_.data(), N_);
    }
  }

  void add_row(std::int64_t row, int i) {
    const double weight = at_.fourth[row] * at_.leverage[row] - at_.t[row] * one_.dot(row, bv_.data());
    for (int a = 0; a < N_; ++a) {
      const std::size_t to = i + static_cast<std::size_t>(a) * kRows;
      E_[to] = one_.dot(row, column(db_, a)) + (a < m_ ? 0.0 : rows_.x(row, a - m_));
      weighted_[to] = weight * E_[to];
    }
    const std::size_t size = static_cast<std::size_t>(q_) * q_;
    one_.for_each_effect(row, [&](int place, int width, const double* z) {
      for (int c = 0; c < width; ++c)
        for (int a = 0; a < N_; ++a) {
          const double factor = at_.t[row] * E_[i + static_cast<std::size_t>(a) * kRows] * z[c];
          if (factor != 0) one_.add(row, factor, dA_.data() + size * a + static_cast<std::size_t>(place + c) * q_);
        }
    });
    for (int e = 0; e < m_; ++e) {
      double sum = 0;
      one_.for_each_effect(row, [&](int place, int width, const double* z) {
        for (int c = 0; c < width; ++c)
          sum += z[c] * one_.dot(row, dC_.data() + size * e + static_cast<std::size_t>(place + c) * q_);
      });
      slopes_[i + static_cast<std::size_t>(e) * kRows] = sum;
    }
  }

  // - tr(C A_a C A_b)
  void add_traces() {
    const std::size_t size = static_cast<std::size_t>(q_) * q_;
    CA_.assign(size * N_, 0.0);
    for (int a = 0; a < N_; ++a)
      for (int c = 0; c < q_; ++c) {
        check_interrupt(2.0 * q_);
        const double* from = dA_.data() + size * a + static_cast<std::size_t>(c) * q_;
        double* to = CA_.data() + size * a + static_cast<std::size_t>(c) * q_;
        for (int r = 0; r < q_; ++r)
          if (from[r] != 0) small::axpy(q_, from[r], one_.covariance().data() + static_cast<std::size_t>(r) * q_, to);
      }
    for (int a = 0; a < N_; ++a)  // their transposes, in the place of A_a
      for (int c = 0; c < q_; ++c)
        for (int r = 0; r < q_; ++r)
          dA_[size * a + r + static_cast<std::size_t>(c) * q_] = CA_[size * a + c + static_cast<std::size_t>(r) * q_];
    const int length = static_cast<int>(size);
    blas::gemm('T', 'N', N_, N_, length, -1.0, CA_.data(), length, dA_.data(), length, 1.0, traces_.data(), N_);
  }

  const CurvaturePoint& at_;
  const WeightedRows& rows_;
  const Components& components_;
  DenseComponent one_;
  int m_, N_, k_, q_ = 0;
  std::vector<double> own_, mixed_, traces_;  // N x N: of 2 g; half of a sum with its transpose; symmetric
  std::vector<double> u_, c_, v_, bv_, d_, du_, db_, ds_;
  std::vector<double> P_, T_, PL_, TL_, LTL_, dC_, dA_, CA_, E_, weighted_, slopes_;
};

// The next term of one component. With h = z'Cz and r = t h:
//   sum t' h^2 / 4 - (Lambda'Z'r)'M^-1 (Lambda'Z'r) / 4 - sum over pairs of rows of t t (z'C z)^3 / 6
double component_term(const CurvaturePoint& at, const DenseComponent& one, std::vector<double>& work) {
  const int q = one.q();
  const auto rows = one.rows();
  const double* C = one.covariance().data();
  double fourth = 0, cubes = 0;
  std::vector<double> pull(q, 0.0);
  work.resize(q);
  std::vector<double> tensor(q <= 3 ? static_cast<std::size_t>(q) * q * q : 0, 0.0), z(q);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t row = rows[i];
    check_interrupt(5.0 * q);
    fourth += at.fourth[row] * at.leverage[row] * at.leverage[row];
    one.add(row, at.t[row] * at.leverage[row], pull.data());
    if (q <= 3) {
      std::fill(z.begin(), z.end(), 0.0);
      one.add(row, 1.0, z.data());
      for (int a = 0; a < q; ++a)
        for (int b = 0; b < q; ++b)
          for (int c = 0; c < q; ++c) tensor[a + q * (b + q * c)] += at.t[row] * z[a] * z[b] * z[c];
      continue;
    }
    std::fill(work.begin(), work.end(), 0.0);
    one.for_each_effect(row, [&](int place, int width, const double* own) {
      for (int c = 0; c < width; ++c) small::axpy(q, own[c], C + static_cast<std::size_t>(place + c) * q, work.data());
    });
    check_interrupt(10.0 * static_cast<double>(i));
    for (std::size_t j = 0; j <= i; ++j) {
      const double inner = one.dot(rows[j], work.data());
      cubes += (j == i ? 1 : 2) * at.t[row] * at.t[rows[j]] * inner * inner * inner;
    }
  }
  if (q <= 3)
    for (int a = 0; a < q * q * q; ++a)
      for (int b = 0; b < q * q * q; ++b)
        cubes += tensor[a] * tensor[b] * C[a % q + q * (b % q)] * C[a / q % q + q * (b / q % q)] *
                 C[a / (q * q) + q * (b / (q * q))];
  double square = 0;
  for (int c = 0; c < q; ++c) square += pull[c] * small::dot(q, C + static_cast<std::size_t>(c) * q, pull.data());
  return fourth / 4 - square / 4 - cubes / 6;
}

}  // namespace

double exact_work(const Components& components, int entries, int p, std::int64_t n) {
  const double N = entries + p, m = entries;
  double sum = static_cast<double>(n) * N * (N + 12);
  for (std::size_t c = 0; c < components.count(); ++c) {
    const double q = components.size(c), rows = static_cast<double>(components.rows(c).size());
    const double dense = std::min(q * q, q + 2 * rows);  // entries of A_a that are not zero
    sum += q * q * q * (3 + m) + N * (q * dense + 3 * q * q) + N * N * q * q / 2;
  }
  return sum;
}

std::vector<double> exact_hessian(const CurvaturePoint& at, const WeightedRows& rows, const Components& components) {
  return ExactHessian(at, rows, components).run();
}

double next_term_work(const Components& components) {
  double sum = 0;
  for (std::size_t c = 0; c < components.count(); ++c) {
    const double q = components.size(c), rows = static_cast<double>(components.rows(c).size());
    sum += q <= 3 ? 30 * rows : q * q * q + rows * (3 * q + 5 * rows);
  }
  return sum;
}

std::vector<double> next_term(const CurvaturePoint& at, const WeightedRows& rows, const Components& components) {
  DenseComponent one(at.A, rows, components);
  std::vector<double> out, work;
  for (std::size_t c = 0; c < components.count(); ++c)
    out.push_back(one.assign(c, at.lam) ? component_term(at, one, work) : std::numeric_limits<double>::quiet_NaN());
  return out;
}

}  // namespace mixedmodels
