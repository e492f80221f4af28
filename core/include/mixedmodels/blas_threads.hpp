// Purpose: holds the BLAS library to a number of threads while the core works, and gives them back.
// The workers of a multithreaded BLAS spin while they wait: on a busy machine a call that takes milliseconds then
// takes seconds, and the blocks of a sparse factor are too small to gain much from them.
#pragma once

#include <mutex>

#include "mixedmodels/blas.hpp"

namespace mixedmodels {

// Scopes may nest and overlap between threads of the program: the first to enter notes the library's setting, the
// last to leave restores it.
class BlasThreads {
 public:
  explicit BlasThreads(int threads) {
    const BlasTable& table = blas_table();
    if (!table.get_threads || !table.set_threads) return;
    const std::lock_guard<std::mutex> lock(state().mutex);
    if (state().scopes++ == 0) state().before = table.get_threads();
    table.set_threads(threads);
  }
  ~BlasThreads() {
    const BlasTable& table = blas_table();
    if (!table.get_threads || !table.set_threads) return;
    const std::lock_guard<std::mutex> lock(state().mutex);
    if (--state().scopes == 0) table.set_threads(state().before);
  }
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  struct State {
    std::mutex mutex;
    int scopes = 0, before = 1;
  };
  static State& state() {
    static State shared;
    return shared;
  }
};

}  // namespace mixedmodels
