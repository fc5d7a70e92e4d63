// WeChat's own compilers accept the fixture, and the gate hears what they refuse.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { compileOfficially } from '../official/compile.mjs'
import { fixture } from './stage.mjs'

function refused(file, content) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'official-test-'))
  try {
    fs.writeFileSync(path.join(dir, 'good.wxml'), '<view>{{a + 1}}</view>')
    fs.writeFileSync(path.join(dir, 'good.wxss'), 'page { color: red }')
    fs.writeFileSync(path.join(dir, file), content)
    return compileOfficially(dir).problems
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

test('the fixture passes wcc and wcsc', () => {
  const { templates, scripts, styles, problems } = compileOfficially(fixture)
  assert.deepEqual(problems, [])
  assert.deepEqual([templates, scripts, styles], [11, 2, 7])
})

test('what they refuse is a problem, even where glass-easel accepts it', () => {
  assert.match(refused('a.wxml', '<view>{{...a}}</view>')[0], /a\.wxml:1/)
  assert.match(refused('a.wxml', '<view><view></view>')[0], /a\.wxml/)
  assert.match(refused('a.wxml', '<wxs module="m" src="./none.wxs" />')[0], /not found/)
  assert.match(refused('a.wxss', '.a { color: red')[0], /a\.wxss/)
  assert.match(refused('a.wxss', '@import "./none.wxss";')[0], /not found/)
})
