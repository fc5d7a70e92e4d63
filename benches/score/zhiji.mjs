// The engine: a bundle is loaded before the clock starts; a call copies its arguments into the module's memory and the result out of it.
import * as bundles from './bundle.mjs'
import * as reference from './reference.mjs'

/** An instance of one of the modules that `cargo xtask bench` makes. */
export async function open(bytes) {
  const module = await WebAssembly.compile(bytes)
  const imports = {}
  // The boundary to JavaScript is linked in, and never called from here.
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] = imports[from] || {}
    imports[from][name] = () => { throw new Error(`${name} was called`) }
  }
  const { exports } = await WebAssembly.instantiate(module, imports)
  return new Engine(exports)
}

class Engine {
  constructor(exports) {
    this.exports = exports
  }

  /** Room for numbers of the module; all of it is taken before any view is made, as memory that grows leaves views behind. */
  room(bytes) {
    return this.exports.room(bytes)
  }

  load(bytes) {
    const at = this.room(bytes.length)
    new Uint8Array(this.exports.memory.buffer, at, bytes.length).set(bytes)
    const model = this.exports.load(at, bytes.length)
    if (!model) throw new Error('the engine refuses the bundle')
    return model
  }

  view(Type, at, length) {
    return new Type(this.exports.memory.buffer, at, length)
  }
}

export function linear(engine, { rows, columns, x, ...model }) {
  const { exports } = engine
  const of = engine.load(bundles.linear({ columns, ...model }))
  const [from, to] = [engine.room(x.byteLength), engine.room(4 * rows)]
  exports.dense(of, from, rows, columns, to)
  const [input, answer, out] = [engine.view(Float32Array, from, x.length), engine.view(Float32Array, to, rows), new Float32Array(rows)]
  return () => {
    input.set(x)
    exports.dense(of, from, rows, columns, to)
    out.set(answer)
    return out
  }
}

export function fm(engine, { rows, active, index, value, ...model }) {
  const { exports } = engine
  const of = engine.load(bundles.fm(model))
  const [features, values, to] = [engine.room(index.byteLength), engine.room(value.byteLength), engine.room(4 * rows)]
  const [input, weights] = [engine.view(Int32Array, features, index.length), engine.view(Float32Array, values, value.length)]
  const [answer, out] = [engine.view(Float32Array, to, rows), new Float32Array(rows)]
  return () => {
    input.set(index)
    weights.set(value)
    exports.sparse(of, features, values, rows, active, to)
    out.set(answer)
    return out
  }
}

function bandit(engine, { weight, rate, epsilon }) {
  const at = engine.room(weight.byteLength)
  engine.view(Float32Array, at, weight.length).set(weight)
  return engine.exports.bandit(at, weight.length, rate, epsilon)
}

export function cbPredict(engine, workload) {
  const { exports } = engine
  const { actions, active } = workload
  const of = bandit(engine, workload)
  const [from, to] = [engine.room(4 * actions * active), engine.room(8 * actions)]
  exports.predict(of, from, actions, active, to)
  const input = engine.view(Int32Array, from, actions * active)
  const [answer, out] = [engine.view(Float64Array, to, actions), new Float64Array(actions)]
  return (index) => {
    input.set(index)
    exports.predict(of, from, actions, active, to)
    out.set(answer)
    return out
  }
}

export function cbLearn(engine, workload) {
  const { exports } = engine
  const { active } = workload
  const of = bandit(engine, workload)
  const from = engine.room(4 * active)
  const input = engine.view(Int32Array, from, active)
  return {
    weights: engine.view(Float32Array, exports.weights(of), workload.size),
    learn(index, cost, probability) {
      // So few numbers are faster copied by hand.
      for (let i = 0; i < active; i += 4) {
        input[i] = index[i]
        input[i + 1] = index[i + 1]
        input[i + 2] = index[i + 2]
        input[i + 3] = index[i + 3]
      }
      exports.learn(of, from, active, cost, probability)
    },
  }
}

/** The bundle of the workload; its probe is the first candidate. */
export const dinBundle = (workload) => bundles.din(workload, reference.din({ ...workload, candidates: workload.candidates.subarray(0, 1) }))

function dinBy(engine, workload, keep, bundle = dinBundle(workload)) {
  const { exports } = engine
  const { items, history, candidates } = workload
  const of = engine.load(bundle)
  if (keep) exports.keep(of, items)
  const [recent, ids, to] = [engine.room(history.byteLength), engine.room(candidates.byteLength), engine.room(4 * candidates.length)]
  exports.attend(of, recent, history.length, ids, candidates.length, to)
  const [first, second] = [engine.view(Int32Array, recent, history.length), engine.view(Int32Array, ids, candidates.length)]
  const [answer, out] = [engine.view(Float32Array, to, candidates.length), new Float32Array(candidates.length)]
  return () => {
    first.set(history)
    second.set(candidates)
    exports.attend(of, recent, history.length, ids, candidates.length, to)
    out.set(answer)
    return out
  }
}

/** Everything in the call. */
export const din = (engine, workload, bundle) => dinBy(engine, workload, false, bundle)
/** What depends on the items alone is worked out once per bundle, as the engine does it. */
export const dinKept = (engine, workload) => dinBy(engine, workload, true)

function encoder(engine, workload) {
  const scores = reference.sasrecScores(workload)
  const top = scores.reduce((best, score, item) => (score > scores[best] ? item : best), 0)
  return engine.load(bundles.sasrec(workload, [top, scores[top]]))
}

/** The scores of so many candidates, by what is kept of the items. */
export function sequence(engine, workload, candidates) {
  const { exports } = engine
  const { history, items } = workload
  const of = encoder(engine, workload)
  exports.keep(of, items)
  const [recent, ids, to] = [engine.room(history.byteLength), engine.room(4 * candidates), engine.room(4 * candidates)]
  engine.view(Int32Array, ids, candidates).set(Int32Array.from({ length: candidates }, (_, item) => item))
  exports.attend(of, recent, history.length, ids, candidates, to)
  const [input, answer, out] = [engine.view(Int32Array, recent, history.length), engine.view(Float32Array, to, candidates), new Float32Array(candidates)]
  return () => {
    input.set(history)
    exports.attend(of, recent, history.length, ids, candidates, to)
    out.set(answer)
    return out
  }
}

export function sasrec(engine, workload) {
  const { exports } = engine
  const { history, most } = workload
  const of = encoder(engine, workload)
  const [recent, index, values] = [engine.room(history.byteLength), engine.room(4 * most), engine.room(4 * most)]
  exports.retrieve(of, recent, history.length, most, index, values)
  const input = engine.view(Int32Array, recent, history.length)
  const [best, bestScores] = [engine.view(Int32Array, index, most), engine.view(Float32Array, values, most)]
  const out = { index: new Int32Array(most), score: new Float32Array(most) }
  return () => {
    input.set(history)
    exports.retrieve(of, recent, history.length, most, index, values)
    out.index.set(best)
    out.score.set(bestScores)
    return out
  }
}
