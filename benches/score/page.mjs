// What a page waits for: `rank` of 200 candidates through the package's own interface, with the modules as they are shipped. In Node, on the phone of
// the package's tests.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import { Phone } from '../../tests/js/harness/phone.mjs'
import { goods, openAgreed } from '../../tests/js/harness/shop.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const [CANDIDATES, SLOTS, EVENTS] = [200, 20, 4096]

const quantile = (of, q) => of.sort((a, b) => a - b)[Math.floor(q * of.length)]

/** Rows `{ figure, build, value, unit, at_most }`. */
export async function measure({ rounds, log }) {
  const rows = []
  const add = (figure, build, value, unit, budget) => {
    rows.push({ figure, build, value, unit, ...budget })
    log(`${figure}, ${build}: ${value.toPrecision(3)} ${unit}`)
  }
  for (const [wasm, build] of [['wrapped', 'simd'], ['simd-refuse', 'mvp']]) {
    const process = new Phone().start({ wasm })
    const times = { engine: [], page: [], begun: 0 }
    process.onEngine = (Engine) => {
      const { rank } = Engine.prototype
      Engine.prototype.rank = function timed(...given) {
        const began = performance.now()
        const answer = rank.apply(this, given)
        times.begun = performance.now() - began
        return answer
      }
    }
    const zhiji = await openAgreed(process)
    const items = process.own(goods(0, CANDIDATES))
    zhiji.items.upsert(items)
    for (let n = 0; n < EVENTS; n++) {
      zhiji.track(n % 12 === 11 ? 'open' : 'impression', `sku${n * 7 % CANDIDATES}`, n % 12 === 11 ? undefined : process.own({ surface: 'home' }))
      if (n % 64 === 63) await process.advance(60000)
    }
    await process.advance(3600000)
    const options = process.own({ surface: 'home', slots: SLOTS })
    for (let round = 0; round < rounds + 20; round++) {
      const began = performance.now()
      const slate = zhiji.rank(items, options)
      const took = performance.now() - began
      if (!slate.personalised || slate.items.length !== SLOTS || slate.degraded) throw new Error(`a page was not ranked: ${slate.degraded}`)
      if (zhiji.diagnostics().build !== build) throw new Error(`another build answered: ${zhiji.diagnostics().build}`)
      if (round < 20) continue
      times.page.push(took)
      times.engine.push(times.begun)
    }
    const [page, engine] = [quantile(times.page, 0.5), quantile(times.engine, 0.5)]
    add('rank of 200 by the page, starter ranker (wide): all of it', build, page, 'ms', { at_most: 1 })
    add('of which the engine: features, model, rerank', build, engine, 'ms', {})
    add('of which the package: checks, ids, slate', build, page - engine, 'ms', {})
    add('95 of 100 below', build, quantile(times.page, 0.95), 'ms', {})
  }
  const brotli = (file) => zlib.brotliCompressSync(fs.readFileSync(path.join(root, file)), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } }).length
  const loader = brotli('pkg/miniprogram_dist/index.js')
  for (const build of ['simd', 'mvp']) {
    add('engine and loader, brotli', build, (brotli(`target/mini/${build}/zhiji_bg.wasm`) + loader) / 1000, 'kB', { at_most: 120 })
  }
  const folder = path.join(root, 'pkg/miniprogram_dist')
  const raw = fs.readdirSync(folder, { recursive: true }).map((name) => fs.statSync(path.join(folder, name))).filter((entry) => entry.isFile())
  add('miniprogram_dist, all builds summed, raw', 'all', raw.reduce((sum, { size }) => sum + size, 0) / 1000, 'kB', { at_most: 800 })
  return rows
}
