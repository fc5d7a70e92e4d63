// The workloads as ONNX graphs: as an exporter writes the formulas down, and rewritten by hand to the algebra of the fast kernels.
import { Graph } from './onnx-file.mjs'

const halfNorms = (table, rows, k) => Float32Array.from({ length: rows }, (_, row) => {
  let sum = 0
  for (let d = 0; d < k; d++) sum += table[row * k + d] ** 2
  return sum / 2
})

export function linear({ rows, columns, weight, bias }) {
  const g = new Graph()
  const logits = g.node('Gemm', ['x', g.constant([columns, 1], weight), g.constant([1], Float32Array.of(bias))])
  return g.file([['x', 'float32', [rows, columns]]], [['out', 'float32', [rows, 1], g.node('Sigmoid', [logits])]])
}

const fmInputs = ({ rows, active }) => [['index', 'int32', [rows, active]], ['value', 'float32', [rows, active]]]

export function fm(workload) {
  const { rows, active, features, k, weight, factors, bias } = workload
  const g = new Graph()
  const one = g.constant([1], [1])
  const x = g.node('Unsqueeze', ['value', g.constant([1], [2])])
  const terms = g.node('Mul', [g.node('Gather', [g.constant([features, k], factors.singles), 'index']), x])
  const sum = g.node('ReduceSum', [terms, one], { keepdims: 0 })
  const squares = g.node('ReduceSum', [g.node('Mul', [terms, terms]), one], { keepdims: 0 })
  const pairs = g.node('ReduceSum', [g.node('Sub', [g.node('Mul', [sum, sum]), squares]), one], { keepdims: 0 })
  const single = g.node('Mul', [g.node('Gather', [g.constant([features], weight), 'index']), 'value'])
  const own = g.node('Add', [g.node('ReduceSum', [single, one], { keepdims: 0 }), g.single(bias)])
  const out = g.node('Add', [own, g.node('Mul', [pairs, g.single(0.5)])])
  return g.file(fmInputs(workload), [['out', 'float32', [rows], out]])
}

/** Norms worked out beforehand; the sum of the factors as a product of matrices. */
export function fmRewritten(workload) {
  const { rows, active, features, k, weight, factors, bias } = workload
  const g = new Graph()
  const one = g.constant([1], [1])
  const x = g.node('Unsqueeze', ['value', one])
  const sum = g.node('MatMul', [x, g.node('Gather', [g.constant([features, k], factors.singles), 'index'])])
  const squares = g.node('ReduceSumSquare', [sum], { axes: [1, 2], keepdims: 0 })
  const weights = g.node('Gather', [g.constant([features], weight), 'index'])
  const halves = g.node('Gather', [g.constant([features], halfNorms(factors.singles, features, k)), 'index'])
  const own = g.node('Mul', ['value', g.node('Sub', [weights, g.node('Mul', ['value', halves])])])
  const total = g.node('Add', [g.node('ReduceSum', [own, one], { keepdims: 0 }), g.node('Mul', [squares, g.single(0.5)])])
  return g.file(fmInputs(workload), [['out', 'float32', [rows], g.node('Add', [total, g.single(bias)])]])
}

export function cbPredict({ size, actions, active, epsilon, weight }) {
  const g = new Graph()
  const costs = g.node('ReduceSum', [g.node('Gather', [g.constant([size], weight), 'index']), g.constant([1], [1])], { keepdims: 0 })
  const best = g.node('ArgMin', [costs], { axis: 0, keepdims: 1 })
  const share = epsilon / actions
  const values = g.constant([2], Float32Array.of(share, 1 - epsilon + share))
  const out = g.node('OneHot', [best, g.constant([1], [actions]), values])
  return g.file([['index', 'int32', [actions, active]]], [['out', 'float32', [1, actions], out]])
}

const turned = (weight, outputs, inputs) => {
  const out = new Float32Array(outputs * inputs)
  for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) out[i * outputs + o] = weight[o * inputs + i]
  return out
}

/** `x Wᵀ + b` over the last dimension, as exporters write it for more than two dimensions. */
const linearLayer = (g, x, { outputs, inputs, weight, bias }) =>
  g.node('Add', [g.node('MatMul', [x, g.constant([inputs, outputs], turned(weight, outputs, inputs))]), g.constant([outputs], bias)])
