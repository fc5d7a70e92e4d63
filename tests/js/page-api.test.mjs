import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { goods, openAgreed, openShop, schema, shopFor } from './harness/shop.mjs'

const require = createRequire(import.meta.url)
const golden = require('../../miniprogram/services/golden.js')
const fingerprint = require('../../miniprogram/services/fingerprint.js')

// Arrays of a process belong to its realm; those of a test do not.
const ids = (items) => Array.from(items, (item) => item.id)

for (const [wasm, build] of [['wrapped', 'simd'], ['instance', 'simd'], ['simd-refuse', 'mvp'], ['refuse', 'js']]) {
  test(`wasm ${wasm}: the ${build} build answers, and with the same bits`, async () => {
    const process = new Phone().start({ wasm })
    const zhiji = await openAgreed(process, { fallback: () => process.fallback() })
    const items = process.own(goods(0, 20))
    zhiji.items.upsert(items)
    shopFor(zhiji, '图书', items)
    const slate = zhiji.rank(process.own(goods(20, 20)), { surface: 'home', slots: 4 })
    assert.equal(zhiji.diagnostics().build, build)
    assert.deepEqual(Array.from(slate.items, (item) => item.category), ['图书', '图书', '图书', '图书'])
    assert.equal(slate.personalised, true)
    const answers = Array.from(zhiji.golden(Buffer.from(golden.bundle, 'hex')))
    assert.equal(answers.length, golden.words)
    assert.equal(fingerprint(answers), golden.fingerprint)
    assert.deepEqual(Array.from(zhiji.golden(Buffer.from('no bundle'))), [])
  })
}

test('wasm that never settles: the page is usable at once, in its own order, and the fallback takes over', async () => {
  const process = new Phone().start({ wasm: 'never' })
  const zhiji = await openShop(process, { fallback: () => process.fallback() })
  const feed = zhiji.feed('home')
  feed.push(process.own(goods(0, 20)))
  assert.deepEqual(ids(feed.next(5)), ['sku0', 'sku1', 'sku2', 'sku3', 'sku4'])
  assert.equal(feed.degraded, 'NOT_READY')
  await process.advance(13000)
  assert.equal(zhiji.diagnostics().build, 'js')
  assert.deepEqual(ids(feed.next(5)), ['sku5', 'sku6', 'sku7', 'sku8', 'sku9'])
  assert.equal(feed.degraded, '')
})

test('no build starts: nothing throws, the page keeps its order, onError hears NO_WASM once', async () => {
  const process = new Phone().start({ wasm: 'refuse' })
  const heard = []
  const zhiji = await openShop(process, { onError: (failure) => heard.push(failure.code) })
  const items = process.own(goods(0, 10))
  assert.deepEqual(ids(zhiji.rank(items, { surface: 'home', slots: 3 }).items), ['sku0', 'sku1', 'sku2'])
  assert.equal(zhiji.rank(items).degraded, 'NO_WASM')
  const feed = zhiji.feed('home')
  feed.push(items)
  assert.deepEqual(ids(feed.next(3)), ['sku0', 'sku1', 'sku2'])
  feed.push(process.own(goods(0, 10).map((item) => Object.assign(item, { stock: item.id === 'sku4' ? 0 : 5 }))))
  assert.deepEqual(ids(feed.next(3)), ['sku3', 'sku5', 'sku6'])
  assert.deepEqual(ids(feed.next(20)), ['sku7', 'sku8', 'sku9'])
  assert.equal(zhiji.track('open', 'sku0'), false)
  assert.deepEqual(Array.from(zhiji.interests()), [])
  zhiji.personalisation(false)
  zhiji.visit('sku0').end()
  assert.equal(await zhiji.flush(), false)
  assert.deepEqual(heard, ['NO_WASM'])
})

test('shown cards never move, nothing comes twice, what is sold out is gone from the next batch', async () => {
  const process = new Phone().start()
  const zhiji = await openAgreed(process)
  const feed = zhiji.feed('home', { pool: 30 })
  const shown = []
  const sold = new Set()
  for (let batch = 0, from = 0; batch < 12; batch++) {
    while (feed.wants()) {
      // Some of it twice, and some that was shown long ago.
      feed.push(process.own(goods(from, 20).concat(goods(from, 3), goods(0, 5))))
      from += 20
    }
    if (batch === 4) {
      for (let number = 0; number < from; number += 2) {
        if (shown.includes(`sku${number}`)) continue
        sold.add(`sku${number}`)
        // Half of it by another push, half by a patch.
        if (number % 4) feed.push(process.own([Object.assign(goods(number, 1)[0], { stock: 0 })]))
        else zhiji.items.patch(`sku${number}`, { stock: 0 })
      }
    }
    const next = feed.next(5)
    for (const item of next) zhiji.track(item.category === '数码' ? 'open' : 'impression', item.id)
    if (batch >= 4) for (const item of next) assert.ok(!sold.has(item.id), 'a sold-out item was shown')
    next.forEach((item, at) => assert.equal(item.__zhiji.position, shown.length + at))
    shown.push(...ids(next))
  }
  assert.equal(new Set(shown).size, shown.length)
  assert.ok(shown.length >= 50)
  assert.ok(sold.size > 5)
})

