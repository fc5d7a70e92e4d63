// What each workload gives, in double precision and plain loops. Every contender is compared with this before it is timed.

const sigmoid = (x) => 1 / (1 + Math.exp(-x))

export function linear({ rows, columns, x, weight, bias }) {
  const out = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    let sum = bias
    for (let j = 0; j < columns; j++) sum += x[row * columns + j] * weight[j]
    out[row] = sigmoid(sum)
  }
  return out
}

export function fm({ rows, active, k, index, value, weight, factors, bias }) {
  const out = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    let logit = bias
    for (let i = row * active; i < (row + 1) * active; i++) {
      logit += weight[index[i]] * value[i]
      for (let j = i + 1; j < (row + 1) * active; j++) {
        let product = 0
        for (let d = 0; d < k; d++) product += factors.singles[index[i] * k + d] * factors.singles[index[j] * k + d]
        logit += product * value[i] * value[j]
      }
    }
    out[row] = logit
  }
  return out
}

/** Probabilities of the actions, request by request: the least cost has 1 − ε + ε / n, every other one ε / n. */
export function cbPredict({ actions, active, epsilon, requests, weight }) {
  return Float64Array.from(requests.flatMap((index) => {
    const costs = new Float64Array(actions)
    for (let action = 0; action < actions; action++) {
      for (let i = 0; i < active; i++) costs[action] += weight[index[action * active + i]]
    }
    const best = costs.indexOf(Math.min(...costs))
    return Array.from(costs, (_, action) => (action === best ? 1 - epsilon : 0) + epsilon / actions)
  }))
}

/**
 * One event after the other: the expected cost goes by the share 1 − e^(−rate / probability) of its way to the event's, evenly by all features.
 * Gives the weights after so many rounds over the log.
 */
export function cbLearn({ active, rate, weight, log }, rounds) {
  const weights = Float64Array.from(weight)
  for (let round = 0; round < rounds; round++) {
    for (const { index, cost, probability } of log) {
      let predicted = 0
      for (let i = 0; i < active; i++) predicted += weights[index[i]]
      const by = (predicted - cost) * (1 - Math.exp(-rate / probability)) / active
      for (let i = 0; i < active; i++) weights[index[i]] -= by
    }
  }
  return weights
}

/** What a linear layer gives for one row. */
const linearLayer = ({ outputs, inputs, weight, bias }, x) => Float64Array.from({ length: outputs }, (_, o) => {
  let sum = bias[o]
  for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * x[i]
  return sum
})
const relu = (x) => x.map((one) => Math.max(one, 0))
const rowOf = ({ singles }, d, row) => Float64Array.from(singles.subarray(row * d, (row + 1) * d))

export function din({ d, table, history, candidates, attention, mlp }) {
  return Float64Array.from(candidates, (candidate) => {
    const c = rowOf(table, d, candidate)
    const pooled = new Float64Array(d)
    for (const row of history) {
      const h = rowOf(table, d, row)
      const x = [...h, ...c, ...h.map((one, i) => one - c[i]), ...h.map((one, i) => one * c[i])]
      const [weight] = linearLayer(attention[1], relu(linearLayer(attention[0], x)))
      for (let i = 0; i < d; i++) pooled[i] += weight * h[i]
    }
    const x = [...pooled, ...c, ...pooled.map((one, i) => one * c[i])]
    return linearLayer(mlp[2], relu(linearLayer(mlp[1], relu(linearLayer(mlp[0], x)))))[0]
  })
}

function normed(x, { weight, bias }, epsilon) {
  const mean = x.reduce((sum, one) => sum + one, 0) / x.length
  const variance = x.reduce((sum, one) => sum + (one - mean) ** 2, 0) / x.length
  return x.map((one, i) => (one - mean) / Math.sqrt(variance + epsilon) * weight[i] + bias[i])
}

/** The scores of all items. */
export function sasrecScores({ items, d, heads, epsilon, table, history, position, layers, norm }) {
  // From the oldest to the newest; the position counts from the newest.
  let x = Array.from(history, (row, age) => rowOf(table, d, row).map((one, i) => one + position[age * d + i])).reverse()
  for (const { norm1, project, out, norm2, linear1, linear2 } of layers) {
    const all = x.map((one) => linearLayer(project, normed(one, norm1, epsilon)))
    const width = d / heads
    x = x.map((one, at) => {
      const mixed = new Float64Array(d)
      for (let head = 0; head < heads; head++) {
        const from = head * width
        const logits = all.slice(0, at + 1).map((other) => {
          let sum = 0
          for (let i = from; i < from + width; i++) sum += all[at][i] * other[d + i]
          return sum / Math.sqrt(width)
        })
        const most = Math.max(...logits)
        const powers = logits.map((logit) => Math.exp(logit - most))
        const total = powers.reduce((sum, power) => sum + power, 0)
        powers.forEach((power, other) => {
          for (let i = from; i < from + width; i++) mixed[i] += power / total * all[other][2 * d + i]
        })
      }
      const attended = linearLayer(out, mixed).map((add, i) => one[i] + add)
      const fed = linearLayer(linear2, relu(linearLayer(linear1, normed(attended, norm2, epsilon))))
      return attended.map((add, i) => add + fed[i])
    })
  }
  const user = normed(x[x.length - 1], norm, epsilon)
  return Float64Array.from({ length: items }, (_, item) => {
    let sum = 0
    for (let i = 0; i < d; i++) sum += user[i] * table.singles[item * d + i]
    return sum
  })
}
