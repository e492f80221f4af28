// What surrounds every call of the core that works: Python's lock is given up, BLAS is held to one thread, and the user
// can interrupt. What the core throws becomes an exception of Python in `bind_errors`.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>

#include "kernels/blas_threads.hpp"
#include "kernels/interrupt.hpp"

// Whether the user, or the owner of this thread's flag, wants to stop. Takes Python's lock.
bool stop_wanted();

// Throws `Interrupted` if the flag of this thread is set.
void check_stop_flag();

class CoreCall {
 public:
  CoreCall() { check_stop_flag(); }  // many short calls may pass without a question to the caller
  CoreCall(const CoreCall&) = delete;
  CoreCall& operator=(const CoreCall&) = delete;

 private:
  // In this order: the last is undone first.
  nanobind::gil_scoped_release released_;
  mixedmodels::BlasThreads blas_{1};
  mixedmodels::InterruptScope interrupts_{stop_wanted};
};

// What `work` returns, inside the guard.
template <typename Work>
auto in_core(const Work& work) {
  const CoreCall call;
  return work();
}

// Stops calls of the core that other threads make, which signals do not reach.
class StopFlag {
 public:
  void set() { flag_->store(true); }
  void watch() const;  // from now on calls by this thread stop when the flag is set

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};
