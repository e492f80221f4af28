#include "kernels/workers.hpp"

#include <atomic>
#include <chrono>
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

// How long a thread without a task looks for one, or for the end of the others', before it sleeps: waking takes a
// large part of the time between two calls of a factorization.
constexpr std::chrono::microseconds kAwake{100};

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
      scope_ = interrupt_scope();
      open_ = true;
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

  // Waits for those at work; one that has not come yet does not take part. Meanwhile the caller of the core may
  // interrupt, which they notice themselves.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    open_ = false;
    const auto done = [this] { return working_ == 0; };
    stay_awake(lock, done);
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
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wait_for_round(seen, lock);
      if (stopping_) return;
      seen = round_;
      if (!open_) continue;
      ++working_;
      InterruptScope* const scope = scope_;
      lock.unlock();
      {
        const InterruptShare share(scope);
        take(thread);
      }
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  void wait_for_round(std::uint64_t seen, std::unique_lock<std::mutex>& lock) {
    const auto called = [&] { return stopping_ || round_ != seen; };
    stay_awake(lock, called);
    wake_.wait(lock, called);
  }

  // Gives the lock back for that time.
  template <typename Condition>
  static void stay_awake(std::unique_lock<std::mutex>& lock, const Condition& condition) {
    if (condition()) return;
    lock.unlock();
    const auto end = std::chrono::steady_clock::now() + kAwake;
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    lock.lock();
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  InterruptScope* scope_ = nullptr;  // of the thread that dispatched
  std::atomic<std::uint64_t> round_{0};
  std::atomic<bool> stopping_{false};
  bool open_ = false;            // workers may still take part in this round
  std::atomic<int> working_{0};  // those that do
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
