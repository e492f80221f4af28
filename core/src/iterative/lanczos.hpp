// Purpose: Gauss quadrature of z'f(S)z, and (I - S)^-1 z, by the Lanczos method for the columns of a panel at once.
// Reference: Golub and Meurant (2010), Matrices, Moments and Quadrature; Ubaru, Chen, Saad (2017), SIAM J. Matrix Anal.
// Appl. 38(4). Bases are orthogonalised in full.
#pragma once

#include <vector>

#include "iterative/schur.hpp"

namespace mixedmodels {

class Lanczos {
 public:
  Lanczos(Schur& S, Panel z);

  void step();
  int steps() const { return static_cast<int>(alpha_.size()); }

  // After the steps so far, by column.
  struct Integrals {
    std::vector<double> logarithm;  // z'(log(I - S) + S)z
    std::vector<double> remainder;  // z'S^2 (I - S)^-1 z
  };
  Integrals integrals() const;
  // S (I - S)^-1 z.
  Panel resolvent() const;
  const Panel& z() const { return z_; }
  // F Lambda C z.
  const Panel& raw() const { return raw_; }
  // z'Sz / z'z by column.
  const std::vector<double>& quotients() const { return alpha_.front(); }

 private:
  struct Tridiagonal {
    std::vector<double> values, vectors;
  };
  Tridiagonal eigen(int column) const;

  Schur& S_;
  Panel z_, raw_, next_;
  std::vector<double> norm_;
  std::vector<Panel> basis_;
  std::vector<std::vector<double>> alpha_, beta_;
};

// (I - S) x = b by conjugate gradients, column by column, with what a basis knows of S as preconditioner.
struct Solved {
  Panel x, residual;
  int iterations = 0;
  bool converged = false;
};
Solved solve(Schur& S, const Basis& V, const std::vector<double>& quotients, const Panel& b, double tolerance);

}  // namespace mixedmodels