test('the pool asks by depth, whatever the user has blocked', async () => {
  const asked = async (blocked) => {
    const process = new Phone().start()
    const zhiji = await openAgreed(process)
    if (blocked) for (const category of ['女装', '男鞋', '数码', '零食']) zhiji.block('category', category)
    const feed = zhiji.feed('home', { pool: 20 })
    const pushes = []
    for (let batch = 0; batch < 8; batch++) {
      while (feed.wants()) {
        feed.push(process.own(goods(pushes.length * 10, 10)))
        pushes.push(batch)
      }
      const next = feed.next(5)
      if (blocked) assert.ok(next.every((item) => item.category === '图书'))
    }
    return pushes
  }
  assert.deepEqual(await asked(true), await asked(false))
})

test('nothing is recorded before consent, after its withdrawal, or under another policy', async () => {
  const phone = new Phone()
  const process = phone.start()
  const zhiji = await openShop(process)
  const items = process.own(goods(0, 5))
  zhiji.items.upsert(items)
  assert.equal(zhiji.consent.state().ask, true)
  assert.equal(zhiji.track('open', 'sku0'), false)
  await process.advance(2000)
  assert.deepEqual(phone.disk.names('log-'), [])
  const told = []
  zhiji.consent.onChange((state) => told.push(state.status))
  zhiji.consent.grant({ policyVersion: '1' })
  await process.advance(200)
  assert.equal(zhiji.track('open', 'sku0'), true)
  await process.advance(2000)
  assert.equal(phone.disk.names('log-').length, 1)
  process.kill()
  const later = phone.start()
  const newer = await openShop(later, { policyVersion: '2' })
  assert.equal(newer.consent.state().ask, true)
  newer.items.upsert(later.own(goods(0, 5)))
  assert.equal(newer.track('open', 'sku0'), false)
  newer.consent.withdraw()
  await later.advance(200)
  assert.deepEqual(phone.disk.names('log-'), [])
  assert.equal(newer.consent.state().ask, false)
  assert.deepEqual(told, ['granted'])
})

test('tracking before the engine is there is kept if there was consent, and dropped if not', async () => {
  for (const agreed of [true, false]) {
    const phone = new Phone()
    if (agreed) {
      const before = phone.start()
      await openAgreed(before)
      before.kill()
    }
    const process = phone.start()
    const zhiji = process.zhiji().open(process.own({ schema, policyVersion: '1' }))
    zhiji.items.upsert(process.own(goods(0, 3)))
    zhiji.track('open', 'sku1')
    await process.advance(200)
    const events = agreed ? JSON.parse(zhiji.exportData()).events : []
    assert.deepEqual(events.map((event) => event.id), agreed ? ['sku1'] : [])
    assert.equal(zhiji.diagnostics().report.events, agreed ? 1 : 0)
  }
})

test('the switch takes effect at once, leaves the record unread, and brings it back', async () => {
  const phone = new Phone()
  const process = phone.start()
  const zhiji = await openAgreed(process)
  const items = process.own(goods(0, 20))
  zhiji.items.upsert(items)
  shopFor(zhiji, '图书', items)
  const personal = ids(zhiji.rank(items, { slots: 10 }).items)
  zhiji.personalisation(false)
  assert.deepEqual(ids(zhiji.rank(items, { slots: 10 }).items), ids(items).slice(0, 10))
  assert.equal(zhiji.track('open', 'sku0'), false)
  assert.deepEqual(Array.from(zhiji.interests()), [])
  await process.advance(100)
  const frozen = phone.disk.names('log-').map((name) => Buffer.from(phone.disk.files.get(name)).toString('hex'))
  await process.advance(5000)
  assert.deepEqual(phone.disk.names('log-').map((name) => Buffer.from(phone.disk.files.get(name)).toString('hex')), frozen)
  zhiji.personalisation(true)
  await process.advance(200)
  assert.deepEqual(ids(zhiji.rank(items, { slots: 10 }).items), personal)
})

