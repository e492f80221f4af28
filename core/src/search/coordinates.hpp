// Purpose: coordinates in which the criterion is near to quadratic, with its gradient and a model of its Hessian there.
//
// A covariance has many factors: with F also F Q, Q orthogonal. The triangular one, which is theta, is the worst to
// move: where an entry of its diagonal comes near zero the column below turns with every little change. So a step is
// any square matrix, and the sum is made triangular again by a rotation. Rows are measured along the axes of Z:
// x = R' lam for the mean R R' of the rows' products, R upper, so that shifts and scales of covariates do not matter
// and x is triangular with lam. x is term by term, each a full square by columns, zero above the diagonal; what is
// above counts in steps and gradients only.
//
// The model Hessian is the expected one, levels taken as orthogonal but for the common scale, and what it leaves out
// because the covariance is quadratic in its factor: it is this part that holds a column at zero.
// References: Patterson and Thompson (1971), Biometrika 58; Journee, Bach, Absil, Sepulchre (2010), SIAM J. Optim. 20.
#pragma once

#include <vector>

#include "criterion/objective.hpp"

namespace mixedmodels {

class Coordinates {
 public:
  // `entries` term by term, each a lower triangle by columns.
  Coordinates(const CrossProducts& A, const std::vector<ThetaEntry>& entries);

  int size() const { return size_; }  // coordinates of x

  void from_theta(const double* theta, double* x) const;
  void to_theta(const double* x, double* theta) const;
  // The Hessian by theta (m x m) of one by x without rotations.
  std::vector<double> to_theta_hessian(const std::vector<double>& hessian) const;

  // The slope by theta of one by x without rotations.
  void to_theta_slope(const double* slope, double* out) const { to_theta_gradient(slope, 1, out); }

  // x <- x Q, triangular without a negative diagonal entry; Q is laid out as x is, with squares Q.
  void make_triangular(double* x, double* Q) const;
  void rotate(const double* Q, double* x);

  // Squares of x as what they are of the templates; entries between terms are zero. And the square of a term's one.
  void to_templates(const double* x, Templates& out) const;
  void from_template(std::size_t term, const double* square, double* x) const;
  // The square of this term is not free to turn.
  void hold(std::size_t term) { squares_[term].turns = false; }

  // At the theta of the last gradient of the criterion. A rotation changes nothing; on request the Hessian is made
  // positive in these directions, where it is zero.
  void gradient(const Objective& f, double* out);
  void hessian(const Objective& f, const double* x, bool with_rotations, double* out);
  // Second derivatives (size) by x and one of the parameters beside theta.
  void cross(const Objective& f, int other, double* out);

 private:
  struct Square {
    int factor, first, width;
    std::size_t at, theta;           // where it starts in x and in theta
    std::vector<double> N, null, G;  // of its template x, see coordinates.cpp; sum of its levels' G along the axes
    bool turns = true;
  };

  void find_axes(const Square& q);
  void to_theta_gradient(const double* gradient, std::ptrdiff_t stride, double* out) const;
  template <typename Call>
  void for_each_column(Call call) const;
  template <typename Block>
  void from_slopes(Block&& block_at, double* out);
  void describe(const Pls& pls, const double* x, Square& q);
  void add_expected(const Pls& pls, const double* x, const Square& a, const Square& b, double* out);
  const double* along_axes(const std::vector<double>& G, const Square& rows, const Square& columns,
                           std::vector<double>& out) const;
  void add_template(const Scores& scores, const double* x, const Square& q, double* out);
  void clip(int w, const double* size);
  void add_rotations(const Square& q, double* out);

  const CrossProducts& A_;
  std::vector<Square> squares_;            // term by term
  std::vector<std::vector<double>> axes_;  // by factor: lower triangular W = R'^-1, lam = W x
  std::size_t m_ = 0;
  int size_ = 0;
  std::vector<double> scratch_, gathered_, mirrored_, trace_, D_, values_, vectors_;
};

}  // namespace mixedmodels
