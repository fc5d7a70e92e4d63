// Which contenders meet in which workload. Runs in Node and in browsers.
import * as c from './c.mjs'
import * as data from './data.mjs'
import { race, verify } from './harness.mjs'
import * as plain from './plain.mjs'
import * as reference from './reference.mjs'
import * as tuned from './tuned.mjs'
import * as zhiji from './zhiji.mjs'

/** Single precision over some hundred terms. */
const TOLERANCE = 1e-4

/** Each request in turn. */
function cycled(call, requests) {
  let at = 0
  return () => {
    const request = requests[at]
    at = at + 1 === requests.length ? 0 : at + 1
    return call(request)
  }
}

/** A workload whose call is one function without arguments. */
const scores = (name, workload, answer) => ({
  name, workload,
  contender(make) {
    const call = make(workload)
    return { call, answer: call }
  },
  reference: answer,
})

const WORKLOADS = [
  scores('linear', data.linear(), reference.linear),
  scores('fm', data.fm(), reference.fm),
  {
    name: 'cb predict', key: 'cbPredict', workload: data.cb(),
    contender(make) {
      const { requests } = this.workload
      const call = make(this.workload)
      return { call: cycled(call, requests), answer: () => Float64Array.from(requests.flatMap((request) => Array.from(call(request)))) }
    },
    reference: reference.cbPredict,
  },
  {
    name: 'cb learn', key: 'cbLearn', workload: data.cb(),
    contender(make) {
      const { log } = this.workload
      const { learn, weights } = make(this.workload)
      const call = cycled((event) => learn(event.index, event.cost, event.probability), log)
      return { call, answer() { for (let i = 0; i < 2 * log.length; i++) call(); return weights } }
    },
    reference: (workload) => reference.cbLearn(workload, 2),
  },
]

/**
 * Measures the workloads.
 *
 * @param {object} given
 * @param {(name: string) => Promise<Uint8Array | null>} given.read a file of the engine's modules (`module/simd.wasm`) or of the kernels; null where there is none
 * @param {string} [given.only] only workloads with this text in their names
 * @param {number} given.rounds
 * @param {number} given.roundMs
 * @param {(text: string) => void} given.log
 */
export async function measure({ read, only, rounds, roundMs, log }) {
  const libraries = []
  for (const build of ['simd', 'mvp']) {
    const engine = await zhiji.open(await read(`module/${build}.wasm`))
    libraries.push({ name: 'zhiji', build, make: (key) => zhiji[key] && ((workload) => zhiji[key](engine, workload)) })
  }
  for (const build of ['simd', 'mvp']) {
    const bytes = await read(`kernels/${build}.wasm`)
    if (!bytes) continue
    const instance = await c.open(bytes)
    libraries.push({ name: 'c', build, make: (key) => c[key] && ((workload) => c[key](instance, workload)) })
  }
  libraries.push({ name: 'javascript tuned', build: 'js', peer: true, make: (key) => tuned[key] })
  libraries.push({ name: 'javascript plain', build: 'js', peer: true, make: (key) => plain[key] })

  const rows = []
  for (const workload of WORKLOADS.filter(({ name }) => !only || name.includes(only))) {
    const expected = workload.reference(workload.workload)
    const contenders = []
    for (const { name, build, peer, make } of libraries) {
      const made = make(workload.key || workload.name)
      if (!made) continue
      const contender = { name, build, peer, ...workload.contender(made) }
      contender.error = verify(`${name} (${build}), ${workload.name}`, await contender.answer(), expected, TOLERANCE)
      contenders.push(contender)
    }
    const times = await race(contenders, { rounds, roundMs })
    const best = Math.min(...times.filter((row) => row.peer).map((row) => row.median_us))
    times.forEach((row, at) => rows.push({
      workload: workload.name, contender: row.name, build: row.build, median_us: row.median_us, p95_us: row.p95_us,
      ratio_to_best_peer: row.median_us / best, largest_error: contenders[at].error,
    }))
    log(`${workload.name}: ${times.map((row) => `${row.name} ${row.build} ${row.median_us.toPrecision(3)} µs (${(row.median_us / best).toFixed(2)})`).join(', ')}`)
  }
  return rows
}
