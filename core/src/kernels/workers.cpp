#include "kernels/workers.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/interrupt.hpp"

#if defined(_WIN32)
#include <process.h>
#else
#include <unistd.h>
#endif

namespace mixedmodels {

namespace {

std::int64_t process_id() {
#if defined(_WIN32)
  return _getpid();
#else
  return getpid();
#endif
}

}  // namespace

// The threads and what they wait on.
class Workers::Crew {
 public:
  ~Crew() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Says how many there are, with the caller.
  int grow(int threads) {
    try {
      for (int thread = 1; thread < threads; ++thread) threads_.emplace_back([this, thread] { work(thread); });
    } catch (const std::system_error&) {  // the system has no more
    }
    return 1 + static_cast<int>(threads_.size());
  }

  void dispatch(int count, Call call, void* task) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      call_ = call;
      task_ = task;
      count_ = count;
      next_.store(0, std::memory_order_relaxed);
      busy_ = static_cast<int>(threads_.size());
      scope_ = interrupt_scope();
      ++round_;
    }
    wake_.notify_all();
    take(0);
    wait();
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

 private:
  void take(int thread) {
    try {
      for (int i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) call_(task_, i, thread);
    } catch (...) {
      fail();
    }
  }

  // No further task is begun; what is being thrown is kept.
  void fail() {
    next_.store(count_);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!thrown_) thrown_ = std::current_exception();
  }

  // Waits for the others; meanwhile the caller of the core may interrupt, which they notice themselves.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto done = [this] { return busy_ == 0; };
    while (scope_ && owns_interrupt_scope() && !done_.wait_for(lock, InterruptScope::interval, done)) {
      lock.unlock();
      try {
        scope_->ask();
      } catch (...) {
        fail();
      }
      lock.lock();
    }
    done_.wait(lock, done);
  }

  void work(int thread) {
    std::uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
        if (stopping_) return;
        seen = round_;
      }
      {
        const InterruptShare share(scope_);
        take(thread);
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  InterruptScope* scope_ = nullptr;  // of the thread that dispatched
  std::uint64_t round_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
  Call call_ = nullptr;
  void* task_ = nullptr;
  int count_ = 0;
  std::atomic<int> next_{0};
  std::exception_ptr thrown_;  // the first
};

Workers::Workers(int threads) : threads_(threads < 1 ? 1 : threads) {}

Workers::~Workers() { abandon_after_fork(); }

// In a forked process the crew's threads do not exist, but its condition variables still count them as waiting and
// would wait for them: all of it is left behind, never destroyed.
void Workers::abandon_after_fork() {
  if (crew_ && owner_ != process_id()) static_cast<void>(crew_.release());
}

void Workers::start() {
  abandon_after_fork();
  if (crew_) return;
  owner_ = process_id();
  crew_ = std::make_unique<Crew>();
  threads_ = crew_->grow(threads_);
}

void Workers::dispatch(int count, Call call, void* task) { crew_->dispatch(count, call, task); }

}  // namespace mixedmodels
