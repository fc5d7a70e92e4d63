// JavaScript as a specialist would tune it: the algebra of the fast kernels, tiles that stay in registers, no allocation.

/** e^x to single precision: 2^n by its bits, the rest by a polynomial. Faster than Math.exp, which is exact to a double. */
const bits = new Int32Array(1)
const single = new Float32Array(bits.buffer)
function exp(x) {
  const scaled = (x < -87 ? -87 : x > 88 ? 88 : x) * 1.4426950408889634
  // Adding and taking away 1.5 · 2^52 rounds to a whole number.
  const n = scaled + 6755399441055744 - 6755399441055744
  const r = (scaled - n) * 0.6931471805599453
  bits[0] = ((n | 0) + 127) << 23
  return single[0] * (1 + r * (1 + r * (0.5 + r * (0.16666666 + r * (0.041666664 + r * (0.008333346 + r * 0.0013888))))))
}

/** Four rows and four columns at a time, so that each weight is read and widened once for four products, and sums wait for no other. */
export function linear({ rows, columns, x, weight, bias }) {
  if (columns !== 64 || rows % 4) throw new Error('sixty-four columns, rows by fours')
  const wide = Float64Array.from(weight)
  const sums = new Float64Array(rows)
  const out = new Float32Array(rows)
  return () => {
    for (let row = 0; row < rows; row += 4) {
      let a = bias
      let b = bias
      let c = bias
      let d = bias
      let at = row * 64
      for (let j = 0; j < 64; j += 4, at += 4) {
        const w0 = wide[j]
        const w1 = wide[j + 1]
        const w2 = wide[j + 2]
        const w3 = wide[j + 3]
        a += x[at] * w0 + x[at + 1] * w1 + (x[at + 2] * w2 + x[at + 3] * w3)
        b += x[at + 64] * w0 + x[at + 65] * w1 + (x[at + 66] * w2 + x[at + 67] * w3)
        c += x[at + 128] * w0 + x[at + 129] * w1 + (x[at + 130] * w2 + x[at + 131] * w3)
        d += x[at + 192] * w0 + x[at + 193] * w1 + (x[at + 194] * w2 + x[at + 195] * w3)
      }
      sums[row] = a
      sums[row + 1] = b
      sums[row + 2] = c
      sums[row + 3] = d
    }
    for (let row = 0; row < rows; row++) out[row] = 1 / (1 + exp(-sums[row]))
    return out
  }
}

/** Norms worked out beforehand; weight, half the norm and factors of a feature lie side by side; sixteen sums in registers. */
export function fm({ rows, active, features, k, index, value, weight, factors, bias }) {
  if (k !== 16) throw new Error('sixteen factors')
  const stride = 18
  const table = new Float32Array(features * stride)
  for (let feature = 0; feature < features; feature++) {
    const row = factors.singles.subarray(feature * k, (feature + 1) * k)
    table[feature * stride] = weight[feature]
    table[feature * stride + 1] = row.reduce((sum, x) => sum + x * x, 0) / 2
    table.set(row, feature * stride + 2)
  }
  const out = new Float32Array(rows)
  return () => {
    for (let row = 0; row < rows; row++) {
      let own = bias
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0
      let s8 = 0, s9 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0, s14 = 0, s15 = 0
      const end = (row + 1) * active
      for (let i = row * active; i < end; i++) {
        const at = index[i] * 18
        const x = value[i]
        own += x * (table[at] - x * table[at + 1])
        s0 += x * table[at + 2]
        s1 += x * table[at + 3]
        s2 += x * table[at + 4]
        s3 += x * table[at + 5]
        s4 += x * table[at + 6]
        s5 += x * table[at + 7]
        s6 += x * table[at + 8]
        s7 += x * table[at + 9]
        s8 += x * table[at + 10]
        s9 += x * table[at + 11]
        s10 += x * table[at + 12]
        s11 += x * table[at + 13]
        s12 += x * table[at + 14]
        s13 += x * table[at + 15]
        s14 += x * table[at + 16]
        s15 += x * table[at + 17]
      }
      const low = s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3 + s4 * s4 + s5 * s5 + s6 * s6 + s7 * s7
      const high = s8 * s8 + s9 * s9 + s10 * s10 + s11 * s11 + s12 * s12 + s13 * s13 + s14 * s14 + s15 * s15
      out[row] = own + 0.5 * (low + high)
    }
    return out
  }
}

