// One Chromium and one built fixture for a test file; a fresh profile for every page that asks for one.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import zlib from 'node:zlib'
import { fileURLToPath } from 'node:url'
import binaryen from 'binaryen'
import { buildMiniProgram } from '../build.mjs'
import { host, launchChromium, newPhone, openScreen, reopen, until } from '../drive.mjs'
import { serveHost } from '../serve.mjs'

export const fixture = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'fixture')

// `three` has the most names that iOS keeps, `four` one more; a Global is what iOS cannot export.
const PROBE = `(module
  (import "env" "tick" (func $tick))
  (memory (export "memory") 1)
  (global (export "level") i32 (i32.const 7))
  (func $f (param i32 i32) (result i32) (call $tick) (i32.add (local.get 0) (local.get 1)))
  (export "one" (func $f)) (export "two" (func $f)) (export "three" (func $f)) (export "four" (func $f)))`
const SIMD_PROBE = `(module (func (export "lane") (result i32) (i32x4.extract_lane 0 (i32x4.splat (i32.const 3)))))`

function assemble(source) {
  const module = binaryen.parseText(source)
  module.setFeatures(binaryen.Features.MVP | binaryen.Features.SIMD128)
  const bytes = Buffer.from(module.emitBinary())
  module.dispose()
  return bytes
}

/** Copies the fixture with its wasm files to a temporary folder and gives that folder. */
export function fixtureWithWasm(scratch) {
  const copy = path.join(scratch, 'mini-program')
  fs.cpSync(fixture, copy, { recursive: true })
  fs.mkdirSync(path.join(copy, 'wasm'))
  const probe = assemble(PROBE)
  fs.writeFileSync(path.join(copy, 'wasm/probe.wasm'), probe)
  fs.writeFileSync(path.join(copy, 'wasm/probe.wasm.br'), zlib.brotliCompressSync(probe))
  fs.writeFileSync(path.join(copy, 'wasm/probe-simd.wasm'), assemble(SIMD_PROBE))
  return copy
}

/** Builds and serves the fixture and starts Chromium: { open, server, scratch, close }. */
export async function stage() {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'mini-program-host-'))
  const out = path.join(scratch, 'out')
  await buildMiniProgram(fixtureWithWasm(scratch), out)
  const shelf = path.join(scratch, 'cdn')
  fs.mkdirSync(shelf)
  fs.writeFileSync(path.join(shelf, 'goods.json'), '{"name":"海盐焦糖"}')
  const server = await serveHost(out, { origins: { 'https://cdn.example.com': shelf } })
  const browser = await launchChromium()
  return {
    server,
    scratch,
    /** Opens the fixture with a query, on a phone of its own. */
    async open(query = '', { settings, prepare } = {}) {
      return openScreen(await newPhone(browser, settings), server.url, query, prepare)
    },
    async close() {
      await browser.close()
      await server.close()
      fs.rmSync(scratch, { recursive: true, force: true })
    },
  }
}

export { host, reopen, until }
