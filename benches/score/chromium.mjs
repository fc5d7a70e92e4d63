// The measuring inside headless Chromium: a page of a local server, cross-origin isolated, because only there clocks tick every 5 µs.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import esbuild from 'esbuild'
import { launchChromium } from '../../host/drive.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

/** The page's own script: measures, and leaves the outcome in the window. */
const SCRIPT = `
import * as ort from 'onnxruntime-web/wasm'
import * as tf from '@tensorflow/tfjs-core'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import * as fold from './figures.mjs'
import * as growth from './growth.mjs'
import * as score from './workloads.mjs'
const read = async (name) => {
  const answer = await fetch('/' + name)
  return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : null
}
const peers = { onnx: async () => [ort, '/onnx/'], tensorflow: async () => [tf, wasm, '/tensorflow/'] }
window.measure = (settings) => ({ score, fold, growth })[settings.section].measure({ ...settings, read, peers, log: console.log })
`

/** A server of one page with this script. `file` finds the files that the page may ask for. */
export async function server(script, file) {
  const { outputFiles: [{ text }] } = await esbuild.build({
    stdin: { contents: script, resolveDir: here }, bundle: true, write: false, format: 'esm', target: 'es2022', platform: 'browser',
    minify: true, logLevel: 'error',
  })
  const served = http.createServer((request, response) => {
    const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    const send = (type, body) => response.writeHead(200, { ...headers, 'Content-Type': type }).end(body)
    const name = decodeURIComponent(request.url.slice(1))
    if (name === '') return send('text/html', '<!doctype html><meta charset="utf-8"><script type="module" src="/script.js"></script>')
    if (name === 'favicon.ico') return response.writeHead(204, headers).end()
    if (name === 'script.js') return send('text/javascript', text)
    const found = file(name)
    if (!found) return response.writeHead(404, headers).end()
    send(found.endsWith('.wasm') ? 'application/wasm' : 'text/javascript', fs.readFileSync(found))
  })
  await new Promise((resolve) => served.listen(0, '127.0.0.1', resolve))
  return { address: `http://127.0.0.1:${served.address().port}/`, close: () => served.close() }
}

/** Measures there. */
export async function inChromium(settings, file) {
  const { address, close } = await server(SCRIPT, file)
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    page.on('console', (message) => console.log(message.text()))
    page.on('pageerror', (problem) => console.error(problem))
    await page.goto(address)
    await page.waitForFunction(() => window.measure && window.crossOriginIsolated, undefined, { timeout: 30000 })
    const rows = await page.evaluate((given) => window.measure(given), settings)
    return { version: `Chromium ${browser.version()}, headless`, rows }
  } finally {
    await browser.close()
    close()
  }
}
