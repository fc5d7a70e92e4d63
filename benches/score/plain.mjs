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
