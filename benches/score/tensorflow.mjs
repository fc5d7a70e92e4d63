// TensorFlow.js: its wasm backend with SIMD, one thread. Models are tensors made before the clock starts.

export async function open(tf, wasm, paths) {
  wasm.setWasmPaths(paths)
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
  await tf.setBackend('wasm')
  await tf.ready()
  return tf
}

/** What a function of tensors gives, as an array; every tensor made in between is given back. */
const answer = (tf, work) => {
  const result = tf.tidy(work)
  const out = result.dataSync()
  result.dispose()
  return out
}

export function linear(tf, { rows, columns, x, weight, bias }) {
  const w = tf.tensor2d(weight, [columns, 1])
  const b = tf.scalar(bias)
  return () => answer(tf, () => tf.sigmoid(tf.add(tf.matMul(tf.tensor2d(x, [rows, columns]), w), b)))
}

export function fm(tf, { rows, active, features, k, index, value, weight, factors, bias }) {
  const table = tf.tensor2d(factors.singles, [features, k])
  const weights = tf.tensor1d(weight)
  const b = tf.scalar(bias)
  const half = tf.scalar(0.5)
  return () => answer(tf, () => {
    const at = tf.tensor1d(index, 'int32')
    const x = tf.tensor2d(value, [rows, active])
    const terms = tf.mul(tf.reshape(tf.gather(table, at), [rows, active, k]), tf.expandDims(x, 2))
    const sum = tf.sum(terms, 1)
    const pairs = tf.sum(tf.sub(tf.mul(sum, sum), tf.sum(tf.mul(terms, terms), 1)), 1)
    const single = tf.sum(tf.mul(tf.reshape(tf.gather(weights, at), [rows, active]), x), 1)
    return tf.add(tf.add(single, b), tf.mul(pairs, half))
  })
}

export function cbPredict(tf, { actions, active, epsilon, weight }) {
  const weights = tf.tensor1d(weight)
  const share = epsilon / actions
  return (index) => answer(tf, () => {
    const costs = tf.sum(tf.reshape(tf.gather(weights, tf.tensor1d(index, 'int32')), [actions, active]), 1)
    return tf.add(tf.mul(tf.cast(tf.oneHot(tf.argMin(costs), actions), 'float32'), 1 - epsilon), share)
  })
}

/** The gather, the step and the scatter as tensors; the weights are one tensor that is replaced. */
export function cbLearn(tf, { size, active, rate, weight }) {
  let weights = tf.tensor1d(weight)
  const ones = tf.ones([active])
  return {
    get weights() { return weights.dataSync() },
    learn(index, cost, probability) {
      const next = tf.tidy(() => {
        const at = tf.tensor1d(index, 'int32')
        const residual = tf.sub(tf.sum(tf.gather(weights, at)), cost)
        const by = tf.mul(residual, (1 - Math.exp(-rate / probability)) / active)
        return tf.sub(weights, tf.scatterND(tf.expandDims(at, 1), tf.mul(ones, by), [size]))
      })
      weights.dispose()
      weights = next
    },
  }
}

const linearLayer = (tf, { outputs, inputs, weight, bias }) => {
  const [w, b] = [tf.tensor2d(weight, [outputs, inputs]), tf.tensor1d(bias)]
  return (x) => tf.add(tf.matMul(x, w, false, true), b)
}

/** As one would write it: the parts of every pair side by side, one product of matrices over all pairs. */
export function din(tf, { items, d, table, history, candidates, attention, mlp }) {
  const vectors = tf.tensor2d(table.singles, [items, d])
  const [n, rows] = [candidates.length, history.length]
  const [first, second] = attention.map((layer) => linearLayer(tf, layer))
  const head = mlp.map((layer) => linearLayer(tf, layer))
  return () => answer(tf, () => {
    const recent = tf.gather(vectors, tf.tensor1d(history, 'int32'))
    const own = tf.gather(vectors, tf.tensor1d(candidates, 'int32'))
    const h = tf.tile(tf.expandDims(recent, 0), [n, 1, 1])
    const c = tf.tile(tf.expandDims(own, 1), [1, rows, 1])
    const x = tf.reshape(tf.concat([h, c, tf.sub(h, c), tf.mul(h, c)], 2), [n * rows, 4 * d])
    const weight = tf.reshape(second(tf.relu(first(x))), [n, rows])
    const pooled = tf.matMul(weight, recent)
    const joined = tf.concat([pooled, own, tf.mul(pooled, own)], 1)
    return tf.reshape(head[2](tf.relu(head[1](tf.relu(head[0](joined))))), [n])
  })
}

export function sasrec(tf, { items, d, heads, most, epsilon, table, history, position, layers, norm }) {
  const vectors = tf.tensor2d(table.singles, [items, d])
  const [rows, width] = [history.length, d / heads]
  const normed = ({ weight, bias }) => {
    const [w, b] = [tf.tensor1d(weight), tf.tensor1d(bias)]
    return (x) => {
      const { mean, variance } = tf.moments(x, 1, true)
      return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon))), w), b)
    }
  }
  const reversed = new Float32Array(rows * d)
  for (let at = 0; at < rows; at++) reversed.set(position.subarray((rows - 1 - at) * d, (rows - at) * d), at * d)
  const places = tf.tensor2d(reversed, [rows, d])
  const mask = tf.tensor2d(Float32Array.from({ length: rows * rows }, (_, i) => (i % rows > Math.floor(i / rows) ? -1e9 : 0)), [rows, rows])
  const of = layers.map(({ norm1, project, out, norm2, linear1, linear2 }) => ({
    norm1: normed(norm1), norm2: normed(norm2), project: linearLayer(tf, project), out: linearLayer(tf, out),
    linear1: linearLayer(tf, linear1), linear2: linearLayer(tf, linear2),
  }))
  const last = normed(norm)
  return () => {
    const [values, indices] = tf.tidy(() => {
      const recent = tf.gather(vectors, tf.tensor1d(Int32Array.from(history).reverse(), 'int32'))
      let x = tf.add(recent, places)
      for (const layer of of) {
        const all = layer.project(layer.norm1(x))
        const [q, k, v] = tf.split(tf.transpose(tf.reshape(all, [rows, 3, heads, width]), [1, 2, 0, 3]), 3, 0).map((part) => tf.squeeze(part, [0]))
        const shares = tf.softmax(tf.add(tf.div(tf.matMul(q, k, false, true), Math.sqrt(width)), mask))
        const mixed = tf.reshape(tf.transpose(tf.matMul(shares, v), [1, 0, 2]), [rows, d])
        x = tf.add(x, layer.out(mixed))
        x = tf.add(x, layer.linear2(tf.relu(layer.linear1(layer.norm2(x)))))
      }
      const user = last(tf.slice(x, [rows - 1, 0], [1, d]))
      const { values, indices } = tf.topk(tf.reshape(tf.matMul(user, vectors, false, true), [items]), most, true)
      return [values, indices]
    })
    const out = { index: indices.dataSync(), score: values.dataSync() }
    values.dispose()
    indices.dispose()
    return out
  }
}
