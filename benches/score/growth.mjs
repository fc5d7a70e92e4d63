// How costs grow: over three decades of candidates, events in the log and items of the catalogue, and with the recent items that a model reads,
// of which a bundle has 50 at most.
import * as data from './data.mjs'
import { phone } from './figures.mjs'
import { race } from './harness.mjs'
import * as zhiji from './zhiji.mjs'

/** Candidates of a request, where the history is what grows. */
const CANDIDATES = 200

/** Rows `{ what, size, median_us }`, of the SIMD build. */
export async function measure({ read, rounds, roundMs, log }) {
  const bytes = await read('module/simd.wasm')
  const rows = []
  const add = async (what, size, call) => {
    const [{ median_us: us }] = await race([{ name: what, build: 'simd', call }], { rounds: Math.min(rounds, 60), roundMs })
    rows.push({ what, size, median_us: us })
    log(`${what}, ${size}: ${us.toPrecision(3)} µs`)
  }
  const linear = data.linear()
  const fm = data.fm()
  for (const size of [10, 30, 100, 300, 1000, 3000, 10000]) {
    const engine = await zhiji.open(bytes)
    const x = Float32Array.from({ length: size * linear.columns }, (_, i) => linear.x[i % linear.x.length])
    await add('candidates: linear', size, zhiji.linear(engine, { ...linear, rows: size, x }))
    const [index, value] = [fm.index, fm.value].map((of) => of.constructor.from({ length: size * fm.active }, (_, i) => of[i % of.length]))
    await add('candidates: fm', size, zhiji.fm(await zhiji.open(bytes), { ...fm, rows: size, index, value }))
  }
  for (const size of [64, 256, 1024, 4096, 16384, 65536]) {
    const engine = await zhiji.open(bytes)
    const of = phone(engine, size)
    if (engine.exports.read(of) !== size) throw new Error('the log does not hold what was recorded')
    await add('events: fold of the log', size, () => engine.exports.observe(of))
  }
  for (const size of [100, 300, 1000, 3000, 10000, 30000, 100000]) {
    const { exports } = await zhiji.open(bytes)
    const of = exports.catalogue(size, 64, 100)
    if (exports.scan(of) !== 100) throw new Error('the best are missing')
    await add('items: catalogue, best 100', size, () => exports.scan(of))
  }
  const [din, sasrec] = [data.din(), data.sasrec()]
  for (const size of [1, 2, 5, 10, 20, 50]) {
    await add('history: attention', size, zhiji.dinKept(await zhiji.open(bytes), { ...din, history: din.history.subarray(0, size) }))
    // The newest item has the first position.
    const short = { ...sasrec, history: sasrec.history.subarray(0, size), position: sasrec.position.subarray(0, size * sasrec.d) }
    await add('history: sequence', size, zhiji.sequence(await zhiji.open(bytes), short, CANDIDATES))
  }
  return rows
}
