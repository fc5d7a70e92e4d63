// Cold start in headless Chromium: from the opening of an empty page to the first score of the DIN workload, each library in a page and a browser
// context of its own, so that nothing is compiled or cached before.
import { server } from './chromium.mjs'
import { launchChromium } from '../../host/drive.mjs'

const shared = `
import { din } from './data.mjs'
const bytes = async (name) => new Uint8Array(await (await fetch('/' + name)).arrayBuffer())
const done = (ms, memory) => { window.outcome = { ms, memory } }
`

const SCRIPTS = {
  // The log is made in the page, as there is no phone to read it from, and the making of it is not counted; reading and folding it is.
  'zhiji, with a log of 4,096 events folded': `${shared}
import * as zhiji from './zhiji.mjs'
import { phone } from './figures.mjs'
const engine = await zhiji.open(await bytes('module/simd.wasm'))
const loaded = performance.now()
const of = phone(engine, 4096)
const began = performance.now()
if (engine.exports.start(of) !== 4096) throw new Error('the log does not hold what was recorded')
zhiji.din(engine, din())()
done(loaded + performance.now() - began, engine.exports.memory.buffer.byteLength)
`,
  'onnxruntime-web': `${shared}
import * as ort from 'onnxruntime-web/wasm'
import * as onnx from './onnx.mjs'
const call = await onnx.din(await onnx.open(ort, '/onnx/'), din())
await call()
done(performance.now())
`,
  'tensorflow.js': `${shared}
import * as tf from '@tensorflow/tfjs-core'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import * as tensorflow from './tensorflow.mjs'
tensorflow.din(await tensorflow.open(tf, wasm, '/tensorflow/'), din())()
done(performance.now())
`,
}

const median = (of) => of.sort((a, b) => a - b)[of.length >> 1]

/** Rows `{ figure, build, value, unit, at_most }`. */
export async function measure({ file, log }) {
  const rows = []
  const browser = await launchChromium()
  try {
    for (const [name, script] of Object.entries(SCRIPTS)) {
      const { address, close } = await server(script, file)
      const times = []
      let memory
      for (let trial = 0; trial < 9; trial++) {
        const context = await browser.newContext()
        const page = await context.newPage()
        let problem
        page.on('pageerror', (error) => { problem = error })
        await page.goto(address)
        const outcome = await page.waitForFunction(() => window.outcome, undefined, { timeout: 30000 }).catch(() => { throw problem || new Error(`${name} does not start`) })
        const found = await outcome.jsonValue()
        times.push(found.ms)
        memory = found.memory
        await context.close()
      }
      close()
      const own = name.startsWith('zhiji')
      rows.push({ figure: `start to the first DIN score: ${name}`, build: 'simd', value: median(times), unit: 'ms', ...(own ? { at_most: 60 } : {}) })
      if (own) rows.push({ figure: 'wasm memory with that log and that model', build: 'simd', value: memory / 1048576, unit: 'MiB', at_most: 4 })
      log(`${name}: ${median(times).toFixed(0)} ms${own ? `, ${(memory / 1048576).toFixed(1)} MiB` : ''}`)
    }
    return { version: `Chromium ${browser.version()}, headless`, rows }
  } finally {
    await browser.close()
  }
}
