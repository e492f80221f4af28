// Purpose: one binary for all processors of a kind. A marked function is compiled for several instruction sets, of
// which the dynamic loader selects one (GNU ifunc). The mark expands to nothing where ifuncs are unavailable, and under
// ThreadSanitizer, which is not initialised when ifuncs resolve. A marked sum may be added up in several strands, so
// that the compiler can use vectors; where the mark is not understood it is added up in order.
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
