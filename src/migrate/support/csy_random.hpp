/// \file csy_random.hpp
/// Random numbers in migrated kernels: what curand_kernel.h gives. The generator is Philox 4x32-10 (Salmon et al.,
/// Parallel random numbers: as easy as 1, 2, 3, 2011), whichever of cuRAND's the original names: the numbers have the
/// same distributions, and are others than with CUDA.
#pragma once
#include "csy.hpp"
CSY_SOURCE

namespace csy::random {

/// A sequence of its own for each (seed, subsequence), 2^66 numbers long.
struct state {
  unsigned key[2], counter[4], block[4];
  int used;
};

namespace detail {
inline void fill(state& s) {
  unsigned x[4] = {s.counter[0], s.counter[1], s.counter[2], s.counter[3]}, k0 = s.key[0], k1 = s.key[1];
  for (int round = 0; round < 10; ++round) {
    const unsigned long long a = 0xD2511F53ull * x[0], b = 0xCD9E8D57ull * x[2];
    const unsigned next[4] = {unsigned(b >> 32) ^ x[1] ^ k0, unsigned(b), unsigned(a >> 32) ^ x[3] ^ k1, unsigned(a)};
    for (int i = 0; i < 4; ++i) x[i] = next[i];
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < 4; ++i) s.block[i] = x[i];
  s.used = 0;
  for (int i = 0; i < 2 && ++s.counter[i] == 0; ++i) {
  }
}
}  // namespace detail

/// curand_init: the sequence begins `offset` numbers in.
inline void init(unsigned long long seed, unsigned long long subsequence, unsigned long long offset, state* s) {
  const unsigned long long at = offset / 4;
  *s = {{unsigned(seed), unsigned(seed >> 32)},
        {unsigned(at), unsigned(at >> 32), unsigned(subsequence), unsigned(subsequence >> 32)},
        {0, 0, 0, 0},
        0};
  detail::fill(*s);
  s->used = int(offset % 4);
}
/// 32 random bits.
inline unsigned bits(state* s) {
  if (s->used == 4) detail::fill(*s);
  return s->block[s->used++];
}
/// Uniform in (0, 1].
inline float uniform(state* s) { return (float(bits(s) >> 8) + 1.f) * (1.f / 16777216.f); }
inline double uniform_double(state* s) {
  const unsigned long long high = bits(s), low = bits(s);
  return (double((high << 21) ^ (low >> 11)) + 1.0) * (1.0 / 9007199254740992.0);
}
inline float4 uniform4(state* s) {
  const float x = uniform(s), y = uniform(s), z = uniform(s), w = uniform(s);
  return {x, y, z, w};
}
/// Standard normal, by Box and Muller.
inline float normal(state* s) {
  const float radius = csy::sqrt(-2.f * csy::log(uniform(s)));
  return radius * csy::cos(6.2831853f * uniform(s));
}
inline double normal_double(state* s) {
  const double radius = csy::sqrt(-2.0 * csy::log(uniform_double(s)));
  return radius * csy::cos(6.283185307179586 * uniform_double(s));
}

}  // namespace csy::random