test('a dislike is taken back exactly; a forgotten interest restores the first order', async () => {
  const process = new Phone().start()
  const zhiji = await openAgreed(process)
  const items = process.own(goods(0, 30))
  zhiji.items.upsert(items)
  const first = ids(zhiji.rank(items).items)
  const data = zhiji.exportData()
  const given = zhiji.feedback('sku3', 1)
  assert.equal(given.recorded, true)
  assert.notDeepEqual(ids(zhiji.rank(items).items), first)
  assert.equal(given.undo(), true)
  assert.equal(zhiji.exportData(), data)
  zhiji.track('open', 'sku4')
  assert.notDeepEqual(ids(zhiji.rank(items).items), first)
  assert.equal(zhiji.forget({ field: 'category', value: '图书' }), 1)
  assert.deepEqual(ids(zhiji.rank(items).items), first)
})

test('accounts do not see each other, and their names stand in no path', async () => {
  const phone = new Phone()
  const process = phone.start()
  const zhiji = await openAgreed(process)
  zhiji.items.upsert(process.own(goods(0, 5)))
  zhiji.track('open', 'sku1')
  zhiji.user('openid-of-a-person')
  await process.advance(200)
  assert.equal(zhiji.consent.state().status, 'unknown')
  zhiji.consent.grant({ policyVersion: '1' })
  await process.advance(200)
  assert.equal(zhiji.diagnostics().report.events, 0)
  zhiji.items.upsert(process.own(goods(0, 5)))
  zhiji.track('open', 'sku2')
  zhiji.user(null)
  await process.advance(200)
  assert.deepEqual(JSON.parse(zhiji.exportData()).events.map((event) => event.id), ['sku1'])
  assert.ok(phone.disk.names().every((name) => !name.includes('person')))
  assert.equal(new Set(phone.disk.names('log-').map((name) => name.split('/').slice(0, -1).join('/'))).size, 2)
})

test('two calls of open give one handle; other options are refused by name', async () => {
  const process = new Phone().start()
  const heard = []
  const first = process.zhiji().open(process.own({ schema }))
  first.onError((failure) => heard.push(failure.code))
  assert.equal(process.zhiji().open(process.own({ schema })), first)
  assert.equal(process.zhiji().open(process.own({ schema, account: 'other' })), first)
  assert.deepEqual(heard, ['OPTIONS_DIFFER'])
  const strict = new Phone().start({ envVersion: 'develop' })
  strict.zhiji().open(strict.own({ schema }))
  assert.throws(() => strict.zhiji().open(strict.own({ schema, account: 'other' })), { code: 'OPTIONS_DIFFER' })
})

test('two spaces share one instance and keep separate records', async () => {
  const process = new Phone().start()
  const shop = await openAgreed(process)
  const courses = process.zhiji().open(process.own({ schema: Object.assign({}, schema, { space: 'courses' }), policyVersion: '1' }))
  await process.advance(100)
  courses.consent.grant({ policyVersion: '1' })
  await process.advance(200)
  assert.deepEqual(process.wasmTried, ['zhiji_simd.wasm.br'])
  shop.items.upsert(process.own(goods(0, 3)))
  shop.track('open', 'sku1')
  assert.equal(courses.diagnostics().report.events, 0)
  assert.equal(shop.diagnostics().report.events, 1)
})

test('after a trap the same handle works again, with everything that was stored', async () => {
  for (const at of ['rank', 'track', 'takeOps', 'interests']) {
    const process = new Phone().start()
    const heard = []
    const zhiji = await openAgreed(process, { onError: (failure) => heard.push(failure.code) })
    const items = process.own(goods(0, 10))
    zhiji.items.upsert(items)
    zhiji.track('open', 'sku1')
    zhiji.flush()
    await process.advance(100)
    process.trapOn = at
    assert.equal(ids(zhiji.rank(items).items).length, 10)
    zhiji.track('open', 'sku2')
    zhiji.interests()
    zhiji.flush()
    await process.advance(3000)
    assert.deepEqual(heard, ['INTERNAL'], at)
    assert.equal(zhiji.diagnostics().degraded, '')
    assert.ok(JSON.parse(zhiji.exportData()).events.some((event) => event.id === 'sku1'))
    assert.equal(zhiji.track('open', 'sku3'), true)
    assert.equal(process.wasmTried.length, 2, 'a fresh instance was made')
  }
})

