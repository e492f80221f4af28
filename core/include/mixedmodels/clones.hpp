// Purpose: one binary for all processors of a kind. Functions marked so are compiled for several instruction sets and
// the loader picks the widest that the machine can run; elsewhere the mark means nothing, nor under ThreadSanitizer,
// which is not ready when the loader picks. A sum marked so may be added up in several strands, which is what lets
// the compiler use vectors for it; where the mark is not understood it is added up in order.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__)
#define MIXEDMODELS_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define MIXEDMODELS_CLONES
#endif

#if defined(__GNUC__)
#define MIXEDMODELS_STRANDS(sum) _Pragma(MIXEDMODELS_TEXT(omp simd reduction(+ : sum)))
#define MIXEDMODELS_TEXT(...) #__VA_ARGS__
#else
#define MIXEDMODELS_STRANDS(sum)
#endif
