// The words of failures: a file of their own, which is read when the first failure is told.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import { DIST, FALLBACK, Phone } from './harness/phone.mjs'
import { goods, openAgreed, openShop, schema, shopFor } from './harness/shop.mjs'

const WORDS = path.join(DIST, 'words.js')

test('a start in which nothing fails reads no words, nor do calls before the engine is there', async () => {
  const process = new Phone().start()
  const zhiji = process.zhiji().open(process.own({ schema, policyVersion: '1' }))
  const items = process.own(goods(0, 20))
  assert.equal(zhiji.rank(items).degraded, 'NOT_READY')
  await process.advance(100)
  zhiji.consent.grant(process.own({ policyVersion: '1', purposes: ['personalisation'] }))
  await process.advance(200)
  zhiji.items.upsert(items)
  shopFor(zhiji, '图书', items)
  assert.equal(zhiji.rank(items, { surface: 'home', slots: 4 }).degraded, '')
  assert.equal(process.modules.has(WORDS), false)
  zhiji.track('opn', 'sku1')
  assert.equal(process.modules.has(WORDS), true)
})

const SAID = [
  ['words alone', 'no such field: add it to the schema\'s `fields`, or correct the name', (zhiji) => zhiji.block('colour', 'red')],
  ['words in words', 'event, dwellMs: give a whole number of 0 or more, in its range', (zhiji) => zhiji.track('dwell', 'sku1', { dwellMs: -5 })],
  ['a number and a text in words', 'item 1 of the list, field price: give a finite number',
    (zhiji, process) => zhiji.items.upsert(process.own([{ id: 'x', price: 1 }, { id: 'y', price: 'cheap' }]))],
  ['a code of the package', 'This item was never given: pass it to items.upsert or feed.push first.',
    (zhiji, process) => zhiji.items.patch('nothing', process.own({ price: 1 }))],
  ['the package\'s own', 'Candidates must be an array of items.', (zhiji) => zhiji.rank('sku1')],
]
for (const [wasm, build] of [['wrapped', 'simd'], ['simd-refuse', 'mvp'], ['refuse', 'js']]) {
  test(`build ${build}: what the engine says is put together from numbers`, async () => {
    const process = new Phone().start({ wasm })
    const heard = []
    const zhiji = await openAgreed(process, { fallback: () => process.fallback(), onError: (failure) => heard.push(failure) })
    zhiji.items.upsert(process.own(goods(0, 3)))
    assert.equal(zhiji.diagnostics().build, build)
    heard.length = 0
    for (const [name, message, act] of SAID) {
      act(zhiji, process)
      assert.equal(heard[heard.length - 1].message, message, name)
    }
  })
}

test('a root and a schema that cannot be used are refused in words, sentences within sentences included', async () => {
  const said = async (more) => {
    const process = new Phone().start()
    const heard = []
    await openShop(process, Object.assign(process.own(more), { onError: (failure) => heard.push(failure) }))
    return heard.map(({ code, message }) => `${code}: ${message}`)
  }
  assert.deepEqual(await said({ root: '{' }), ['MANIFEST_MALFORMED: the file cannot be read: no JSON, at line 1 column 2'])
  assert.deepEqual(await said({ root: '{}' }), ['MANIFEST_MALFORMED: the file cannot be read: `signatures` is missing'])
  const price = Object.assign({}, schema.fields.price, { scale: 'log', kind: 'category' })
  assert.deepEqual(await said({ schema: Object.assign({}, schema, { fields: Object.assign({}, schema.fields, { price }) }) }),
    ['BAD_SCHEMA: schema, at fields.price: `scale` and `volatile` are for number fields'])
})

test('no build and no loader carries the words: one file has them', () => {
  const modules = fs.readdirSync(path.join(DIST, 'wasm')).map((name) => brotliDecompressSync(fs.readFileSync(path.join(DIST, 'wasm', name))).toString('latin1'))
  modules.push(fs.readFileSync(FALLBACK, 'utf8'), fs.readFileSync(path.join(DIST, 'index.js'), 'utf8'))
  const words = fs.readFileSync(WORDS, 'utf8')
  for (const sentence of ['give a finite number', 'raise the version', 'is still starting']) {
    assert.ok(words.includes(sentence), sentence)
    for (const module of modules) assert.ok(!module.includes(sentence), sentence)
  }
})
