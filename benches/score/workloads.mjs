// Which contenders meet in which workload. Runs in Node and in browsers.
import * as c from './c.mjs'
import * as data from './data.mjs'
import { race, verify } from './harness.mjs'
import * as onnx from './onnx.mjs'
import * as plain from './plain.mjs'
import * as reference from './reference.mjs'
import * as tensorflow from './tensorflow.mjs'
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

/** The best 100 of a catalogue: what was scored, and what the items that were chosen score in truth. */
const best = (name, workload) => {
  const scores = reference.sasrecScores(workload)
  const top = Array.from(scores).sort((a, b) => b - a).slice(0, workload.most)
  return {
    name, workload,
    contender(call) {
      const answer = async () => {
        const { index, score } = await call()
        return [...score, ...Array.from(index, (item) => scores[Number(item)])]
      }
      return { call, answer }
    },
    reference: () => [...top, ...top],
  }
}

/** A workload whose call is one function without arguments. */
const scores = (name, workload, answer) => ({
  name, workload,
  contender: (call) => ({ call, answer: call }),
  reference: answer,
})

const WORKLOADS = [
  scores('linear', data.linear(), reference.linear),
  scores('fm', data.fm(), reference.fm),
  scores('din', data.din(), reference.din),
  best('sasrec', data.sasrec()),
  {
    name: 'cb predict', key: 'cbPredict', workload: data.cb(),
    contender(call) {
      const { requests } = this.workload
      const answer = async () => {
        const out = []
        for (const request of requests) out.push(...await call(request))
        return out
      }
      return { call: cycled(call, requests), answer }
    },
    reference: reference.cbPredict,
  },
  {
    name: 'cb learn', key: 'cbLearn', workload: data.cb(),
    contender(model) {
      const { log } = this.workload
      const call = cycled((event) => model.learn(event.index, event.cost, event.probability), log)
      return { call, answer() { for (let i = 0; i < 2 * log.length; i++) call(); return model.weights } }
    },
    reference: (workload) => reference.cbLearn(workload, 2),
  },
]

/** What is compared, each with its contenders by the keys of workloads. A library that is not there is left out. */
async function libraries(read, peers, log) {
  const all = []
  const own = (of, ...given) => (key) => of[key] && ((workload) => of[key](...given, workload))
  for (const build of ['simd', 'mvp']) {
    // Each has an instance of its own, as memory that grows leaves the views of another behind.
    const [first, second] = [await zhiji.open(await read(`module/${build}.wasm`)), await zhiji.open(await read(`module/${build}.wasm`))]
    all.push({ name: 'zhiji', build, make: own(zhiji, first) })
    all.push({ name: 'zhiji, items kept', build, make: (key) => own(zhiji, second)(`${key}Kept`) })
  }
  for (const build of ['simd', 'mvp']) {
    const bytes = await read(`kernels/${build}.wasm`)
    if (bytes) all.push({ name: 'c', build, make: own(c, await c.open(bytes)) })
    else log(`no C kernels, ${build}: there was no clang`)
  }
  const session = await onnx.open(...await peers.onnx())
  const exported = own(onnx, session)
  const asynchronous = true
  all.push({ name: 'onnxruntime-web, rewritten', build: 'simd', peer: true, asynchronous, make: (key) => exported(`${key}Rewritten`) })
  all.push({ name: 'onnxruntime-web', build: 'simd', peer: true, asynchronous, make: exported })
  all.push({ name: 'tensorflow.js', build: 'simd', peer: true, make: own(tensorflow, await tensorflow.open(...await peers.tensorflow())) })
  all.push({ name: 'javascript, tuned', build: 'js', peer: true, make: own(tuned) })
  all.push({ name: 'javascript, plain', build: 'js', peer: true, make: own(plain) })
  return all
}

/**
 * Measures the workloads.
 *
 * @param {object} given
 * @param {(name: string) => Promise<Uint8Array | null>} given.read a file of the engine's modules (`module/simd.wasm`) or of the kernels; null where there is none
 * @param {{onnx: () => Promise<unknown[]>, tensorflow: () => Promise<unknown[]>}} given.peers the other libraries, and where their modules lie
 * @param {string} [given.only] only workloads with this text in their names
 * @param {number} given.rounds
 * @param {number} given.roundMs
 * @param {(text: string) => void} given.log
 */
export async function measure({ read, peers, only, rounds, roundMs, log }) {
  const all = await libraries(read, peers, log)
  const rows = []
  for (const workload of WORKLOADS.filter(({ name }) => !only || name.includes(only))) {
    const expected = workload.reference(workload.workload)
    const contenders = []
    for (const { name, build, peer, asynchronous, make } of all) {
      const made = make(workload.key || workload.name)
      if (!made) continue
      const contender = { name, build, peer, asynchronous, ...workload.contender(await made(workload.workload)) }
      contender.error = verify(`${name} (${build}), ${workload.name}`, await contender.answer(), expected, TOLERANCE)
      contenders.push(contender)
    }
    const times = await race(contenders, { rounds, roundMs })
    const best = Math.min(...times.filter((row) => row.peer).map((row) => row.median_us))
    times.forEach((row, at) => rows.push({
      workload: workload.name, contender: row.name, build: row.build, median_us: row.median_us, p95_us: row.p95_us,
      ratio_to_best_peer: row.median_us / best, largest_error: contenders[at].error,
    }))
    log(`${workload.name}:\n${times.map((row) => `  ${(row.median_us / best).toFixed(2)}  ${row.median_us.toPrecision(3)} µs  ${row.name} ${row.build}`).join('\n')}`)
  }
  return rows
}
