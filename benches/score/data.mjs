// The workloads: what every contender computes, in numbers that are the same on every machine.

/** Numbers in [0, 1) from a seed: mulberry32, integers only. */
function sequence(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296
  }
}

/** About normal: the sum of four uniform numbers. */
function normals(next, length, deviation) {
  const out = new Float32Array(length)
  for (let i = 0; i < length; i++) out[i] = (next() + next() + next() + next() - 2) * 1.732 * deviation
  return out
}

/** A matrix whose rows are bytes times a scale each, so that a table of bytes and one of singles are the same model. */
function byteRows(next, rows, columns, deviation) {
  const bytes = new Int8Array(rows * columns)
  const scale = new Float32Array(rows)
  const singles = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    scale[row] = deviation * (0.5 + next()) / 64
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column
      bytes[at] = Math.floor(next() * 255) - 127
      singles[at] = bytes[at] * scale[row]
    }
  }
  return { bytes, scale, singles }
}

/** sigmoid(Xw + b): 1,000 candidates × 64 dense features. */
export function linear() {
  const next = sequence(1)
  const [rows, columns] = [1000, 64]
  return { rows, columns, x: normals(next, rows * columns, 1), weight: normals(next, columns, 0.2), bias: 0.25 }
}

/** A factorisation machine: 1,000 candidates × 20 active of 50,000 features, k = 16, with values. */
export function fm() {
  const next = sequence(2)
  const [rows, active, features, k] = [1000, 20, 50000, 16]
  const index = new Int32Array(rows * active)
  for (let i = 0; i < index.length; i++) index[i] = Math.floor(next() * features)
  const value = new Float32Array(rows * active)
  for (let i = 0; i < value.length; i++) value[i] = 0.25 + next()
  const factors = byteRows(next, features, k, 0.15)
  return { rows, active, features, k, index, value, weight: normals(next, features, 0.1), factors, bias: -0.5 }
}

/**
 * A contextual bandit: linear costs over 2^18 hashed weights, 100 actions × 20 features, ε-greedy. The sixteen requests and the 64 events
 * are asked in turn, as no user asks the same thing twice.
 */
export function cb() {
  const next = sequence(3)
  const [bits, actions, active, events] = [18, 100, 20, 64]
  const size = 1 << bits
  const features = () => {
    const out = new Int32Array(actions * active)
    for (let i = 0; i < out.length; i++) out[i] = Math.floor(next() * size)
    return out
  }
  const log = []
  for (let i = 0; i < events; i++) {
    const index = new Int32Array(active)
    for (let j = 0; j < active; j++) index[j] = Math.floor(next() * size)
    log.push({ index, cost: next() < 0.3 ? -1 : 0, probability: 0.02 + 0.9 * next() })
  }
  return { bits, size, actions, active, epsilon: 0.1, rate: 0.05, requests: Array.from({ length: 16 }, features), weight: normals(next, size, 0.1), log }
}

/** Weights and bias of a linear layer, `[outputs, inputs]`. */
const layer = (next, outputs, inputs) => ({
  outputs, inputs, weight: normals(next, outputs * inputs, 1 / Math.sqrt(inputs)), bias: normals(next, outputs, 0.1),
})

const distinct = (next, count, below) => {
  const out = new Set()
  while (out.size < count) out.add(Math.floor(next() * below))
  return Int32Array.from(out)
}

/**
 * DIN: 200 candidates, history of 50, d = 32. An attention MLP 128 → 36 → 1 over [h, c, h − c, h ∘ c], a weighted sum, then an MLP
 * 96 → 64 → 32 → 1 over [pooled, c, pooled ∘ c]. Items are known by their rows in a table.
 */
export function din() {
  const next = sequence(4)
  const [items, d, hidden] = [2000, 32, 36]
  return {
    items, d, hidden, table: byteRows(next, items, d, 0.5), history: distinct(next, 50, items), candidates: distinct(next, 200, items),
    attention: [layer(next, hidden, 4 * d), layer(next, 1, hidden)], mlp: [layer(next, 64, 3 * d), layer(next, 32, 64), layer(next, 1, 32)],
  }
}

/**
 * SASRec: two layers of two heads, d = 64, causal, norms first, history of 50 (the newest first), the scores of 10,000 items and the best 100.
 */
export function sasrec() {
  const next = sequence(5)
  const [items, d, heads, length, most] = [10000, 64, 2, 50, 100]
  const norm = () => ({ weight: normals(next, d, 0.1).map((x) => 1 + x), bias: normals(next, d, 0.1) })
  const layers = Array.from({ length: 2 }, () => ({
    norm1: norm(), project: layer(next, 3 * d, d), out: layer(next, d, d), norm2: norm(), linear1: layer(next, d, d), linear2: layer(next, d, d),
  }))
  return {
    items, d, heads, most, epsilon: 1e-5, table: byteRows(next, items, d, 0.5), history: distinct(next, length, items),
    position: normals(next, length * d, 0.1), layers, norm: norm(),
  }
}
