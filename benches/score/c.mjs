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
      for (let i = 0; i < active; i++) input[i] = index[i]
      c.cb_learn(from, active, w, size - 1, cost, probability, rate)
    },
  }
}
