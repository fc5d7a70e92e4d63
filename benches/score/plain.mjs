// The formulas as one would write them down in JavaScript.

const sigmoid = (x) => 1 / (1 + Math.exp(-x))

export function linear({ rows, columns, x, weight, bias }) {
  const out = new Float32Array(rows)
  return () => {
    for (let row = 0; row < rows; row++) {
      let sum = bias
      for (let j = 0; j < columns; j++) sum += x[row * columns + j] * weight[j]
      out[row] = sigmoid(sum)
    }
    return out
  }
}

export function fm({ rows, active, k, index, value, weight, factors, bias }) {
  const table = factors.singles
  const out = new Float32Array(rows)
  return () => {
    for (let row = 0; row < rows; row++) {
      let logit = bias
      for (let i = row * active; i < (row + 1) * active; i++) logit += weight[index[i]] * value[i]
      for (let d = 0; d < k; d++) {
        let sum = 0
        let squares = 0
        for (let i = row * active; i < (row + 1) * active; i++) {
          const term = table[index[i] * k + d] * value[i]
          sum += term
          squares += term * term
        }
        logit += 0.5 * (sum * sum - squares)
      }
      out[row] = logit
    }
    return out
  }
}

export function cbPredict({ actions, active, epsilon, weight }) {
  const out = new Float32Array(actions)
  return (index) => {
    let best = 0
    let least = Infinity
    for (let action = 0; action < actions; action++) {
      let cost = 0
      for (let i = 0; i < active; i++) cost += weight[index[action * active + i]]
      if (cost < least) {
        least = cost
        best = action
      }
      out[action] = epsilon / actions
    }
    out[best] += 1 - epsilon
    return out
  }
}

export function cbLearn({ active, rate, weight }) {
  const weights = Float32Array.from(weight)
  return {
    weights,
    learn(index, cost, probability) {
      let predicted = 0
      for (let i = 0; i < active; i++) predicted += weights[index[i]]
      const by = (predicted - cost) * (1 - Math.exp(-rate / probability)) / active
      for (let i = 0; i < active; i++) weights[index[i]] -= by
    },
  }
}

/** What a linear layer gives for one row. */
function apply({ outputs, inputs, weight, bias }, x, out) {
  for (let o = 0; o < outputs; o++) {
    let sum = bias[o]
    for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * x[i]
    out[o] = sum
  }
}
const relu = (x) => { for (let i = 0; i < x.length; i++) x[i] = Math.max(x[i], 0) }

export function din({ d, hidden, table, history, candidates, attention, mlp }) {
  const out = new Float32Array(candidates.length)
  const x = new Float32Array(4 * d)
  const inner = new Float32Array(hidden)
  const weight = new Float32Array(1)
  const joined = new Float32Array(3 * d)
  const [first, second, last] = mlp.map(({ outputs }) => new Float32Array(outputs))
  return () => {
    candidates.forEach((candidate, at) => {
      const c = table.singles.subarray(candidate * d, (candidate + 1) * d)
      joined.fill(0)
      for (const row of history) {
        const h = table.singles.subarray(row * d, (row + 1) * d)
        for (let i = 0; i < d; i++) {
          x[i] = h[i]
          x[d + i] = c[i]
          x[2 * d + i] = h[i] - c[i]
          x[3 * d + i] = h[i] * c[i]
        }
        apply(attention[0], x, inner)
        relu(inner)
        apply(attention[1], inner, weight)
        for (let i = 0; i < d; i++) joined[i] += weight[0] * h[i]
      }
      for (let i = 0; i < d; i++) {
        joined[d + i] = c[i]
        joined[2 * d + i] = joined[i] * c[i]
      }
      apply(mlp[0], joined, first)
      relu(first)
      apply(mlp[1], first, second)
      relu(second)
      apply(mlp[2], second, last)
      out[at] = last[0]
    })
    return out
  }
}

function normed(x, { weight, bias }, epsilon, out) {
  let mean = 0
  let variance = 0
  for (let i = 0; i < x.length; i++) mean += x[i] / x.length
  for (let i = 0; i < x.length; i++) variance += (x[i] - mean) ** 2 / x.length
  for (let i = 0; i < x.length; i++) out[i] = (x[i] - mean) / Math.sqrt(variance + epsilon) * weight[i] + bias[i]
}

export function sasrec({ items, d, heads, most, epsilon, table, history, position, layers, norm }) {
  const width = d / heads
  const rows = history.length
  const matrix = (columns) => Array.from({ length: rows }, () => new Float32Array(columns))
  const [x, y, all, mixed, fed] = [matrix(d), matrix(d), matrix(3 * d), matrix(d), matrix(d)]
  const scores = new Float32Array(items)
  const powers = new Float32Array(rows)
  return () => {
    for (let age = 0; age < rows; age++) {
      for (let i = 0; i < d; i++) x[rows - 1 - age][i] = table.singles[history[age] * d + i] + position[age * d + i]
    }
    for (const { norm1, project, out, norm2, linear1, linear2 } of layers) {
      for (let at = 0; at < rows; at++) {
        normed(x[at], norm1, epsilon, y[at])
        apply(project, y[at], all[at])
      }
      for (let at = 0; at < rows; at++) {
        for (let head = 0; head < heads; head++) {
          let total = 0
          for (let other = 0; other <= at; other++) {
            let logit = 0
            for (let i = head * width; i < (head + 1) * width; i++) logit += all[at][i] * all[other][d + i]
            powers[other] = Math.exp(logit / Math.sqrt(width))
            total += powers[other]
          }
          for (let i = head * width; i < (head + 1) * width; i++) {
            let sum = 0
            for (let other = 0; other <= at; other++) sum += powers[other] * all[other][2 * d + i]
            mixed[at][i] = sum / total
          }
        }
      }
      for (let at = 0; at < rows; at++) {
        apply(out, mixed[at], y[at])
        for (let i = 0; i < d; i++) x[at][i] += y[at][i]
        normed(x[at], norm2, epsilon, y[at])
        apply(linear1, y[at], fed[at])
        relu(fed[at])
        apply(linear2, fed[at], y[at])
        for (let i = 0; i < d; i++) x[at][i] += y[at][i]
      }
    }
    normed(x[rows - 1], norm, epsilon, y[0])
    for (let item = 0; item < items; item++) {
      let sum = 0
      for (let i = 0; i < d; i++) sum += y[0][i] * table.singles[item * d + i]
      scores[item] = sum
    }
    const index = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a]).slice(0, most)
    return { index: Int32Array.from(index), score: Float32Array.from(index, (item) => scores[item]) }
  }
}
