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

/* There is no library to link. */
__attribute__((no_builtin("memcpy"))) void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes) {
  u32 *d = to; const u32 *s = from;
  for (; bytes >= 4; bytes -= 4) *d++ = *s++;
  return to;
}
__attribute__((no_builtin("memset"))) void *memset(void *to, int byte, __SIZE_TYPE__ bytes) {
  unsigned char *d = to;
  while (bytes--) *d++ = (unsigned char)byte;
  return to;
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

/* out[rows][outputs] = x[rows][inputs] · w[inputs][outputs] + bias; outputs by fours. */
static void product(const float *x, u32 rows, u32 inputs, const float *w, const float *bias, u32 outputs, float *out) {
  static const float zeros[512];
  if (!bias) bias = zeros;
#ifdef __wasm_simd128__
  u32 r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * inputs, out += 4 * outputs) {
    u32 o = 0;
    for (; o + 8 <= outputs; o += 8) {
      f32x4 a0 = load(bias + o), a1 = load(bias + o + 4), b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
      const float *v = w + o;
      for (u32 i = 0; i < inputs; i++, v += outputs) {
        f32x4 w0 = load(v), w1 = load(v + 4), t;
        t = splat(x[i]), a0 += t * w0, a1 += t * w1;
        t = splat(x[inputs + i]), b0 += t * w0, b1 += t * w1;
        t = splat(x[2 * inputs + i]), c0 += t * w0, c1 += t * w1;
        t = splat(x[3 * inputs + i]), d0 += t * w0, d1 += t * w1;
      }
      f32x4 all[8] = { a0, a1, b0, b1, c0, c1, d0, d1 };
      for (u32 k = 0; k < 8; k++) __builtin_memcpy(out + (k / 2) * outputs + o + (k % 2) * 4, &all[k], 16);
    }
    for (; o < outputs; o += 4) {
      f32x4 a = load(bias + o), b = a, c = a, d = a;
      const float *v = w + o;
      for (u32 i = 0; i < inputs; i++, v += outputs) {
        f32x4 w0 = load(v);
        a += splat(x[i]) * w0, b += splat(x[inputs + i]) * w0;
        c += splat(x[2 * inputs + i]) * w0, d += splat(x[3 * inputs + i]) * w0;
      }
      __builtin_memcpy(out + o, &a, 16), __builtin_memcpy(out + outputs + o, &b, 16);
      __builtin_memcpy(out + 2 * outputs + o, &c, 16), __builtin_memcpy(out + 3 * outputs + o, &d, 16);
    }
  }
  for (; r < rows; r++, x += inputs, out += outputs) {
    for (u32 o = 0; o < outputs; o += 4) {
      f32x4 a = load(bias + o), b = splat(0);
      const float *v = w + o;
      u32 i = 0;
      for (; i + 2 <= inputs; i += 2, v += 2 * outputs) a += splat(x[i]) * load(v), b += splat(x[i + 1]) * load(v + outputs);
      if (i < inputs) a += splat(x[i]) * load(v);
      a += b;
      __builtin_memcpy(out + o, &a, 16);
    }
  }
#else
  u32 r = 0;
  for (; r + 2 <= rows; r += 2, x += 2 * inputs, out += 2 * outputs) {
    for (u32 o = 0; o < outputs; o += 4) {
      float a0 = bias[o], a1 = bias[o + 1], a2 = bias[o + 2], a3 = bias[o + 3], b0 = a0, b1 = a1, b2 = a2, b3 = a3;
      const float *v = w + o;
      for (u32 i = 0; i < inputs; i++, v += outputs) {
        float s = x[i], t = x[inputs + i], w0 = v[0], w1 = v[1], w2 = v[2], w3 = v[3];
        a0 += s * w0, a1 += s * w1, a2 += s * w2, a3 += s * w3;
        b0 += t * w0, b1 += t * w1, b2 += t * w2, b3 += t * w3;
      }
      float *p = out + o, *q = out + outputs + o;
      p[0] = a0, p[1] = a1, p[2] = a2, p[3] = a3, q[0] = b0, q[1] = b1, q[2] = b2, q[3] = b3;
    }
  }
  if (r < rows) {
    for (u32 o = 0; o < outputs; o += 4) {
      float a0 = bias[o], a1 = bias[o + 1], a2 = bias[o + 2], a3 = bias[o + 3];
      const float *v = w + o;
      for (u32 i = 0; i < inputs; i++, v += outputs) {
        float s = x[i];
        a0 += s * v[0], a1 += s * v[1], a2 += s * v[2], a3 += s * v[3];
      }
      float *p = out + o;
      p[0] = a0, p[1] = a1, p[2] = a2, p[3] = a3;
    }
  }
#endif
}

