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

/** As many calls as fill a round: by the fastest of some, once the compilers have settled, as a disturbed one would make rounds too short. */
async function calibrated(contender, roundMs) {
  let calls = 1
  for (let us = 0; us * calls < roundMs * 1000; ) {
    us = await timed(contender, calls)
    if (us * calls < roundMs * 1000) calls *= 2
  }
  let fastest = Infinity
  for (let turn = 0; turn < 20; turn++) fastest = Math.min(fastest, await timed(contender, calls))
  return Math.max(1, Math.round(roundMs * 1000 / fastest))
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]

/**
 * Times contenders in turns, so that what else the machine does hits all of them alike.
 *
 * @param {Contender[]} contenders
 * @returns {Promise<{name: string, build: string, median_us: number, p95_us: number, peer: boolean}[]>}
 */
export async function race(contenders, { rounds, roundMs }) {
  const calls = []
  for (const contender of contenders) calls.push(await calibrated(contender, roundMs))
  const times = contenders.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const at = (turn + round) % contenders.length
      // The caches hold what the contender before has read.
      await timed(contenders[at], Math.ceil(calls[at] / 2))
      times[at].push(await timed(contenders[at], calls[at]))
    }
  }
  return contenders.map((contender, at) => {
    const sorted = times[at].sort((a, b) => a - b)
    return { name: contender.name, build: contender.build, peer: !!contender.peer, median_us: quantile(sorted, 0.5), p95_us: quantile(sorted, 0.95) }
  })
}
