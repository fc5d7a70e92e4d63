// Cold start in headless Chromium: from the opening of an empty page to the first score of the DIN workload, each library in a page and a browser
// context of its own, so that nothing is compiled or cached before.
import { server } from './chromium.mjs'
import { launchChromium } from '../../host/drive.mjs'

const shared = `
import { din } from './data.mjs'
const bytes = async (name) => new Uint8Array(await (await fetch('/' + name)).arrayBuffer())
// What only a benchmark does, such as the making of the numbers, is not counted.
let idle = 0
const aside = (work) => {
  const began = performance.now()
  const made = work()
  idle += performance.now() - began
  return made
}
const stages = []
const mark = (name) => stages.push([name, performance.now() - idle])
const done = (memory) => { mark('first score'); window.outcome = { stages, memory } }
const workload = aside(din)
mark('page opened')
`

const SCRIPTS = {
  // The log and the bundle are made in the page, as there is no phone to read them from.
  'zhiji, with a log of 4,096 events folded': `${shared}
import * as zhiji from './zhiji.mjs'
import { phone } from './figures.mjs'
const file = aside(() => zhiji.dinBundle(workload))
const wasm = await bytes('module/simd.wasm')
mark('module fetched')
const engine = await zhiji.open(wasm)
mark('module compiled')
const of = aside(() => phone(engine, 4096))
if (engine.exports.start(of) !== 4096) throw new Error('the log does not hold what was recorded')
mark('log read and folded')
const call = zhiji.din(engine, workload, file)
mark('bundle loaded, probed and asked once')
call()
done(engine.exports.memory.buffer.byteLength)
`,
  'onnxruntime-web': `${shared}
import * as ort from 'onnxruntime-web/wasm'
import * as onnx from './onnx.mjs'
const call = await onnx.din(await onnx.open(ort, '/onnx/'), workload)
await call()
done()
`,
  'tensorflow.js': `${shared}
import * as tf from '@tensorflow/tfjs-core'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import * as tensorflow from './tensorflow.mjs'
tensorflow.din(await tensorflow.open(tf, wasm, '/tensorflow/'), workload)()
done()
`,
  'c, without log and model format': `${shared}
import * as c from './c.mjs'
const made = await c.open(await bytes('kernels/simd.wasm'))
c.din(made, workload)()
done()
`,
}

const median = (of) => of.sort((a, b) => a - b)[of.length >> 1]

/** Rows `{ figure, build, value, unit, at_most }`. */
export async function measure({ file, log }) {
  const rows = []
  const browser = await launchChromium()
  try {
    const contenders = []
    for (const [name, script] of Object.entries(SCRIPTS)) {
      if (name.startsWith('c,') && !file('kernels/simd.wasm')) continue
      contenders.push({ name, trials: [], ...await server(script, file) })
    }
    // In turns, so that what else the machine does hits all of them alike.
    for (let trial = 0; trial < 15; trial++) {
      for (const { name, address, trials } of contenders) {
        const context = await browser.newContext()
        const page = await context.newPage()
        let problem
        page.on('pageerror', (error) => { problem = error })
        await page.goto(address)
        const outcome = await page.waitForFunction(() => window.outcome, undefined, { timeout: 30000 }).catch(() => { throw problem || new Error(`${name} does not start`) })
        trials.push(await outcome.jsonValue())
        await context.close()
      }
    }
    for (const { name, trials, close } of contenders) {
      close()
      const own = name.startsWith('zhiji')
      const at = trials[0].stages.map(([stage], n) => [stage, median(trials.map(({ stages }) => stages[n][1]))])
      const total = at[at.length - 1][1]
      const add = (figure, value, unit, budget) => rows.push({ figure, build: 'simd', value, unit, ...budget })
      add(`start to the first DIN score: ${name}`, total, 'ms', own ? { at_most: 60 } : {})
      if (own) {
        at.forEach(([stage, ms]) => add(`until: ${stage}`, ms, 'ms', {}))
        add('wasm memory with that log and that model', trials[0].memory / 1048576, 'MiB', { at_most: 4 })
      }
      log(`${name}: ${at.map(([stage, ms]) => `${ms.toFixed(0)} ms ${stage}`).join(', ')}`)
    }
    return { version: `Chromium ${browser.version()}, headless`, rows }
  } finally {
    await browser.close()
  }
}