/** Four sums at a time, so that loads do not wait for additions. */
export function cbPredict({ actions, active, epsilon, weight, size }) {
  const out = new Float32Array(actions)
  const mask = size - 1
  const share = epsilon / actions
  return (index) => {
    let best = 0
    let least = Infinity
    let at = 0
    for (let action = 0; action < actions; action++) {
      let a = 0, b = 0, c = 0, d = 0
      for (let i = 0; i < active; i += 4, at += 4) {
        a += weight[index[at] & mask]
        b += weight[index[at + 1] & mask]
        c += weight[index[at + 2] & mask]
        d += weight[index[at + 3] & mask]
      }
      const cost = a + b + (c + d)
      if (cost < least) {
        least = cost
        best = action
      }
    }
    out.fill(share)
    out[best] += 1 - epsilon
    return out
  }
}

export function cbLearn({ active, rate, weight, size }) {
  const weights = Float32Array.from(weight)
  const mask = size - 1
  const share = 1 / active
  return {
    weights,
    learn(index, cost, probability) {
      let a = 0, b = 0, c = 0, d = 0
      for (let i = 0; i < active; i += 4) {
        a += weights[index[i] & mask]
        b += weights[index[i + 1] & mask]
        c += weights[index[i + 2] & mask]
        d += weights[index[i + 3] & mask]
      }
      const by = (a + b + (c + d) - cost) * (1 - exp(-rate / probability)) * share
      for (let i = 0; i < active; i++) weights[index[i] & mask] -= by
    },
  }
}

/** `out[r] = x[r] · wᵀ + bias`: two rows and four outputs at a time, in doubles, so that nothing is widened in the loop. */
function product(x, from, rows, inputs, weight, bias, outputs, out, to = 0) {
  for (let row = 0; row < rows; row += 2) {
    const [first, second] = [from + row * inputs, from + Math.min(row + 1, rows - 1) * inputs]
    const [start, next] = [to + row * outputs, to + Math.min(row + 1, rows - 1) * outputs]
    for (let o = 0; o < outputs; o += 4) {
      let a0 = bias[o], a1 = bias[o + 1], a2 = bias[o + 2], a3 = bias[o + 3]
      let b0 = a0, b1 = a1, b2 = a2, b3 = a3
      const [w0, w1, w2, w3] = [o * inputs, (o + 1) * inputs, (o + 2) * inputs, (o + 3) * inputs]
      for (let i = 0; i < inputs; i++) {
        const s = x[first + i]
        const t = x[second + i]
        const u0 = weight[w0 + i], u1 = weight[w1 + i], u2 = weight[w2 + i], u3 = weight[w3 + i]
        a0 += s * u0
        a1 += s * u1
        a2 += s * u2
        a3 += s * u3
        b0 += t * u0
        b1 += t * u1
        b2 += t * u2
        b3 += t * u3
      }
      out[start + o] = a0
      out[start + o + 1] = a1
      out[start + o + 2] = a2
      out[start + o + 3] = a3
      out[next + o] = b0
      out[next + o + 1] = b1
      out[next + o + 2] = b2
      out[next + o + 3] = b3
    }
  }
}

const doubles = ({ weight, bias, ...rest }) => ({ ...rest, weight: Float64Array.from(weight), bias: Float64Array.from(bias) })
const relu = (x) => { for (let i = 0; i < x.length; i++) if (x[i] < 0) x[i] = 0 }

