// Purpose: stops a long calculation when its caller asks for it, by an exception from inside the loops.
// Precondition: loops call `check_interrupt` at least once per 10^8 operations; the wrappers of BLAS do so themselves.
// What was being computed is undefined after `Interrupted`; every workspace says so and is renewed by the next call.
// A caller that wants to be asked opens an `InterruptScope`. Without one nothing is ever interrupted.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <utility>

namespace mixedmodels {

class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

// Calculations of this thread, and of the workers that it calls, ask `wanted` once per interval while the scope is
// open. `wanted` is called on the thread that opened the scope only.
class InterruptScope {
 public:
  using Wanted = bool (*)();
  inline static std::chrono::milliseconds interval{50};  // only tests change it

  explicit InterruptScope(Wanted wanted);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // Throws `Interrupted` if the caller wants to stop; asks at most once per interval.
  void ask();
  // Throws `Interrupted` if an `ask` has found that the caller wants to stop.
  void check() const {
    if (stopped_.load(std::memory_order_relaxed)) throw Interrupted();
  }

 private:
  using Clock = std::chrono::steady_clock;

  Wanted wanted_;
  InterruptScope* outer_;
  std::atomic<bool> stopped_{false};
  Clock::time_point asked_{};
};

namespace interrupts {

// What a thread works for, and the operations left until it looks up.
struct Slice {
  InterruptScope* scope = nullptr;
  bool owner = false;
  double left = 0;
};
extern thread_local constinit Slice slice;

// Operations between two looks at the clock: a millisecond at most. Only tests change it.
inline double slice_size = 2e6;

void look();

}  // namespace interrupts

// Counts `work` operations, about; now and then throws `Interrupted` if the caller wants to stop.
inline void check_interrupt(double work) {
  interrupts::Slice& slice = interrupts::slice;
  slice.left -= work;
  if (slice.left <= 0) interrupts::look();
}

// Counts the work of a loop over small pieces of different sizes. Access to a thread-local variable takes as long as
// such a piece, so counts are passed to `check_interrupt` in batches; the last ones, less than a batch, are lost.
class InterruptMeter {
 public:
  void count(std::int64_t work) {
    work_ += work;
    if (work_ > batch_) check_interrupt(static_cast<double>(std::exchange(work_, 0)));
  }

 private:
  std::int64_t work_ = 0;
  std::int64_t batch_ = static_cast<std::int64_t>(interrupts::slice_size / 16);
};

// A loop over `count` small pieces of `work` operations each, in strips; body(first, last) for each strip.
template <typename Body>
void in_strips(std::int64_t count, double work, Body&& body) {
  const auto strip = static_cast<std::int64_t>(std::max(1.0, interrupts::slice_size / std::max(work, 1.0)));
  for (std::int64_t first = 0; first < count; first += strip) {
    const std::int64_t last = std::min(count, first + strip);
    check_interrupt(work * static_cast<double>(last - first));
    body(first, last);
  }
}

// The open scope of this thread, or null.
inline InterruptScope* interrupt_scope() { return interrupts::slice.scope; }
inline bool owns_interrupt_scope() { return interrupts::slice.owner; }

// A worker's share in the scope of the thread that called it.
class InterruptShare {
 public:
  explicit InterruptShare(InterruptScope* scope) : before_(interrupts::slice) { interrupts::slice = {scope, false, 0}; }
  ~InterruptShare() { interrupts::slice = before_; }
  InterruptShare(const InterruptShare&) = delete;
  InterruptShare& operator=(const InterruptShare&) = delete;

 private:
  interrupts::Slice before_;
};

}  // namespace mixedmodels
