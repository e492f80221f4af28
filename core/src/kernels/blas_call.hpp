// Purpose: a call of the BLAS library, for which a fork by another thread waits.
// The library's allocator has a lock. A process forked while another thread holds it would wait for it for ever. Calls
// are short (`blas::longest`), so a fork waits for those under way and holds back new ones.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <thread>

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include "kernels/blas_table.hpp"

namespace mixedmodels {

// LibraryCall()->dgemm(...): the temporary lives as long as the call.
class LibraryCall {
 public:
  LibraryCall() : under_way_(own_count()) {
    State& shared = state();
    under_way_.fetch_add(1);
    while (shared.forking.load()) {  // either this thread sees the fork, or the fork sees this call
      under_way_.fetch_sub(1);
      while (shared.forking.load()) std::this_thread::yield();
      under_way_.fetch_add(1);
    }
  }
  ~LibraryCall() { under_way_.fetch_sub(1); }
  LibraryCall(const LibraryCall&) = delete;
  LibraryCall& operator=(const LibraryCall&) = delete;

  const BlasTable* operator->() const { return &blas_table(); }

 private:
  // Calls under way are counted in one of several places, lest threads write to the same line of the cache.
  struct alignas(64) Count {
    std::atomic<int> calls{0};
  };
  struct State {
    std::array<Count, 64> counts;
    std::atomic<int> threads{0};
    std::atomic<bool> forking{false};
    std::mutex one_fork;

    State() {
#if !defined(_WIN32)
      pthread_atfork([] { state().hold_back(); }, [] { state().go_on(); }, [] { state().go_on_alone(); });
#endif
    }
    void hold_back() {
      one_fork.lock();
      forking.store(true);
      for (const Count& count : counts)
        while (count.calls.load() != 0) std::this_thread::yield();
    }
    void go_on() {
      forking.store(false);
      one_fork.unlock();
    }
    // The calls of other threads, which were about to see the fork, are not made in the new process.
    void go_on_alone() {
      for (Count& count : counts) count.calls.store(0);
      go_on();
    }
  };
  // Made when the library is loaded: a state made by the first call would be half made where another thread forks then.
  static State shared_;
  static State& state() { return shared_; }
  static std::atomic<int>& own_count() {
    static thread_local const unsigned place = static_cast<unsigned>(state().threads.fetch_add(1)) % 64;
    return state().counts[place].calls;
  }

  std::atomic<int>& under_way_;
};

inline LibraryCall::State LibraryCall::shared_;

}  // namespace mixedmodels
