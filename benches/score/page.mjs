// What a page waits for: `rank` of 200 candidates through the package's own interface, with the modules as they are shipped. In Node, on the phone of
// the package's tests.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import { Phone } from '../../tests/js/harness/phone.mjs'
import { manifest, publish, root as trusted } from '../../tests/js/harness/publisher.mjs'
import { goods, openAgreed } from '../../tests/js/harness/shop.mjs'
import * as data from './data.mjs'
import { race } from './harness.mjs'
import { SHOP_MODELS } from './shop-models.mjs'
import * as zhiji from './zhiji.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const [CANDIDATES, SLOTS, EVENTS] = [200, 20, 4096]

const quantile = (of, q) => of.sort((a, b) => a - b)[Math.floor(q * of.length)]

/** What is wanted of a ranking: milliseconds, or times of what the kernel takes. */
const BARS = { 'starter ranker': { ms: 1 }, wide: { ms: 1 }, fm: { ms: 1 }, attention: { kernels: 2 }, sequence: { kernels: 2 } }

/** The same model and as many candidates without a page: no features, no ids, no slate. */
async function kernelMs(model, bytes, settings) {
  const engine = await zhiji.open(bytes)
  const make = { attention: () => zhiji.dinKept(engine, data.din()), sequence: () => zhiji.sequence(engine, data.sasrec(), CANDIDATES) }[model]
  if (!make) return null
  return (await race([{ name: model, build: '', call: make() }], settings))[0].median_us / 1000
}

/** Notes how long the calls of one of the engine's functions take. */
function watch(process, name, times) {
  process.onEngine = (Engine) => {
    const call = Engine.prototype[name]
    Engine.prototype[name] = function timed(...given) {
      const began = performance.now()
      const answer = call.apply(this, given)
      times.push(performance.now() - began)
      return answer
    }
  }
}

/** A phone of someone who has looked at goods, under a model of this name. */
async function used(model, wasm, watched, calls) {
  const phone = new Phone()
  const items = goods(0, CANDIDATES)
  const bytes = SHOP_MODELS[model] && SHOP_MODELS[model](items.map(({ id }) => id))
  if (bytes) publish(phone, { version: 1, bytes })
  const process = phone.start({ wasm })
  watch(process, watched, calls)
  const shop = await openAgreed(process, bytes && { manifest, root: trusted })
  await process.advance(5000)
  if (shop.diagnostics().sync.version !== (bytes ? 1 : 0)) throw new Error(`the bundle of ${model} was refused`)
  const candidates = process.own(items)
  shop.items.upsert(candidates)
  for (let n = 0; n < EVENTS; n++) {
    shop.track(n % 12 === 11 ? 'open' : 'impression', `sku${n * 7 % CANDIDATES}`, n % 12 === 11 ? undefined : process.own({ surface: 'home' }))
    if (n % 64 === 63) await process.advance(60000)
  }
  await process.advance(3600000)
  return { phone, process, shop, candidates }
}

/** The times of rankings through the package, and how much of them the engine takes. */
async function rankings(model, wasm, build, rounds) {
  const engine = []
  const { process, shop, candidates } = await used(model, wasm, 'rank', engine)
  const page = []
  const options = process.own({ surface: 'home', slots: SLOTS })
  for (let round = 0; round < rounds + 20; round++) {
    const began = performance.now()
    const slate = shop.rank(candidates, options)
    page.push(performance.now() - began)
    if (!slate.personalised || slate.items.length !== SLOTS || slate.degraded) throw new Error(`a page was not ranked: ${slate.degraded}`)
    if (shop.diagnostics().build !== build) throw new Error(`another build answered: ${shop.diagnostics().build}`)
  }
  return { page: page.slice(20), engine: engine.slice(-rounds) }
}

/** The times of the slices in which the package brings the personal head up to the log at a start, under a model of this name. */
async function adapting(model, wasm) {
  const { phone, process } = await used(model, wasm, 'adapt', [])
  process.kill()
  const next = phone.start({ wasm })
  const slices = []
  watch(next, 'adapt', slices)
  const shop = await openAgreed(next, { manifest, root: trusted })
  await next.advance(60000)
  if (slices.length < 8 || shop.diagnostics().sync.version !== 1) throw new Error('the personal head was not made anew')
  return slices
}

/** Rows `{ figure, build, value, unit, at_most }`. */
export async function measure({ read, rounds, roundMs, only, log }) {
  const rows = []
  const add = (figure, build, value, unit, budget) => {
    rows.push({ figure, build, value, unit, ...budget })
    log(`${figure}, ${build}: ${value.toPrecision(3)} ${unit}`)
  }
  for (const [wasm, build] of [['wrapped', 'simd'], ['simd-refuse', 'mvp']]) {
    for (const model of Object.keys(BARS).filter((name) => !only || name.includes(only))) {
      const { ms, kernels } = BARS[model]
      const kernel = await kernelMs(model, await read(`module/${build}.wasm`), { rounds, roundMs })
      const times = await rankings(model, wasm, build, rounds)
      const [page, engine] = [quantile(times.page, 0.5), quantile(times.engine, 0.5)]
      add(`rank of 200 by the page, ${model}: all of it`, build, page, 'ms', { at_most: ms || kernels * kernel })
      if (kernel) add('of which the model alone', build, kernel, 'ms', {})
      add(`of which the engine: features, ${kernel ? '' : 'model, '}rerank`, build, engine - (kernel || 0), 'ms', {})
      add('of which the package: checks, ids, slate', build, page - engine, 'ms', {})
      add('95 of 100 below', build, quantile(times.page, 0.95), 'ms', {})
    }
  }
  if (!only || 'adapt'.includes(only)) {
    for (const [wasm, build] of [['wrapped', 'simd'], ['simd-refuse', 'mvp']]) {
      const slices = await adapting('ridge', wasm)
      add(`adapt with \`ridge\`: longest of ${slices.length} slices`, build, Math.max(...slices), 'ms', { at_most: 8 })
    }
  }
  const brotli = (file) => zlib.brotliCompressSync(fs.readFileSync(path.join(root, file)), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } }).length
  const loader = brotli('pkg/miniprogram_dist/index.js')
  for (const build of ['simd', 'mvp']) {
    add('engine and loader, brotli', build, (fs.statSync(path.join(root, `pkg/miniprogram_dist/wasm/zhiji_${build}.wasm.br`)).size + loader) / 1000, 'kB', { at_most: 120 })
  }
  const folder = path.join(root, 'pkg/miniprogram_dist')
  const raw = fs.readdirSync(folder, { recursive: true }).map((name) => fs.statSync(path.join(folder, name))).filter((entry) => entry.isFile())
  add('miniprogram_dist, all builds summed, raw', 'all', raw.reduce((sum, { size }) => sum + size, 0) / 1000, 'kB', { at_most: 800 })
  return rows
}
