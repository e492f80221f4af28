// Purpose: tails of Student's t, which every printed table of coefficients has.
#pragma once

namespace mixedmodels {

// P(|T| > |t|) with `df` degrees of freedom, the normal's where they are infinite; NaN unless df > 0.
double student_tail(double df, double t);

}  // namespace mixedmodels
