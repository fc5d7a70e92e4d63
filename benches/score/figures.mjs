// What the engine costs by itself: the fold, the personal head, a recorded event, a ranking, and how costs grow. No other library does the same.
import { race } from './harness.mjs'
import * as zhiji from './zhiji.mjs'

/** The schema of a shop that keeps so many events. */
const schema = (events) => JSON.stringify({
  space: 'bench',
  fields: { category: { kind: 'category' }, tags: { kind: 'tags' }, creator: { kind: 'category' }, price: { kind: 'number', scale: 'log' } },
  actions: { impression: { role: 'impression' }, open: { weight: 1 }, cart: { weight: 3 } },
  labels: { click: { positive: ['open', 'cart'], windowMinutes: 30 } },
  surfaces: ['home'], retention: { events, days: 3650 },
  policy: { windows: [{ field: 'creator', most: 2, within: 4 }], fatigue: { after: 3, penalty: 0.5 } },
})

/** A phone with so many events in its log. */
export function phone(engine, events) {
  const text = new TextEncoder().encode(schema(Math.max(events, 4096)))
  const at = engine.room(text.length)
  engine.view(Uint8Array, at, text.length).set(text)
  const made = engine.exports.phone(at, text.length, events)
  if (!made) throw new Error('the engine refuses the phone')
  return made
}

/** One slice after the other until the head is up to date; gives the milliseconds of each. */
function slices(exports, of, events) {
  const times = []
  for (let done = 0; !done;) {
    const began = performance.now()
    done = exports.adapt(of, events)
    times.push(performance.now() - began)
  }
  return times
}

const EVENTS = 4096
const median = (of) => of.sort((a, b) => a - b)[of.length >> 1]

/** Rows `{ figure, build, value, unit, at_most | at_least }`. */
export async function measure({ read, rounds, roundMs, log }) {
  const rows = []
  const add = (figure, build, value, unit, budget) => {
    rows.push({ figure, build, value, unit, ...budget })
    log(`${figure}, ${build}: ${value.toPrecision(3)} ${unit}`)
  }
  for (const build of ['simd', 'mvp']) {
    const engine = await zhiji.open(await read(`module/${build}.wasm`))
    const { exports } = engine
    const of = phone(engine, EVENTS)
    if (exports.read(of) !== EVENTS) throw new Error('the log does not hold what was recorded')
    if (!exports.observe(of)) throw new Error('no label matured')
    const time = async (name, call) => (await race([{ name, build, call }], { rounds: Math.min(rounds, 100), roundMs }))[0].median_us
    const fold = await time('observe', () => exports.observe(of))
    add('observe: events a second', build, EVENTS / fold * 1e6, '1/s', build === 'simd' ? { at_least: 1e6 } : {})
    add('observe: 4,096 events', build, fold / 1000, 'ms', { at_most: 5 })
    const start = await time('start', () => exports.start(of))
    add('start: 4,096 events read from files and folded', build, start / 1000, 'ms', {})
    const whole = []
    for (let trial = 0; trial < 20; trial++) {
      exports.start(of)
      whole.push(slices(exports, of, 1 << 30)[0])
    }
    add('adapt: the whole log in one piece', build, median(whole), 'ms', {})
    exports.start(of)
    add('adapt: longest of the slices of 256 events', build, Math.max(...slices(exports, of, 256)), 'ms', { at_most: 8 })
    const fresh = phone(engine, 0)
    const tracked = await time('track', () => { if (!exports.track(fresh)) throw new Error('an event was refused') })
    add('track: one event', build, tracked, 'µs', { at_most: 20 })
  }
  return rows
}
