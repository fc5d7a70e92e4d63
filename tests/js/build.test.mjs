import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DIST, FALLBACK } from './harness/phone.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const text = (file) => fs.readFileSync(file, 'utf8')

test('the built JavaScript names nothing that a phone lacks', () => {
  const scripts = fs.readdirSync(DIST, { recursive: true }).map((name) => path.join(DIST, String(name))).filter((name) => name.endsWith('.js'))
  const answer = execFileSync(globalThis.process.execPath, [path.join(root, 'xtask/gate/identifiers.mjs'), ...scripts, FALLBACK], { encoding: 'utf8' })
  assert.equal(answer, '')
  assert.ok(scripts.length >= 5)
})

test('what is shipped is complete: both wasm builds compressed, components, types, a package.json that "build npm" understands', () => {
  const shipped = JSON.parse(text(path.join(DIST, '../package.json')))
  assert.equal(shipped.miniprogram, 'miniprogram_dist')
  assert.match(shipped.version, /^\d+\.\d+\.\d+$/)
  assert.ok(fs.existsSync(path.join(DIST, '..', shipped.types)))
  for (const name of ['wasm/zhiji_mvp.wasm.br', 'wasm/zhiji_simd.wasm.br', 'components/feed/index.wxml', 'components/privacy/index.wxml']) {
    assert.ok(fs.existsSync(path.join(DIST, name)), name)
  }
})

test('only one file of the sources touches the client, but for the clipboard button and the next turn', () => {
  const allowed = { 'src/platform.js': /./, 'src/index.js': /typeof wx === 'undefined' \? undefined : wx/, 'components/privacy/index.js': /wx\.setClipboardData/, 'components/feed/index.js': /wx\.nextTick/ }
  for (const folder of ['src', 'components']) {
    for (const name of fs.readdirSync(path.join(root, 'js', folder), { recursive: true })) {
      const file = `${folder}/${String(name)}`
      if (!file.endsWith('.js')) continue
      for (const line of text(path.join(root, 'js', file)).split('\n')) {
        if (/(^|[^\w.'])wx\b/.test(line.replace(/\/[/*].*|^\s*\*.*/, '')) && !(allowed[file] && allowed[file].test(line))) assert.fail(`${file}: ${line.trim()}`)
      }
    }
  }
})
