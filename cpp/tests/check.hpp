#pragma once

#include <cstdio>
#include <cstdlib>

// Prints where and what, then fails the whole program: a test that goes on after a failure hides its cause.
#define CEMVIS_CHECK(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (false)

#define CEMVIS_CHECK_THROWS(expression, exception) \
  do {                                             \
    bool thrown = false;                           \
    try {                                          \
      (void)(expression);                          \
    } catch (const exception&) {                   \
      thrown = true;                               \
    }                                              \
    CEMVIS_CHECK(thrown && #exception);            \
  } while (false)
