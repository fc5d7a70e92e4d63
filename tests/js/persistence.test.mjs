import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { goods, openAgreed, openShop } from './harness/shop.mjs'

const recorded = (zhiji) => {
  const text = zhiji.exportData()
  return text ? JSON.parse(text).events.map((event) => event.id) : []
}

/** Opens one item after the other; tells which were in the files for certain. */
async function walk(process, zhiji, acknowledged) {
  zhiji.items.upsert(process.own(goods(0, 40)))
  for (let at = 0; at < 12 && process.alive; at++) {
    zhiji.track('open', `sku${at}`)
    if (at % 3 === 2) zhiji.flush().then((stored) => { if (stored && process.alive) acknowledged.count = at + 1 })
    if (at === 7) process.hide()
    await process.advance(60)
  }
}

for (const fault of ['kill', 'tear']) {
  test(`${fault} at every change of the files: what is left is a prefix with every acknowledged flush`, async () => {
    let reached = 0
    for (let change = 1; change < 60; change++) {
      const phone = new Phone()
      const process = phone.start()
      const acknowledged = { count: 0 }
      phone.disk.faults.set(change, fault)
      const zhiji = await openAgreed(process)
      await walk(process, zhiji, acknowledged)
      if (process.alive) break
      reached = change
      phone.disk.faults.clear()
      const heard = []
      const later = phone.start()
      const again = await openShop(later, { onError: (failure) => heard.push(failure.code) })
      const ids = recorded(again)
      assert.ok(ids.length >= acknowledged.count, `change ${change}: ${ids.length} of ${acknowledged.count} acknowledged`)
      assert.deepEqual(ids, Array.from({ length: ids.length }, (_, at) => `sku${at}`))
      assert.ok(heard.every((code) => ['LOG_DAMAGED', 'LOG_TORN', 'CONTROL_LOST'].includes(code)), String(heard))
      // And it goes on from there.
      if (again.consent.state().status !== 'granted') {
        again.consent.grant({ policyVersion: '1' })
        await later.advance(200)
      }
      again.items.upsert(later.own(goods(0, 40)))
      const before = recorded(again).length
      assert.equal(again.track('open', 'sku20'), true)
      again.flush()
      await later.advance(200)
      later.kill()
      assert.equal(recorded(await openShop(phone.start())).length, before + 1)
    }
    assert.ok(reached >= 6, `only ${reached} changes were made`)
  })
}

test('a full phone: STORAGE_FULL, everything stays in memory, and is written once there is room', async () => {
  const phone = new Phone()
  const process = phone.start()
  const heard = []
  const zhiji = await openAgreed(process, { onError: (failure) => heard.push(failure.code) })
  zhiji.items.upsert(process.own(goods(0, 10)))
  zhiji.track('open', 'sku0')
  zhiji.flush()
  await process.advance(200)
  phone.disk.full = true
  for (let at = 1; at < 6; at++) zhiji.track('open', `sku${at}`)
  const flushed = zhiji.flush()
  await process.advance(10000)
  assert.equal(await flushed, false)
  assert.equal(heard[0], 'STORAGE_FULL')
  assert.equal(zhiji.rank(process.own(goods(0, 10))).degraded, '')
  phone.disk.full = false
  await process.advance(70000)
  process.kill()
  assert.deepEqual(recorded(await openShop(phone.start())), ['sku0', 'sku1', 'sku2', 'sku3', 'sku4', 'sku5'])
})

test('one failure at any change is made good by the retry', async () => {
  for (let change = 1; change < 12; change++) {
    const phone = new Phone()
    phone.disk.faults.set(change, 'fail')
    const process = phone.start()
    const zhiji = await openAgreed(process)
    await walk(process, zhiji, { count: 0 })
    await process.advance(20000)
    process.kill()
    assert.equal(recorded(await openShop(phone.start())).length, 12, `failure at change ${change}`)
  }
})

for (const [missing, expected] of [['log-', []], ['control-', []], ['snapshot', ['sku0', 'sku1', 'sku2']], ['zhiji', []]]) {
  test(`files of "${missing}" taken away by the client: the page goes on, and no consent means no use`, async () => {
    const phone = new Phone()
    const process = phone.start()
    const zhiji = await openAgreed(process)
    zhiji.items.upsert(process.own(goods(0, 5)))
    for (const id of ['sku0', 'sku1', 'sku2']) zhiji.track('open', id)
    process.hide()
    await process.advance(1500)
    process.kill()
    assert.ok(phone.disk.names(missing).length > 0, 'nothing was there to be taken away')
    phone.disk.remove(missing)
    const later = phone.start()
    const again = await openShop(later)
    assert.deepEqual(recorded(again), expected)
    assert.equal(again.consent.state().status, missing === 'control-' || missing === 'zhiji' ? 'unknown' : 'granted')
    assert.equal(again.rank(later.own(goods(0, 5))).items.length, 5)
  })
}

test('a second process on the same log: the first notices, stops writing and says so', async () => {
  const phone = new Phone()
  const first = phone.start()
  const heard = []
  const one = await openAgreed(first, { onError: (failure) => heard.push(failure.code) })
  one.items.upsert(first.own(goods(0, 5)))
  one.track('open', 'sku0')
  one.flush()
  await first.advance(100)
  const second = phone.start()
  const two = await openShop(second)
  await second.advance(1500)
  one.track('open', 'sku1')
  one.flush()
  await first.advance(100)
  assert.deepEqual(heard, ['WRITER_CONFLICT'])
  two.items.upsert(second.own(goods(0, 5)))
  two.track('open', 'sku2')
  two.flush()
  await second.advance(100)
  assert.deepEqual(recorded(await openShop(phone.start())), ['sku0', 'sku2'])
})

test('without a file manager, as in a plugin: memory only, and no acknowledgement', async () => {
  const process = new Phone().start({ files: false })
  const zhiji = await openAgreed(process)
  zhiji.items.upsert(process.own(goods(0, 5)))
  assert.equal(zhiji.track('open', 'sku1'), true)
  const flushed = zhiji.flush()
  await process.advance(10)
  assert.equal(await flushed, false)
  assert.equal(zhiji.diagnostics().storage, 'memory')
  assert.deepEqual(recorded(zhiji), ['sku1'])
})

test('thirty-two events are written without waiting, one after a second, and all on hide', async () => {
  const phone = new Phone()
  const process = phone.start()
  const zhiji = await openAgreed(process)
  await process.advance(2000)
  zhiji.items.upsert(process.own(goods(0, 40)))
  const size = () => phone.disk.names('log-').reduce((sum, name) => sum + phone.disk.files.get(name).length, 0)
  const empty = size()
  for (let at = 0; at < 31; at++) zhiji.track('open', `sku${at}`)
  await process.advance(50)
  assert.equal(size(), empty)
  zhiji.track('open', 'sku31')
  await process.advance(50)
  const full = size()
  assert.ok(full > empty)
  zhiji.track('open', 'sku32')
  await process.advance(900)
  const waiting = size()
  await process.advance(200)
  assert.ok(size() > full)
  assert.equal(waiting, full)
  const before = size()
  zhiji.track('open', 'sku33')
  process.hide()
  await process.advance(50)
  assert.ok(size() > before)
})
