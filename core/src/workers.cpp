#include "mixedmodels/workers.hpp"

#include <system_error>
#include <utility>

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

void Workers::start() {
  if (!workers_.empty() && owner_ == process_id()) return;
  // After a fork the handles name threads that are not there: let them go without joining.
  for (std::thread& worker : workers_) worker.detach();
  workers_.clear();
  owner_ = process_id();
  try {
    for (int thread = 1; thread < threads_; ++thread)
      workers_.emplace_back([this, thread, seen = round_] { work(thread, seen); });
  } catch (const std::system_error&) {
    threads_ = 1 + static_cast<int>(workers_.size());
  }
}

void Workers::stop() {
  if (workers_.empty()) return;
  if (owner_ != process_id()) {
    for (std::thread& worker : workers_) worker.detach();
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Workers::dispatch(int count, Call call, void* task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    call_ = call;
    task_ = task;
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    busy_ = threads_ - 1;
    ++round_;
  }
  wake_.notify_all();
  take(0);
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void Workers::take(int thread) {
  try {
    for (int i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) call_(task_, i, thread);
  } catch (...) {
    next_.store(count_);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!thrown_) thrown_ = std::current_exception();
  }
}

void Workers::work(int thread, std::uint64_t seen) {
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
      if (stopping_) return;
      seen = round_;
    }
    take(thread);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

}  // namespace mixedmodels
