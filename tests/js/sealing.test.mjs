import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { goods, openAgreed, openShop } from './harness/shop.mjs'

const recorded = (zhiji) => {
  const text = zhiji.exportData()
  return text ? JSON.parse(text).events.map((event) => event.id) : []
}

/** A phone on which three items were opened, and its key. */
async function used(options) {
  const phone = new Phone()
  const process = phone.start(options)
  const zhiji = await openAgreed(process)
  zhiji.items.upsert(process.own(goods(0, 5)))
  for (const id of ['sku0', 'sku1', 'sku2']) zhiji.track('open', id)
  process.hide()
  await process.advance(1500)
  process.kill()
  return { phone, key: [...phone.storage.keys()].find((name) => name.endsWith(':key')) }
}

const readable = (phone, text) => phone.disk.names('log-').concat(phone.disk.names('snapshot'))
  .some((name) => Buffer.from(phone.disk.files.get(name)).includes(text))

test('the log and its snapshot are noise without the key, and whole with it', async () => {
  const { phone, key } = await used()
  assert.match(phone.storage.get(key), /^[0-9a-f]{64}$/)
  assert.ok(phone.disk.names('log-').length > 0 && phone.disk.names('snapshot').length > 0)
  assert.equal(readable(phone, 'sku'), false)
  const heard = []
  const again = await openShop(phone.start(), { onError: (failure) => heard.push(failure.code) })
  assert.deepEqual(recorded(again), ['sku0', 'sku1', 'sku2'])
  assert.deepEqual(heard, [])
})

test('the key alone taken away: KEY_LOST, the log is gone, recording goes on under a new key', async () => {
  const { phone, key } = await used()
  phone.storage.delete(key)
  const heard = []
  const later = phone.start()
  const again = await openShop(later, { onError: (failure) => heard.push(failure.code) })
  assert.deepEqual(heard, ['KEY_LOST'])
  assert.deepEqual(recorded(again), [])
  assert.equal(again.consent.state().status, 'granted')
  again.items.upsert(later.own(goods(0, 5)))
  assert.equal(again.track('open', 'sku3'), true)
  again.flush()
  await later.advance(500)
  later.kill()
  assert.ok(phone.storage.get(key))
  assert.deepEqual(recorded(await openShop(phone.start())), ['sku3'])
})

test('erasing takes the key away first', async () => {
  const { phone, key } = await used()
  const process = phone.start()
  const zhiji = await openShop(process)
  zhiji.erase()
  await process.advance(1500)
  assert.equal(phone.storage.has(key), false)
  assert.deepEqual(phone.disk.names('log-'), [])
})

test('without random numbers nothing is sealed, and everything else works', async () => {
  const { phone, key } = await used({ random: false })
  assert.equal(key, undefined)
  assert.equal(readable(phone, 'sku1'), true)
  assert.deepEqual(recorded(await openShop(phone.start({ random: false }))), ['sku0', 'sku1', 'sku2'])
})

test('a log in the clear is sealed as soon as there is a key', async () => {
  const { phone } = await used({ random: false })
  const process = phone.start()
  assert.deepEqual(recorded(await openShop(process)), ['sku0', 'sku1', 'sku2'])
  await process.advance(2000)
  assert.equal(readable(phone, 'sku'), false)
})
