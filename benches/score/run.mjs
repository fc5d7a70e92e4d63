// Measures the workloads in Node or in headless Chromium:
//
//   node benches/score/run.mjs --section score|fold|page|start|growth --environment node|chromium --module DIR [--kernels DIR] [--record DIR] [--rounds N] [--only TEXT]

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { inChromium } from './chromium.mjs'
import { record } from './record.mjs'

const { values: given } = parseArgs({
  options: {
    section: { type: 'string', default: 'score' }, environment: { type: 'string' }, module: { type: 'string' }, kernels: { type: 'string' }, record: { type: 'string' },
    rounds: { type: 'string', default: '400' }, only: { type: 'string' },
  },
})

const modules = path.join(path.dirname(fileURLToPath(import.meta.url)), '../node_modules')
const folders = {
  module: given.module, kernels: given.kernels,
  onnx: path.join(modules, 'onnxruntime-web/dist'), tensorflow: path.join(modules, '@tensorflow/tfjs-backend-wasm/dist'),
}
/** The file of a name such as `module/simd.wasm`, or none. */
function file(name) {
  const [folder, ...rest] = name.split('/')
  const found = folders[folder] && path.join(folders[folder], ...rest)
  return found && fs.existsSync(found) ? found : null
}

/** A round is shorter than a turn of the scheduler, so that most rounds of a busy machine are undisturbed. */
const settings = { section: given.section, rounds: Number(given.rounds), roundMs: 0.3, only: given.only }

/** What measures each section. */
const SCRIPTS = { score: './workloads.mjs', fold: './figures.mjs', page: './page.mjs', start: './start.mjs', growth: './growth.mjs' }

let outcome
if (given.section === 'start') {
  outcome = await (await import(SCRIPTS.start)).measure({ file, log: console.log })
} else if (given.environment === 'node') {
  const { measure } = await import(SCRIPTS[given.section])
  const read = async (name) => (file(name) ? new Uint8Array(fs.readFileSync(file(name))) : null)
  const peers = {
    onnx: async () => [await import('onnxruntime-web')],
    tensorflow: async () => [
      (await import('@tensorflow/tfjs-core')).default, (await import('@tensorflow/tfjs-backend-wasm')).default, `${folders.tensorflow}/`,
    ],
  }
  outcome = { version: `Node ${process.version}`, rows: await measure({ ...settings, read, peers, log: console.log }) }
} else {
  outcome = await inChromium(settings, file)
}
if (given.record) record(given.record, given.section, given.environment, outcome)