/** The first layer split by what it depends on: of the history once, of the candidate once, and one product for each pair. */
export function din({ d, hidden, table, history, candidates, attention, mlp }) {
  const part = (f) => {
    const out = new Float64Array(hidden * d)
    for (let o = 0; o < hidden; o++) {
      for (let i = 0; i < d; i++) {
        const [a, b, minus, times] = [0, 1, 2, 3].map((block) => attention[0].weight[o * 4 * d + block * d + i])
        out[o * d + i] = f(a, b, minus, times)
      }
    }
    return out
  }
  const [ofHistory, ofCandidate, ofProduct] = [part((a, b, minus) => a + minus), part((a, b, minus) => b - minus), part((a, b, minus, times) => times)]
  const [bias, last, lastBias] = [Float64Array.from(attention[0].bias), Float64Array.from(attention[1].weight), attention[1].bias[0]]
  const layers = mlp.map(doubles)
  const items = Float64Array.from(table.singles)
  const [recent, n] = [history.length, candidates.length]
  const none = new Float64Array(hidden)
  const [h, c] = [new Float64Array(recent * d), new Float64Array(n * d)]
  const [own, base] = [new Float64Array(recent * hidden), new Float64Array(n * hidden)]
  const [mixed, inner] = [new Float64Array(hidden * d), new Float64Array(recent * hidden)]
  const [x, y, z] = [new Float64Array(n * 3 * d), new Float64Array(n * 64), new Float64Array(n * 32)]
  const out = new Float32Array(n)
  return () => {
    for (let i = 0; i < recent; i++) h.set(items.subarray(history[i] * d, (history[i] + 1) * d), i * d)
    for (let i = 0; i < n; i++) c.set(items.subarray(candidates[i] * d, (candidates[i] + 1) * d), i * d)
    product(h, 0, recent, d, ofHistory, none, hidden, own)
    product(c, 0, n, d, ofCandidate, bias, hidden, base)
    x.fill(0)
    for (let k = 0; k < n; k++) {
      for (let o = 0; o < hidden; o++) for (let i = 0; i < d; i++) mixed[o * d + i] = ofProduct[o * d + i] * c[k * d + i]
      product(h, 0, recent, d, mixed, none, hidden, inner)
      const to = k * 3 * d
      for (let j = 0; j < recent; j++) {
        let weight = lastBias
        for (let o = 0; o < hidden; o++) {
          const v = inner[j * hidden + o] + own[j * hidden + o] + base[k * hidden + o]
          weight += (v > 0 ? v : 0) * last[o]
        }
        for (let i = 0; i < d; i++) x[to + i] += weight * h[j * d + i]
      }
      for (let i = 0; i < d; i++) {
        x[to + d + i] = c[k * d + i]
        x[to + 2 * d + i] = x[to + i] * c[k * d + i]
      }
    }
    product(x, 0, n, 3 * d, layers[0].weight, layers[0].bias, 64, y)
    relu(y)
    product(y, 0, n, 64, layers[1].weight, layers[1].bias, 32, z)
    relu(z)
    for (let k = 0; k < n; k++) {
      let sum = layers[2].bias[0]
      for (let i = 0; i < 32; i++) sum += layers[2].weight[i] * z[k * 32 + i]
      out[k] = sum
    }
    return out
  }
}

function normed(x, from, { weight, bias }, epsilon, out, to) {
  let sum = 0
  let squares = 0
  for (let i = 0; i < 64; i++) sum += x[from + i]
  const mean = sum / 64
  for (let i = 0; i < 64; i++) squares += (x[from + i] - mean) * (x[from + i] - mean)
  const scale = 1 / Math.sqrt(squares / 64 + epsilon)
  for (let i = 0; i < 64; i++) out[to + i] = (x[from + i] - mean) * scale * weight[i] + bias[i]
}

function sink(index, score, at, count) {
  for (;;) {
    let child = 2 * at + 1
    if (child >= count) return
    if (child + 1 < count && score[child + 1] < score[child]) child++
    if (score[at] <= score[child]) return
    const [s, i] = [score[at], index[at]]
    score[at] = score[child]
    index[at] = index[child]
    score[child] = s
    index[child] = i
    at = child
  }
}

