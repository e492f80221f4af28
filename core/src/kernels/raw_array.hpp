// Purpose: arrays of numbers that are written once and in full: they are not set to zero first, and large ones lie in
// large pages where the system has them, so that they cost a few page faults in the place of thousands.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mixedmodels {

template <typename T>
class RawArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  RawArray() = default;
  explicit RawArray(std::size_t size) : data_(take(size)) {}
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };

  static T* take(std::size_t size) {
    if (size > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    std::size_t bytes = size * sizeof(T) + (size == 0);
#if defined(__linux__)
    constexpr std::size_t kPage = std::size_t{1} << 21;
    if (bytes >= kPage) {
      bytes = (bytes + kPage - 1) / kPage * kPage;
      void* found = std::aligned_alloc(kPage, bytes);
      if (!found) throw std::bad_alloc();
      madvise(found, bytes, MADV_HUGEPAGE);  // advice: nothing depends on whether it is taken
      return static_cast<T*>(found);
    }
#endif
    void* found = std::malloc(bytes);
    if (!found) throw std::bad_alloc();
    return static_cast<T*>(found);
  }

  std::unique_ptr<T[], Free> data_;
};

}  // namespace mixedmodels
