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