const gemm = (g, x, { outputs, inputs, weight, bias }) =>
  g.node('Gemm', [x, g.constant([outputs, inputs], weight), g.constant([outputs], bias)], { transB: 1 })

const dinInputs = ({ history, candidates }) => [['history', 'int32', [history.length]], ['candidates', 'int32', [candidates.length]]]

function dinHead(g, x, [first, second, last], n) {
  const inner = g.node('Relu', [gemm(g, g.node('Relu', [gemm(g, x, first)]), second)])
  return g.node('Reshape', [gemm(g, inner, last), g.constant([1], [n])])
}

export function din(workload) {
  const { items, d, table, history, candidates, attention, mlp } = workload
  const [n, rows] = [candidates.length, history.length]
  const g = new Graph()
  const vectors = g.constant([items, d], table.singles)
  const shape = g.constant([3], [n, rows, d])
  const h = g.node('Expand', [g.node('Unsqueeze', [g.node('Gather', [vectors, 'history']), g.constant([1], [0])]), shape])
  const own = g.node('Gather', [vectors, 'candidates'])
  const c = g.node('Expand', [g.node('Unsqueeze', [own, g.constant([1], [1])]), shape])
  const x = g.node('Concat', [h, c, g.node('Sub', [h, c]), g.node('Mul', [h, c])], { axis: 2 })
  const weight = linearLayer(g, g.node('Relu', [linearLayer(g, x, attention[0])]), attention[1])
  const pooled = g.node('ReduceSum', [g.node('Mul', [weight, h]), g.constant([1], [1])], { keepdims: 0 })
  const out = dinHead(g, g.node('Concat', [pooled, own, g.node('Mul', [pooled, own])], { axis: 1 }), mlp, n)
  return g.file(dinInputs(workload), [['out', 'float32', [n], out]])
}

/** The first layer split by what it depends on, the pairs' products as one product of matrices. */
export function dinRewritten(workload) {
  const { items, d, hidden, table, history, candidates, attention, mlp } = workload
  const [n, rows] = [candidates.length, history.length]
  const g = new Graph()
  const part = (f) => {
    const out = new Float32Array(d * hidden)
    for (let o = 0; o < hidden; o++) {
      for (let i = 0; i < d; i++) {
        const [a, b, minus, times] = [0, 1, 2, 3].map((block) => attention[0].weight[o * 4 * d + block * d + i])
        out[i * hidden + o] = f(a, b, minus, times)
      }
    }
    return g.constant([d, hidden], out)
  }
  const vectors = g.constant([items, d], table.singles)
  const [h, c] = [g.node('Gather', [vectors, 'history']), g.node('Gather', [vectors, 'candidates'])]
  const ofHistory = g.node('MatMul', [h, part((a, b, minus) => a + minus)])
  const ofCandidate = g.node('Gemm', [c, part((a, b, minus) => b - minus), g.constant([hidden], attention[0].bias)])
  const products = g.node('Mul', [g.node('Unsqueeze', [c, g.constant([1], [1])]), h])
  const flat = g.node('MatMul', [g.node('Reshape', [products, g.constant([2], [n * rows, d])]), part((a, b, minus, times) => times)])
  const pairs = g.node('Reshape', [flat, g.constant([3], [n, rows, hidden])])
  const sum = g.node('Add', [g.node('Add', [pairs, ofHistory]), g.node('Unsqueeze', [ofCandidate, g.constant([1], [1])])])
  const inner = g.node('Reshape', [g.node('Relu', [sum]), g.constant([2], [n * rows, hidden])])
  const weight = g.node('Reshape', [gemm(g, inner, attention[1]), g.constant([2], [n, rows])])
  const pooled = g.node('MatMul', [weight, h])
  const out = dinHead(g, g.node('Concat', [pooled, c, g.node('Mul', [pooled, c])], { axis: 1 }), mlp, n)
  return g.file(dinInputs(workload), [['out', 'float32', [n], out]])
}

