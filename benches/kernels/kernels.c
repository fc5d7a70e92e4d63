/* The workloads by hand, as a ceiling: what a specialist gets out of WebAssembly who needs no model format, no blocks and no bits that agree
   between machines. Compiled twice by `cargo xtask bench`, with and without vectors; where there is no clang it is left out. */

typedef unsigned int u32;
typedef float f32x4 __attribute__((vector_size(16)));
typedef int i32x4 __attribute__((vector_size(16)));

extern unsigned char __heap_base;
static u32 top;

/* Room that is never given back. */
u32 room(u32 bytes) {
  if (!top) top = ((u32)&__heap_base + 63) & ~63u;
  u32 at = top;
  top = (top + bytes + 63) & ~63u;
  u32 pages = (top + 65535) >> 16, have = __builtin_wasm_memory_size(0);
  if (pages > have) __builtin_wasm_memory_grow(0, pages - have);
  return at;
}

static inline float bits(int i) { union { int i; float f; } u = { i }; return u.f; }

static inline float exp_1(float x) {
  x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  float n = x * 1.44269504f + 12582912.0f - 12582912.0f;
  float r = x - n * 0.693145751953125f;
  r -= n * 1.428606765330187e-06f;
  float p = 1.0f + r * (1.0f + r * (0.5f + r * (0.16666667f + r * (0.04166665f + r * (0.0083333f + r * 0.0013888f)))));
  return p * bits(((int)n + 127) << 23);
}

#ifdef __wasm_simd128__
#define LANES 4
static inline f32x4 load(const float *p) { f32x4 v; __builtin_memcpy(&v, p, 16); return v; }
static inline f32x4 splat(float x) { return (f32x4){ x, x, x, x }; }
static inline float total(f32x4 v) { return (v[0] + v[1]) + (v[2] + v[3]); }
static inline f32x4 exp_4(f32x4 x) {
  f32x4 low = splat(-87.0f), high = splat(88.0f), magic = splat(12582912.0f);
  x = __builtin_wasm_pmax_f32x4(low, x);
  x = __builtin_wasm_pmin_f32x4(high, x);
  f32x4 m = x * splat(1.44269504f) + magic, n = m - magic;
  f32x4 r = x - n * splat(0.693145751953125f) - n * splat(1.428606765330187e-06f);
  f32x4 p = splat(0.0013888f);
  p = p * r + splat(0.0083333f);
  p = p * r + splat(0.04166665f);
  p = p * r + splat(0.16666667f);
  p = p * r + splat(0.5f);
  p = p * r + splat(1.0f);
  p = p * r + splat(1.0f);
  i32x4 e = ((i32x4)m - (i32x4)magic + 127) << 23;
  return p * (f32x4)e;
}
#endif

/* sigmoid(Xw + b); rows by fours, columns by fours. */
void linear(const float *x, u32 rows, u32 columns, const float *w, float bias, float *out) {
#ifdef __wasm_simd128__
  for (u32 r = 0; r < rows; r += 4, x += 4 * columns) {
    f32x4 a = splat(0), b = a, c = a, d = a;
    for (u32 j = 0; j < columns; j += 4) {
      f32x4 v = load(w + j);
      a += load(x + j) * v;
      b += load(x + columns + j) * v;
      c += load(x + 2 * columns + j) * v;
      d += load(x + 3 * columns + j) * v;
    }
    f32x4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    f32x4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    f32x4 z = __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7) + splat(bias);
    f32x4 y = splat(1.0f) / (splat(1.0f) + exp_4(-z));
    __builtin_memcpy(out + r, &y, 16);
  }
#else
  for (u32 r = 0; r < rows; r += 4, x += 4 * columns) {
    float a = bias, b = bias, c = bias, d = bias;
    for (u32 j = 0; j < columns; j++) {
      float v = w[j];
      a += x[j] * v;
      b += x[columns + j] * v;
      c += x[2 * columns + j] * v;
      d += x[3 * columns + j] * v;
    }
    out[r] = 1.0f / (1.0f + exp_1(-a));
    out[r + 1] = 1.0f / (1.0f + exp_1(-b));
    out[r + 2] = 1.0f / (1.0f + exp_1(-c));
    out[r + 3] = 1.0f / (1.0f + exp_1(-d));
  }
#endif
}

/* A factorisation machine of sixteen factors. A record is weight, half the square of the factors, the factors. */
void fm(const u32 *index, const float *value, u32 rows, u32 active, const float *table, float bias, float *out) {
  for (u32 r = 0; r < rows; r++, index += active, value += active) {
    float own = bias;
#ifdef __wasm_simd128__
    f32x4 a = splat(0), b = a, c = a, d = a;
    for (u32 i = 0; i < active; i++) {
      const float *record = table + index[i] * 18;
      float x = value[i];
      own += x * (record[0] - x * record[1]);
      f32x4 v = splat(x);
      a += load(record + 2) * v;
      b += load(record + 6) * v;
      c += load(record + 10) * v;
      d += load(record + 14) * v;
    }
    out[r] = own + 0.5f * total(a * a + b * b + (c * c + d * d));
#else
    float half = 0;
    for (u32 from = 2; from < 18; from += 8) {
      float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
      for (u32 i = 0; i < active; i++) {
        const float *record = table + index[i] * 18;
        float x = value[i];
        if (from == 2) own += x * (record[0] - x * record[1]);
        s0 += x * record[from];
        s1 += x * record[from + 1];
        s2 += x * record[from + 2];
        s3 += x * record[from + 3];
        s4 += x * record[from + 4];
        s5 += x * record[from + 5];
        s6 += x * record[from + 6];
        s7 += x * record[from + 7];
      }
      half += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3) + (s4 * s4 + s5 * s5) + (s6 * s6 + s7 * s7);
    }
    out[r] = own + 0.5f * half;
#endif
  }
}

/* Probabilities of the actions under linear costs, ε-greedy. */
void cb_predict(const u32 *index, u32 actions, u32 active, const float *weight, u32 mask, float epsilon, float *out) {
  float least = 3.4e38f, share = epsilon / actions;
  u32 best = 0;
  for (u32 action = 0; action < actions; action++, index += active) {
    float a = 0, b = 0, c = 0, d = 0;
    for (u32 i = 0; i < active; i += 4) {
      a += weight[index[i] & mask];
      b += weight[index[i + 1] & mask];
      c += weight[index[i + 2] & mask];
      d += weight[index[i + 3] & mask];
    }
    float cost = (a + b) + (c + d);
    if (cost < least) least = cost, best = action;
    out[action] = share;
  }
  out[best] += 1.0f - epsilon;
}

/* The expected cost goes by the share 1 - e^(-rate / probability) of its way to the event's. */
void cb_learn(const u32 *index, u32 active, float *weight, u32 mask, float cost, float probability, float rate) {
  float a = 0, b = 0, c = 0, d = 0;
  for (u32 i = 0; i < active; i += 4) {
    a += weight[index[i] & mask];
    b += weight[index[i + 1] & mask];
    c += weight[index[i + 2] & mask];
    d += weight[index[i + 3] & mask];
  }
  float by = ((a + b) + (c + d) - cost) * (1.0f - exp_1(-rate / probability)) / active;
  for (u32 i = 0; i < active; i++) weight[index[i] & mask] -= by;
}
