// Updates between a narrow supernode and the panel of a later one, against dense matrices.
#include "check.hpp"
#include "dense.hpp"
#include "kernels/panel_updates.hpp"
#include "random.hpp"

namespace {

using Matrix = dense::Matrix<double>;

// Rows of an update in a target panel of `lead` rows whose columns start at position `first`. The list may be of rows
// of the panel, or of something that is `shift` more.
struct Places {
  std::vector<int> local, columns;
  int lead, first, shift, width;

  std::vector<int> listed() const {
    std::vector<int> out(local);
    for (int& row : out) row += shift;
    return out;
  }
};

// Some of the panel's columns, ascending, then some of the rows below; or a run of both.
Places places(Random& random, int count, int width, bool contiguous) {
  Places out;
  out.first = 20;
  out.shift = contiguous ? 20 : random.integer(0, 1) * 20;
  out.width = width + (contiguous ? 1 : random.integer(1, 6));
  out.lead = out.width + count + 10;
  auto pick = [&](int low, int high, int number) {  // `number` of [low, high), ascending
    for (int at = low; at < high && number > 0; ++at)
      if (random.integer(1, high - at) <= number) out.local.push_back(at), --number;
  };
  if (contiguous) {
    for (int i = 0; i < count; ++i) out.local.push_back(out.width - width + i);
  } else {
    pick(0, out.width, width);
    pick(out.width, out.lead, count - width);
  }
  for (int c = 0; c < width; ++c) out.columns.push_back(out.first + out.local[c]);
  return out;
}

template <typename Check>
void each_shape(Check&& check) {
  Random random(1);
  for (bool contiguous : {false, true})
    for (int w : {1, 2, 3, 4, 5, 8, 11})
      for (int width : {1, 2, 3, 4, 7, 16})
        for (int rest : {0, 1, 3, 4, 9, 40, 300}) {
          check::at("w " + std::to_string(w) + " columns " + std::to_string(width) + " rest " + std::to_string(rest));
          check(random, places(random, width + rest, width, contiguous), width + rest, width, w, contiguous);
        }
}

Matrix random_matrix(Random& random, int rows, int cols) {
  Matrix out(rows, cols);
  out.a = random.normals(out.a.size());
  return out;
}

TEST(outer_products_are_subtracted) {
  each_shape([](Random& random, const Places& at, int count, int width, int w, bool contiguous) {
    const int ld = count + 2;
    const Matrix b = random_matrix(random, ld, w), panel = random_matrix(random, at.lead, at.width);
    Matrix expected = panel, out = panel;
    for (int c = 0; c < width; ++c)
      for (int i = c; i < count; ++i)
        for (int k = 0; k < w; ++k) expected(at.local[i], at.local[c]) -= b(i, k) * b(c, k);
    const std::vector<int> listed = at.listed();
    mixedmodels::subtract_outer(
        {out.a.data(), at.lead, at.first, listed.data(), at.shift, at.columns.data(), count, width, contiguous},
        b.a.data(), w, ld);
    CHECK_ERROR("subtract_outer", dense::relative_difference(out, expected), 1e-13);
  });
}

TEST(symmetric_blocks_are_multiplied) {
  each_shape([](Random& random, const Places& at, int count, int width, int w, bool contiguous) {
    const int ld = count + 2, ldo = count + 1;
    const Matrix y = random_matrix(random, ld, w);
    Matrix panel = random_matrix(random, at.lead, at.width), symmetric(count, count), used(count, w);
    for (int c = 0; c < width; ++c)
      for (int i = c; i < count; ++i) symmetric(i, c) = symmetric(c, i) = panel(at.local[i], at.local[c]);
    for (int k = 0; k < w; ++k)
      for (int i = 0; i < count; ++i) used(i, k) = y(i, k);
    const Matrix before = random_matrix(random, ldo, w), product = symmetric * used;
    Matrix out = before, expected = before;
    for (int k = 0; k < w; ++k)
      for (int i = 0; i < count; ++i) expected(i, k) += product(i, k);
    const std::vector<int> listed = at.listed();
    mixedmodels::multiply_symmetric(
        {panel.a.data(), at.lead, at.first, listed.data(), at.shift, at.columns.data(), count, width, contiguous},
        y.a.data(), w, ld, out.a.data(), ldo);
    CHECK_ERROR("multiply_symmetric", dense::relative_difference(out, expected), 1e-13);
  });
}

}  // namespace
