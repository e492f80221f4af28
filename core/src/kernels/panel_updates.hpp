// Purpose: updates between a narrow supernode and the panel of a later one, entry by entry.
// A block is the part of a panel that a list of local rows and a list of columns pick; of a symmetric one only the
// trapezoid on and below the diagonal is touched. These loops are compiled for several instruction sets.
#pragma once

#include <cstdint>

namespace mixedmodels {

struct PanelBlock {
  double* panel;       // of the target
  int lead;            // its leading dimension
  int first;           // its first column's position
  const int* local;    // rows picked, as rows of the panel
  int shift;           // to be taken from every number of `local`
  const int* columns;  // columns picked, as positions
  int count;           // rows picked; their first `width` belong to the columns
  int width;           // columns picked
  bool contiguous;     // the rows picked are consecutive
};

// block -= B B', B being count x w with leading dimension ld.
void subtract_outer(const PanelBlock& block, const double* b, int w, int ld);

// out += S y with S the symmetric extension of the block's trapezoid; y (leading dimension ldy) and out (ldo) are
// count x w.
void multiply_symmetric(const PanelBlock& block, const double* y, int w, int ldy, double* out, int ldo);

}  // namespace mixedmodels
