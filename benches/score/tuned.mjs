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
