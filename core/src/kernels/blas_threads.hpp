// Purpose: holds the BLAS library to a number of threads while the core works, and gives them back.
// The workers of a multithreaded BLAS spin while they wait: on a busy machine a call that takes milliseconds then
// takes seconds, and the blocks of a sparse factor are too small to gain much from them.
#pragma once

#include <mutex>

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include "kernels/blas_table.hpp"

namespace mixedmodels {

// Scopes may nest and overlap between threads of the program: the first to enter notes the library's setting, the
// last to leave restores it. In a forked process only the scopes of the thread that forked are left; where there are
// none, the setting that was noted is restored by the next scope.
class BlasThreads {
 public:
  explicit BlasThreads(int threads) {
    const BlasTable& table = blas_table();
    if (!table.get_threads || !table.set_threads) return;
    State& shared = state();
    const std::lock_guard<std::mutex> lock(shared.mutex);
    if (shared.scopes++ == 0 && !shared.noted) shared.before = table.get_threads();
    shared.noted = true;
    ++own_scopes();
    table.set_threads(threads);
  }
  ~BlasThreads() {
    const BlasTable& table = blas_table();
    if (!table.get_threads || !table.set_threads) return;
    State& shared = state();
    const std::lock_guard<std::mutex> lock(shared.mutex);
    --own_scopes();
    if (--shared.scopes > 0) return;
    table.set_threads(shared.before);
    shared.noted = false;
  }
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  struct State {
    std::mutex mutex;
    int scopes = 0, before = 1;
    bool noted = false;

    State() {
#if !defined(_WIN32)
      // A mutex that another thread holds during a fork would stay locked in the new process.
      pthread_atfork([] { state().mutex.lock(); }, [] { state().mutex.unlock(); },
                     [] {
                       state().scopes = own_scopes();
                       state().mutex.unlock();
                     });
#endif
    }
  };
  // Made when the library is loaded: a state made by the first scope would be half made where another thread forks
  // then.
  static State shared_;
  static State& state() { return shared_; }
  // Those of the calling thread.
  static int& own_scopes() {
    static thread_local int scopes = 0;
    return scopes;
  }
};

inline BlasThreads::State BlasThreads::shared_;

}  // namespace mixedmodels
