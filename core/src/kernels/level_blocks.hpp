// Purpose: products of the small dense blocks that two levels share (s x s, s the coefficients per level) with the
// lower triangular templates. Column-major throughout; compiled for several instruction sets.
#pragma once

namespace mixedmodels::blocks {

// out (s x columns) = lam' value.
void left(int s, const double* lam, int columns, const double* value, double* out);

// out (s x columns) = lam' value', value being columns x s.
void left_transposed(int s, const double* lam, int columns, const double* value, double* out);

// out (rows x s, leading dimension lead) += value lam, value being rows x s.
void add_right(int rows, int s, const double* value, const double* lam, double* out, int lead);

// out (columns_a x columns_b) += a' b, both with `rows` rows.
void add_transposed_product(int rows, int columns_a, int columns_b, const double* a, const double* b, double* out);

// out (rows x columns) += a b, a being rows x inner.
void add_product(int rows, int inner, int columns, const double* a, const double* b, double* out);

// out (size x size) += a b', both with `count` columns.
void add_outer(int size, int count, const double* a, const double* b, double* out);

}  // namespace mixedmodels::blocks
