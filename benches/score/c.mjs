// The hand-written kernels in C, called as the engine is.

export async function open(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes, {})
  return instance.exports
}

const put = (c, numbers) => {
  const at = c.room(numbers.byteLength)
  new numbers.constructor(c.memory.buffer, at, numbers.length).set(numbers)
  return at
}

export function linear(c, { rows, columns, x, weight, bias }) {
  const [w, from, to] = [put(c, weight), c.room(x.byteLength), c.room(4 * rows)]
  const [input, answer] = [new Float32Array(c.memory.buffer, from, x.length), new Float32Array(c.memory.buffer, to, rows)]
  const out = new Float32Array(rows)
  return () => {
    input.set(x)
    c.linear(from, rows, columns, w, bias, to)
    out.set(answer)
    return out
  }
}

export function fm(c, { rows, active, features, k, index, value, weight, factors, bias }) {
  const table = new Float32Array(features * 18)
  for (let feature = 0; feature < features; feature++) {
    const row = factors.singles.subarray(feature * k, (feature + 1) * k)
    table[feature * 18] = weight[feature]
    table[feature * 18 + 1] = row.reduce((sum, x) => sum + x * x, 0) / 2
    table.set(row, feature * 18 + 2)
  }
  const [at, ids, values, to] = [put(c, table), c.room(index.byteLength), c.room(value.byteLength), c.room(4 * rows)]
  const input = new Int32Array(c.memory.buffer, ids, index.length)
  const weights = new Float32Array(c.memory.buffer, values, value.length)
  const [answer, out] = [new Float32Array(c.memory.buffer, to, rows), new Float32Array(rows)]
  return () => {
    input.set(index)
    weights.set(value)
    c.fm(ids, values, rows, active, at, bias, to)
    out.set(answer)
    return out
  }
}

export function cbPredict(c, { size, actions, active, epsilon, weight }) {
  const [w, from, to] = [put(c, weight), c.room(4 * actions * active), c.room(4 * actions)]
  const input = new Int32Array(c.memory.buffer, from, actions * active)
  const [answer, out] = [new Float32Array(c.memory.buffer, to, actions), new Float32Array(actions)]
  return (index) => {
    input.set(index)
    c.cb_predict(from, actions, active, w, size - 1, epsilon, to)
    out.set(answer)
    return out
  }
}

export function cbLearn(c, { size, active, rate, weight }) {
  const [w, from] = [put(c, weight), c.room(4 * active)]
  const input = new Int32Array(c.memory.buffer, from, active)
  return {
    weights: new Float32Array(c.memory.buffer, w, size),
    learn(index, cost, probability) {
      for (let i = 0; i < active; i += 4) {
        input[i] = index[i]
        input[i + 1] = index[i + 1]
        input[i + 2] = index[i + 2]
        input[i + 3] = index[i + 3]
      }
      c.cb_learn(from, active, w, size - 1, cost, probability, rate)
    },
  }
}

/** `[outputs][inputs]` as `[inputs][outputs]`. */
function turned(weight, outputs, inputs) {
  const out = new Float32Array(outputs * inputs)
  for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) out[i * outputs + o] = weight[o * inputs + i]
  return out
}

const joined = (parts) => {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function din(c, { d, hidden, table, history, candidates, attention, mlp }) {
  const part = (f) => {
    const out = new Float32Array(hidden * d)
    for (let o = 0; o < hidden; o++) {
      const [a, b, minus, times] = [0, 1, 2, 3].map((i) => attention[0].weight.subarray(o * 4 * d + i * d, o * 4 * d + (i + 1) * d))
      for (let i = 0; i < d; i++) out[i * hidden + o] = f(a[i], b[i], minus[i], times[i])
    }
    return put(c, out)
  }
  const weights = [part((a, b, minus) => a + minus), part((a, b, minus) => b - minus), part((a, b, minus, times) => times)]
  const [at, bias, last] = [put(c, table.singles), put(c, attention[0].bias), put(c, attention[1].weight)]
  const head = put(c, joined(mlp.flatMap((layer) => [turned(layer.weight, layer.outputs, layer.inputs), layer.bias])))
  const [recent, ids, to] = [c.room(history.byteLength), c.room(candidates.byteLength), c.room(4 * candidates.length)]
  const [first, second] = [new Int32Array(c.memory.buffer, recent, history.length), new Int32Array(c.memory.buffer, ids, candidates.length)]
  const [answer, out] = [new Float32Array(c.memory.buffer, to, candidates.length), new Float32Array(candidates.length)]
  return () => {
    first.set(history)
    second.set(candidates)
    c.din(recent, ids, at, ...weights, bias, last, attention[1].bias[0], head, to)
    out.set(answer)
    return out
  }
}

export function sasrec(c, { items, most, epsilon, table, history, position, layers, norm }) {
  const parts = layers.flatMap(({ norm1, project, out, norm2, linear1, linear2 }) => [
    norm1.weight, norm1.bias,
    ...[0, 1, 2].map((i) => turned(project.weight.subarray(i * 64 * 64, (i + 1) * 64 * 64), 64, 64)), project.bias,
    turned(out.weight, 64, 64), out.bias, norm2.weight, norm2.bias,
    turned(linear1.weight, 64, 64), linear1.bias, turned(linear2.weight, 64, 64), linear2.bias,
  ])
  const [at, places, weights] = [put(c, table.singles), put(c, position), put(c, joined([...parts, norm.weight, norm.bias]))]
  const [recent, scores, to, values] = [c.room(history.byteLength), c.room(4 * items), c.room(4 * most), c.room(4 * most)]
  const input = new Int32Array(c.memory.buffer, recent, history.length)
  const [best, bestScores] = [new Int32Array(c.memory.buffer, to, most), new Float32Array(c.memory.buffer, values, most)]
  const out = { index: new Int32Array(most), score: new Float32Array(most) }
  return () => {
    input.set(history)
    c.sasrec(recent, at, items, places, weights, layers.length, epsilon, scores, to, values, most)
    out.index.set(best)
    out.score.set(bestScores)
    return out
  }
}