/** The transformer; of the last layer all positions, or the last alone. */
function transformer(workload, rewritten) {
  const { items, d, heads, most, epsilon, table, history, position, layers, norm } = workload
  const [rows, width] = [history.length, d / heads]
  const g = new Graph()
  const epsilons = g.single(epsilon)
  const mean = (x) => g.node('ReduceMean', [x], { axes: [-1], keepdims: 1 })
  const normed = (x, { weight, bias }) => {
    if (rewritten) return g.node('LayerNormalization', [x, g.constant([d], weight), g.constant([d], bias)], { axis: -1, epsilon: { single: epsilon } })
    const centred = g.node('Sub', [x, mean(x)])
    const scale = g.node('Sqrt', [g.node('Add', [mean(g.node('Mul', [centred, centred])), epsilons])])
    return g.node('Add', [g.node('Mul', [g.node('Div', [centred, scale]), g.constant([d], weight)]), g.constant([d], bias)])
  }
  const vectors = g.constant([items, d], table.singles)
  // Positions count from the newest, sequences run from the oldest.
  const reversed = new Float32Array(rows * d)
  for (let at = 0; at < rows; at++) reversed.set(position.subarray((rows - 1 - at) * d, (rows - at) * d), at * d)
  const order = g.constant([rows], Array.from({ length: rows }, (_, at) => rows - 1 - at))
  let x = g.node('Add', [g.node('Gather', [vectors, g.node('Gather', ['history', order])]), g.constant([rows, d], reversed)])
  const mask = Float32Array.from({ length: rows * rows }, (_, i) => (i % rows > Math.floor(i / rows) ? -1e9 : 0))
  const split = (y, count) => g.node('Transpose', [g.node('Reshape', [y, g.constant([3], [count, heads, width])])], { perm: [1, 0, 2] })
  const slice = (y, from, to, axis) => g.node('Slice', [y, ...[[from], [to], [axis]].map((at) => g.constant([1], at))])
  layers.forEach(({ norm1, project, out, norm2, linear1, linear2 }, l) => {
    const only = rewritten && l + 1 === layers.length
    const y = normed(x, norm1)
    const count = only ? 1 : rows
    let [query, key, value] = [null, null, null]
    if (only) {
      const part = (from, to) => ({
        outputs: to - from, inputs: d, weight: project.weight.subarray(from * d, to * d), bias: project.bias.subarray(from, to),
      })
      query = gemm(g, slice(y, rows - 1, rows, 0), part(0, d))
      const both = gemm(g, y, part(d, 3 * d))
      key = slice(both, 0, d, 1)
      value = slice(both, d, 2 * d, 1)
      x = slice(x, rows - 1, rows, 0)
    } else {
      const all = rewritten ? gemm(g, y, project) : linearLayer(g, y, project)
      query = slice(all, 0, d, 1)
      key = slice(all, d, 2 * d, 1)
      value = slice(all, 2 * d, 3 * d, 1)
    }
    const products = g.node('MatMul', [split(query, count), g.node('Transpose', [split(key, rows)], { perm: [0, 2, 1] })])
    const scaled = g.node('Mul', [products, g.single(1 / Math.sqrt(width))])
    const shares = g.node('Softmax', [only ? scaled : g.node('Add', [scaled, g.constant([rows, rows], mask)])], { axis: -1 })
    const mixed = g.node('Transpose', [g.node('MatMul', [shares, split(value, rows)])], { perm: [1, 0, 2] })
    const layer = rewritten ? gemm : linearLayer
    x = g.node('Add', [x, layer(g, g.node('Reshape', [mixed, g.constant([2], [count, d])]), out)])
    const fed = layer(g, g.node('Relu', [layer(g, normed(x, norm2), linear1)]), linear2)
    x = g.node('Add', [x, fed])
  })
  const user = rewritten ? normed(x, norm) : slice(normed(x, norm), rows - 1, rows, 0)
  const catalogue = rewritten ? g.constant([d, items], turned(table.singles, items, d)) : g.node('Transpose', [vectors], { perm: [1, 0] })
  const scores = g.node('MatMul', [user, catalogue])
  const [values, index] = g.node('TopK', [scores, g.constant([1], [most])], { axis: -1, largest: 1, sorted: 1 }, 2)
  return g.file([['history', 'int32', [rows]]], [['out', 'float32', [1, most], values], ['index', 'int64', [1, most], index]])
}

export const sasrec = (workload) => transformer(workload, false)
export const sasrecRewritten = (workload) => transformer(workload, true)