static void relu(float *x, u32 count) {
  for (u32 i = 0; i < count; i++) x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static float dot(const float *a, const float *b, u32 n) {
#ifdef __wasm_simd128__
  f32x4 s = splat(0), t = s;
  u32 i = 0;
  for (; i + 8 <= n; i += 8) s += load(a + i) * load(b + i), t += load(a + i + 4) * load(b + i + 4);
  if (i < n) s += load(a + i) * load(b + i);
  return total(s + t);
#else
  float s = 0, t = 0, u = 0, v = 0;
  for (u32 i = 0; i < n; i += 4) s += a[i] * b[i], t += a[i + 1] * b[i + 1], u += a[i + 2] * b[i + 2], v += a[i + 3] * b[i + 3];
  return (s + t) + (u + v);
#endif
}

enum { HISTORY = 50, CANDIDATES = 200, D = 32, HIDDEN = 36 };

/* DIN. Weights are [inputs][outputs]: of the history, (Wa + Wc); of the candidate, (Wb - Wc); of their product, Wd. */
void din(const u32 *history, const u32 *candidates, const float *table, const float *of_history, const float *of_candidate,
         const float *of_product, const float *bias, const float *last, float last_bias, const float *mlp, float *out) {
  static float h[HISTORY * D], a[HISTORY * HIDDEN], c[CANDIDATES * D], b[CANDIDATES * HIDDEN], m[D * HIDDEN], p[HISTORY * HIDDEN];
  static float x[CANDIDATES * 3 * D], y[CANDIDATES * 64], z[CANDIDATES * 32];
  for (u32 i = 0; i < HISTORY; i++) __builtin_memcpy(h + i * D, table + history[i] * D, D * 4);
  for (u32 i = 0; i < CANDIDATES; i++) __builtin_memcpy(c + i * D, table + candidates[i] * D, D * 4);
  product(h, HISTORY, D, of_history, 0, HIDDEN, a);
  product(c, CANDIDATES, D, of_candidate, bias, HIDDEN, b);
  for (u32 k = 0; k < CANDIDATES; k++) {
    const float *own = c + k * D, *base = b + k * HIDDEN;
    float *row = x + k * 3 * D;
    for (u32 i = 0; i < D; i++) {
      for (u32 o = 0; o < HIDDEN; o++) m[i * HIDDEN + o] = own[i] * of_product[i * HIDDEN + o];
      row[i] = 0;
    }
    product(h, HISTORY, D, m, base, HIDDEN, p);
    for (u32 j = 0; j < HISTORY; j++) {
#ifdef __wasm_simd128__
      f32x4 s = splat(0);
      for (u32 o = 0; o < HIDDEN; o += 4) {
        f32x4 v = load(p + j * HIDDEN + o) + load(a + j * HIDDEN + o);
        s += __builtin_wasm_pmax_f32x4(splat(0), v) * load(last + o);
      }
      float weight = total(s) + last_bias;
#else
      float weight = last_bias;
      for (u32 o = 0; o < HIDDEN; o++) {
        float v = p[j * HIDDEN + o] + a[j * HIDDEN + o];
        weight += (v > 0.0f ? v : 0.0f) * last[o];
      }
#endif
      for (u32 i = 0; i < D; i++) row[i] += weight * h[j * D + i];
    }
    for (u32 i = 0; i < D; i++) row[D + i] = own[i], row[2 * D + i] = row[i] * own[i];
  }
  const float *w1 = mlp, *b1 = w1 + 96 * 64, *w2 = b1 + 64, *b2 = w2 + 64 * 32, *w3 = b2 + 32, *b3 = w3 + 32;
  product(x, CANDIDATES, 96, w1, b1, 64, y);
  relu(y, CANDIDATES * 64);
  product(y, CANDIDATES, 64, w2, b2, 32, z);
  relu(z, CANDIDATES * 32);
  for (u32 k = 0; k < CANDIDATES; k++) out[k] = dot(z + k * 32, w3, 32) + b3[0];
}

enum { K = 64, HEADS = 2, WIDTH = K / HEADS, LENGTH = 50 };

static void norm(const float *x, u32 rows, const float *weight, const float *bias, float epsilon, float *out) {
  for (u32 r = 0; r < rows; r++, x += K, out += K) {
    float mean = 0, variance = 0;
    for (u32 i = 0; i < K; i++) mean += x[i];
    mean /= K;
    for (u32 i = 0; i < K; i++) variance += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / __builtin_sqrtf(variance / K + epsilon);
    for (u32 i = 0; i < K; i++) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
  }
}

static void sink(u32 *index, float *score, u32 at, u32 count) {
  for (;;) {
    u32 child = 2 * at + 1;
    if (child >= count) return;
    if (child + 1 < count && score[child + 1] < score[child]) child++;
    if (score[at] <= score[child]) return;
    float s = score[at]; u32 i = index[at];
    score[at] = score[child], index[at] = index[child], score[child] = s, index[child] = i;
    at = child;
  }
}

/* SASRec and the best of a catalogue. Weights of a layer, one behind the other and [inputs][outputs]: norm1, queries, keys and values, their
   biases, out, its bias, norm2, linear1, bias, linear2, bias; behind the layers the last norm. */
void sasrec(const u32 *history, const float *table, u32 items, const float *position, const float *weights, u32 layers, float epsilon,
            float *scores, u32 *best, float *best_score, u32 most) {
  static float x[LENGTH * K], y[LENGTH * K], q[LENGTH * K], k[LENGTH * K], v[LENGTH * K], mixed[LENGTH * K], z[LENGTH * K], power[LENGTH + 3];
  for (u32 age = 0; age < LENGTH; age++)
    for (u32 i = 0; i < K; i++) x[(LENGTH - 1 - age) * K + i] = table[history[age] * K + i] + position[age * K + i];
  const float *w = weights;
  for (u32 l = 0; l < layers; l++) {
    const float *n1 = w, *wq = n1 + 2 * K, *wk = wq + K * K, *wv = wk + K * K, *bq = wv + K * K, *wo = bq + 3 * K, *bo = wo + K * K;
    const float *n2 = bo + K, *f1 = n2 + 2 * K, *g1 = f1 + K * K, *f2 = g1 + K, *g2 = f2 + K * K;
    w = g2 + K;
    u32 from = l + 1 == layers ? LENGTH - 1 : 0, rows = LENGTH - from;
    norm(x, LENGTH, n1, n1 + K, epsilon, y);
    product(y + from * K, rows, K, wq, bq, K, q + from * K);
    product(y, LENGTH, K, wk, bq + K, K, k);
    product(y, LENGTH, K, wv, bq + 2 * K, K, v);
    for (u32 at = from; at < LENGTH; at++) {
      for (u32 head = 0; head < HEADS; head++) {
        u32 side = head * WIDTH;
        float high = -3.4e38f, sum = 0;
        for (u32 other = 0; other <= at; other++) {
          power[other] = dot(q + at * K + side, k + other * K + side, WIDTH) * 0.17677669529663687f;
          high = power[other] > high ? power[other] : high;
        }
#ifdef __wasm_simd128__
        for (u32 other = 0; other <= at; other += 4) {
          f32x4 e = exp_4(load(power + other) - splat(high));
          __builtin_memcpy(power + other, &e, 16);
        }
#else
        for (u32 other = 0; other <= at; other++) power[other] = exp_1(power[other] - high);
#endif
        for (u32 other = 0; other <= at; other++) sum += power[other];
        float *to = mixed + at * K + side;
        for (u32 i = 0; i < WIDTH; i++) to[i] = 0;
        for (u32 other = 0; other <= at; other++) {
          float share = power[other] / sum;
          for (u32 i = 0; i < WIDTH; i++) to[i] += share * v[other * K + side + i];
        }
      }
    }
    product(mixed + from * K, rows, K, wo, bo, K, z + from * K);
    for (u32 i = from * K; i < LENGTH * K; i++) x[i] += z[i];
    norm(x + from * K, rows, n2, n2 + K, epsilon, y + from * K);
    product(y + from * K, rows, K, f1, g1, K, z + from * K);
    relu(z + from * K, rows * K);
    product(z + from * K, rows, K, f2, g2, K, y + from * K);
    for (u32 i = from * K; i < LENGTH * K; i++) x[i] += y[i];
  }
  norm(x + (LENGTH - 1) * K, 1, w, w + K, epsilon, y);
  for (u32 item = 0; item < items; item += 4) {
    const float *row = table + item * K;
#ifdef __wasm_simd128__
    f32x4 a = splat(0), b = a, c = a, d = a;
    for (u32 j = 0; j < K; j += 4) {
      f32x4 t = load(y + j);
      a += load(row + j) * t, b += load(row + K + j) * t, c += load(row + 2 * K + j) * t, d += load(row + 3 * K + j) * t;
    }
    scores[item] = total(a), scores[item + 1] = total(b), scores[item + 2] = total(c), scores[item + 3] = total(d);
#else
    float a = 0, b = 0, c = 0, d = 0;
    for (u32 j = 0; j < K; j++) {
      float t = y[j];
      a += row[j] * t, b += row[K + j] * t, c += row[2 * K + j] * t, d += row[3 * K + j] * t;
    }
    scores[item] = a, scores[item + 1] = b, scores[item + 2] = c, scores[item + 3] = d;
#endif
  }
  for (u32 i = 0; i < most; i++) best[i] = i, best_score[i] = scores[i];
  for (u32 i = most / 2; i-- > 0;) sink(best, best_score, i, most);
  for (u32 item = most; item < items; item++) {
    if (scores[item] > best_score[0]) best[0] = item, best_score[0] = scores[item], sink(best, best_score, 0, most);
  }
  for (u32 end = most; end-- > 1;) {
    float s = best_score[0]; u32 i = best[0];
    best_score[0] = best_score[end], best[0] = best[end], best_score[end] = s, best[end] = i;
    sink(best, best_score, 0, end);
  }
}