/** The last layer for the last position alone; four items at a time; the best by a heap. */
export function sasrec({ items, d, heads, most, epsilon, table, history, position, layers, norm }) {
  if (d !== 64) throw new Error('sixty-four dimensions')
  const width = d / heads
  const rows = history.length
  const of = layers.map((layer) => ({
    norm1: doubles(layer.norm1), norm2: doubles(layer.norm2), out: doubles(layer.out), linear1: doubles(layer.linear1), linear2: doubles(layer.linear2),
    // Queries apart from keys and values: of the last layer there is one query.
    queries: Float64Array.from(layer.project.weight.subarray(0, d * d)), rest: Float64Array.from(layer.project.weight.subarray(d * d)),
    queryBias: Float64Array.from(layer.project.bias.subarray(0, d)), restBias: Float64Array.from(layer.project.bias.subarray(d)),
  }))
  const last = doubles(norm)
  const matrix = (columns) => new Float64Array(rows * columns)
  const [x, y, q, kv, mixed, fed] = [matrix(d), matrix(d), matrix(d), matrix(2 * d), matrix(d), matrix(d)]
  const scores = new Float32Array(items)
  const powers = new Float64Array(rows)
  const out = { index: new Int32Array(most), score: new Float32Array(most) }
  return () => {
    for (let age = 0; age < rows; age++) {
      for (let i = 0; i < d; i++) x[(rows - 1 - age) * d + i] = table.singles[history[age] * d + i] + position[age * d + i]
    }
    for (let l = 0; l < of.length; l++) {
      const layer = of[l]
      const first = l + 1 === of.length ? rows - 1 : 0
      const count = rows - first
      for (let at = 0; at < rows; at++) normed(x, at * d, layer.norm1, epsilon, y, at * d)
      product(y, first * d, count, d, layer.queries, layer.queryBias, d, q, first * d)
      product(y, 0, rows, d, layer.rest, layer.restBias, 2 * d, kv)
      for (let at = first; at < rows; at++) {
        for (let head = 0; head < heads; head++) {
          const side = head * width
          let most = -Infinity
          for (let other = 0; other <= at; other++) {
            const [query, key] = [at * d + side, other * 2 * d + side]
            let a = 0, b = 0
            for (let i = 0; i < width; i += 2) {
              a += q[query + i] * kv[key + i]
              b += q[query + i + 1] * kv[key + i + 1]
            }
            powers[other] = (a + b) / Math.sqrt(width)
            if (powers[other] > most) most = powers[other]
          }
          let total = 0
          for (let other = 0; other <= at; other++) {
            powers[other] = exp(powers[other] - most)
            total += powers[other]
          }
          const to = at * d + side
          for (let i = 0; i < width; i++) mixed[to + i] = 0
          for (let other = 0; other <= at; other++) {
            const share = powers[other] / total
            const value = other * 2 * d + d + side
            for (let i = 0; i < width; i++) mixed[to + i] += share * kv[value + i]
          }
        }
      }
      product(mixed, first * d, count, d, layer.out.weight, layer.out.bias, d, y, first * d)
      for (let i = first * d; i < rows * d; i++) x[i] += y[i]
      for (let at = first; at < rows; at++) normed(x, at * d, layer.norm2, epsilon, y, at * d)
      product(y, first * d, count, d, layer.linear1.weight, layer.linear1.bias, d, fed, first * d)
      for (let i = first * d; i < rows * d; i++) if (fed[i] < 0) fed[i] = 0
      product(fed, first * d, count, d, layer.linear2.weight, layer.linear2.bias, d, y, first * d)
      for (let i = first * d; i < rows * d; i++) x[i] += y[i]
    }
    normed(x, (rows - 1) * d, last, epsilon, y, 0)
    const singles = table.singles
    for (let item = 0; item < items; item += 4) {
      let a = 0, b = 0, c = 0, e = 0
      let at = item * 64
      for (let j = 0; j < 64; j += 4, at += 4) {
        const u0 = y[j], u1 = y[j + 1], u2 = y[j + 2], u3 = y[j + 3]
        a += singles[at] * u0 + singles[at + 1] * u1 + (singles[at + 2] * u2 + singles[at + 3] * u3)
        b += singles[at + 64] * u0 + singles[at + 65] * u1 + (singles[at + 66] * u2 + singles[at + 67] * u3)
        c += singles[at + 128] * u0 + singles[at + 129] * u1 + (singles[at + 130] * u2 + singles[at + 131] * u3)
        e += singles[at + 192] * u0 + singles[at + 193] * u1 + (singles[at + 194] * u2 + singles[at + 195] * u3)
      }
      scores[item] = a
      scores[item + 1] = b
      scores[item + 2] = c
      scores[item + 3] = e
    }
    const { index, score } = out
    for (let i = 0; i < most; i++) {
      index[i] = i
      score[i] = scores[i]
    }
    for (let i = most >> 1; i-- > 0;) sink(index, score, i, most)
    for (let item = most; item < items; item++) {
      if (scores[item] > score[0]) {
        index[0] = item
        score[0] = scores[item]
        sink(index, score, 0, most)
      }
    }
    for (let end = most - 1; end > 0; end--) {
      const [s, i] = [score[0], index[0]]
      score[0] = score[end]
      index[0] = index[end]
      score[end] = s
      index[end] = i
      sink(index, score, 0, end)
    }
    return out
  }
}
