// Purpose: asks whether there is enough memory before much of it is taken.
// The caller of the core may give a function that throws when there is not; without one nothing is ever refused.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <vector>

namespace mixedmodels {

struct MemoryPart {
  const char* name;
  double bytes;
};

// Throws if the parts do not fit. `what` is being calculated, one evaluation of it taking `flops` (0: not known).
using MemoryCheck = void (*)(const char* what, const MemoryPart* parts, std::size_t count, double flops);

inline MemoryCheck& memory_check() {
  static MemoryCheck check = nullptr;
  return check;
}

// Bytes below which the system is not asked for free memory.
constexpr double kSmallMemory = 64e6;

inline void require_memory(const char* what, std::initializer_list<MemoryPart> parts, double flops = 0) {
  double total = 0;
  for (const MemoryPart& part : parts) total += part.bytes;
  if (total >= kSmallMemory && memory_check()) memory_check()(what, parts.begin(), parts.size(), flops);
}

template <typename Size>
double bytes_of_numbers(Size count) {
  return 8.0 * static_cast<double>(count);
}

// Room for `more` elements in a vector whose size is not known beforehand.
template <typename T>
void grow_within_memory(std::vector<T>& v, std::size_t more, const char* what, const char* part) {
  if (v.size() + more <= v.capacity()) return;
  const std::size_t room = std::max(v.size() + more, 2 * v.capacity());
  require_memory(what, {{part, static_cast<double>(sizeof(T)) * static_cast<double>(room)}});
  v.reserve(room);
}

}  // namespace mixedmodels
