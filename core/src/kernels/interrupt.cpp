#include "kernels/interrupt.hpp"

namespace mixedmodels {

namespace interrupts {

thread_local constinit Slice slice;

void look() {
  slice.left = slice_size;
  if (!slice.scope) return;
  if (slice.owner)
    slice.scope->ask();
  else
    slice.scope->check();
}

}  // namespace interrupts

InterruptScope::InterruptScope(Wanted wanted) : wanted_(wanted), outer_(interrupts::slice.scope) {
  if (!outer_) interrupts::slice = {this, true, interrupts::slice_size};  // an outer one is asked anyway
}

InterruptScope::~InterruptScope() {
  if (!outer_) interrupts::slice = {};
}

void InterruptScope::ask() {
  check();
  const Clock::time_point now = Clock::now();
  if (asked_ == Clock::time_point{}) asked_ = now;
  if (now - asked_ < interval) return;
  asked_ = now;
  if (!wanted_()) return;
  stopped_.store(true, std::memory_order_relaxed);
  throw Interrupted();
}

}  // namespace mixedmodels
