// A mini-program that cannot run is refused with file and line, all findings at once.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { buildMiniProgram } from '../build.mjs'
import { fixture } from './stage.mjs'

/** Builds the fixture with some files changed; gives the problems. */
async function problems(changes) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'mini-program-build-'))
  try {
    const copy = path.join(scratch, 'in')
    fs.cpSync(fixture, copy, { recursive: true })
    for (const [file, change] of Object.entries(changes)) {
      const full = path.join(copy, file)
      fs.mkdirSync(path.dirname(full), { recursive: true })
      if (change === undefined) fs.rmSync(full)
      else fs.writeFileSync(full, typeof change === 'function' ? change(fs.readFileSync(full, 'utf8')) : change)
    }
    await buildMiniProgram(copy, path.join(scratch, 'out'))
    return []
  } catch (error) {
    if (error.name !== 'BuildError') throw error
    return error.problems
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true })
  }
}

test('the fixture itself builds', async () => {
  assert.deepEqual(await problems({}), [])
})

test('a syntax error in a script names file and line', async () => {
  const found = await problems({ 'lib/goods.js': 'const fine = 1\nconst broken = (\n' })
  assert.equal(found.length, 1)
  assert.match(found[0], /^lib\/goods\.js:\d+: /)
})

test('an unclosed element, an unknown element and a missing import are found in the templates', async () => {
  assert.match((await problems({ 'pages/mine/mine.wxml': '<view>\n<view>\n' }))[0], /^pages\/mine\/mine\.wxml:\d+: /)
  assert.deepEqual(await problems({ 'pages/mine/mine.wxml': '<view />\n<!-- <odd /> -->\n<no-such />\n' }),
    ['pages/mine/mine.wxml:3: <no-such> is neither a built-in of this host nor in usingComponents'])
  assert.deepEqual(await problems({ 'templates/foot.wxml': undefined }), ['templates/foot.wxml: is missing'])
})

test('styles: a bad rule and a missing import name file and line', async () => {
  assert.match((await problems({ 'base.wxss': '.a { color: red;\n' }))[0], /^base\.wxss:1: /)
  assert.deepEqual(await problems({ 'app.wxss': '\n@import "./none.wxss";' }), ['app.wxss:2: @import not found: ./none.wxss'])
})

test('configuration: broken JSON, a component that is none, a tab that is no page, several at once', async () => {
  const found = await problems({
    'pages/mine/mine.json': '{\n  "a": }\n',
    'components/slotted/slotted.json': '{}',
    'app.json': (text) => text.replace('"pagePath": "pages/mine/mine"', '"pagePath": "pages/none/none"'),
  })
  assert.equal(found.length, 3)
  assert.match(found[0], /^components\/slotted\/slotted\.json: "component": true is missing$/)
  assert.match(found[1], /^pages\/mine\/mine\.json:2: /)
  assert.match(found[2], /^app\.json: tabBar names pages\/none\/none/)
})

test('a component is found beside the file, from the root, in miniprogram_npm, or not at all', async () => {
  const asJson = (spec) => JSON.stringify({ usingComponents: { thing: spec } })
  for (const spec of ['../../components/slotted/slotted', '/components/slotted/slotted']) {
    assert.deepEqual(await problems({ 'pages/mine/mine.json': asJson(spec) }), [])
  }
  const packed = {
    'miniprogram_npm/thing/part/index.json': '{ "component": true }',
    'miniprogram_npm/thing/part/index.js': 'Component({})',
    'miniprogram_npm/thing/part/index.wxml': '<view />',
  }
  for (const spec of ['thing/part/index', 'thing/part']) {
    assert.deepEqual(await problems({ ...packed, 'pages/mine/mine.json': asJson(spec) }), [])
  }
  assert.deepEqual(await problems({ 'pages/mine/mine.json': asJson('zhiji/zhiji-feed/index') }),
    ['pages/mine/mine.json: component not found: zhiji/zhiji-feed/index'])
})
