// Verifies contenders and times them in interleaved rounds.

/**
 * One contender of one workload.
 *
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} build what it runs as: `simd`, `mvp`, `js`, `wasm simd`
 * @property {() => unknown} call the timed call: from typed arrays on the JavaScript heap to a result there
 * @property {() => ArrayLike<number> | Promise<ArrayLike<number>>} [answer] what is compared with the reference; the result of `call` where left out
 * @property {boolean} [asynchronous] whether `call` gives a promise
 * @property {boolean} [peer] whether Zhiji is compared with it
 */

const now = () => performance.now()

/** Fails where an answer is further from the reference than `tolerance · (1 + |reference|)`. Gives the largest such distance. */
export function verify(name, answer, reference, tolerance) {
  if (answer.length !== reference.length) throw new Error(`${name}: ${answer.length} numbers, not ${reference.length}`)
  let worst = 0
  for (let i = 0; i < reference.length; i++) {
    const error = Math.abs(answer[i] - reference[i]) / (1 + Math.abs(reference[i]))
    if (!(error <= tolerance)) throw new Error(`${name} is wrong: number ${i} is ${answer[i]}, not ${reference[i]}`)
    worst = Math.max(worst, error)
  }
  return worst
}

/** Microseconds a call, over so many calls. */
async function timed(contender, calls) {
  const { call } = contender
  const start = now()
  if (contender.asynchronous) for (let i = 0; i < calls; i++) await call()
  else for (let i = 0; i < calls; i++) call()
  return (now() - start) * 1000 / calls
}

/** The longest that a contender is timed, all rounds together. */
const MOST_MS = 1500

/**
 * As many calls as fill a round, and every how many rounds one of them is run. By the fastest of some trials, once the compilers have
 * settled, as a disturbed trial would make rounds too short; and a round that clocks cannot tell from nothing is doubled.
 */
async function calibrated(contender, { rounds, roundMs }) {
  let calls = 1
  let us = 0
  for (let settled = 0; ;) {
    us = await timed(contender, calls)
    const trials = Math.min(settled ? 12 : 3, Math.ceil(200000 / (us * calls + 1)))
    for (let trial = 1; trial < trials; trial++) us = Math.min(us, await timed(contender, calls))
    if (us * calls < roundMs * 500) calls *= 2
    else if (settled++) break
  }
  calls = Math.max(1, Math.round(roundMs * 1000 / us))
  return { calls, every: Math.max(1, Math.ceil(rounds * calls * us / 1000 / MOST_MS)) }
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]

/**
 * Times contenders in turns, so that what else the machine does hits all of them alike.
 *
 * @param {Contender[]} contenders
 * @returns {Promise<{name: string, build: string, median_us: number, p95_us: number, peer: boolean}[]>}
 */
export async function race(contenders, { rounds, roundMs }) {
  const plans = []
  for (const contender of contenders) plans.push(await calibrated(contender, { rounds, roundMs }))
  const times = contenders.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const at = (turn + round) % contenders.length
      const { calls, every } = plans[at]
      if (round % every) continue
      // The caches hold what the contender before has read.
      if (every === 1) await timed(contenders[at], Math.ceil(calls / 2))
      times[at].push(await timed(contenders[at], calls))
    }
  }
  return contenders.map((contender, at) => {
    const sorted = times[at].sort((a, b) => a - b)
    return { name: contender.name, build: contender.build, peer: !!contender.peer, median_us: quantile(sorted, 0.5), p95_us: quantile(sorted, 0.95) }
  })
}