const MISTAKES = [
  ['an action that the schema lacks', 'UNKNOWN_ACTION', (zhiji) => zhiji.track('clik', 'sku1')],
  ['an item that was never given', 'UNKNOWN_ITEM', (zhiji) => zhiji.track('open', 'ghost')],
  ['an id that is no text', 'BAD_ARGUMENT', (zhiji) => zhiji.track('open', 7)],
  ['a surface that the schema lacks', 'UNKNOWN_SURFACE', (zhiji) => zhiji.track('open', 'sku1', { surface: 'hom' })],
  ['a negative dwell', 'BAD_EVENT', (zhiji) => zhiji.track('dwell', 'sku1', { dwellMs: -5 })],
  ['a dwell that is not a number', 'BAD_EVENT', (zhiji) => zhiji.track('dwell', 'sku1', { dwellMs: NaN })],
  ['a value that is not a number', 'BAD_EVENT', (zhiji) => zhiji.track('open', 'sku1', { value: NaN })],
  ['a field that the schema lacks', 'UNKNOWN_FIELD', (zhiji) => zhiji.block('colour', 'red')],
  ['a field of the wrong type', 'BAD_ITEM', (zhiji, process) => zhiji.items.upsert(process.own([{ id: 'x', category: 7 }]))],
  ['candidates that are no list', 'BAD_ARGUMENT', (zhiji) => zhiji.rank('sku1')],
  ['a candidate without id', 'BAD_ARGUMENT', (zhiji, process) => zhiji.rank(process.own([{ category: 'x' }]))],
  ['an id to take out that is no text', 'BAD_ARGUMENT', (zhiji) => zhiji.items.remove([7])],
  ['nothing to forget', 'BAD_ARGUMENT', (zhiji, process) => zhiji.forget(process.own({}))],
]
for (const [name, code, act] of MISTAKES) {
  test(`${name}: ${code}, told in release and thrown in develop`, async () => {
    for (const envVersion of ['release', 'develop']) {
      const process = new Phone().start({ envVersion })
      const heard = []
      const zhiji = await openAgreed(process, { onError: (failure) => heard.push(failure) })
      zhiji.items.upsert(process.own(goods(0, 3)))
      if (envVersion === 'develop') assert.throws(() => act(zhiji, process), { code })
      else act(zhiji, process)
      assert.deepEqual(heard.map((failure) => failure.code), [code])
      assert.deepEqual(Object.keys(heard[0]).sort(), ['code', 'message', 'name'])
      assert.ok(!/sku1|ghost|clik/.test(heard[0].message))
    }
  })
}

test('odd candidates: none, 100,000, doubled, bad ones among good ones, emoji and long texts', async () => {
  const process = new Phone().start()
  const heard = []
  const zhiji = await openAgreed(process, { onError: (failure) => heard.push(failure.code) })
  assert.deepEqual(ids(zhiji.rank(process.own([])).items), [])
  const doubled = process.own(goods(0, 3).concat(goods(0, 3)))
  assert.deepEqual(ids(zhiji.rank(doubled).items), ['sku0', 'sku1', 'sku2'])
  const mixed = process.own([{ id: 'bad', category: 3 }].concat(goods(0, 3)))
  assert.deepEqual(ids(zhiji.rank(mixed).items), ['sku0', 'sku1', 'sku2', 'bad'])
  assert.deepEqual(heard, ['BAD_ITEM'])
  const odd = process.own([{ id: '👩‍👩‍👧‍👦', category: '🎁', tags: ['\ud83d', '知'] }])
  assert.equal(zhiji.rank(odd).items[0].id, '👩‍👩‍👧‍👦')
  assert.equal(zhiji.track('open', '👩‍👩‍👧‍👦'), true)
  assert.equal(JSON.parse(zhiji.exportData()).events[0].item.category[0], '🎁')
  const long = zhiji.rank(process.own([{ id: 'long', category: '长'.repeat(5000) }].concat(goods(0, 2))))
  assert.deepEqual(ids(long.items), ['sku0', 'sku1', 'long'])
  const many = process.own(goods(0, 100000))
  const crowd = zhiji.rank(many, { slots: 3 })
  assert.equal(crowd.items.length, 3)
  assert.equal(crowd.degraded, 'TOO_MANY')
})

test('dwell stands still while the page or the mini-program is hidden', async () => {
  const process = new Phone().start()
  const zhiji = await openAgreed(process)
  zhiji.items.upsert(process.own(goods(0, 3)))
  const visit = zhiji.visit('sku1')
  await process.advance(2000)
  process.hide()
  await process.advance(60000)
  process.show()
  await process.advance(500)
  visit.pause()
  process.hide()
  process.show()
  await process.advance(30000)
  visit.resume()
  await process.advance(1500)
  assert.equal(visit.end(), 4000)
  assert.equal(visit.end(), 4000)
  const events = JSON.parse(zhiji.exportData()).events
  assert.deepEqual(events.map((event) => [event.action, event.dwellMs]), [['dwell', 4000]])
})
