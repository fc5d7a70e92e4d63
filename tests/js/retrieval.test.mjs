// Out of the catalogue of the model, what a page may want to show: found on the phone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { catalogueOf, manifest, publish, root } from './harness/publisher.mjs'
import { goods, openAgreed, openShop, schema } from './harness/shop.mjs'

const ALL = Array.from({ length: 40 }, (_, at) => `sku${at}`)

/** A shop under a model that knows forty goods, of which the page has loaded the first ten. */
async function shopWith() {
  const phone = new Phone()
  publish(phone, { version: 1, bytes: catalogueOf(ALL) })
  const process = phone.start()
  const heard = []
  const zhiji = await openAgreed(process, { manifest, root, onError: (failure) => heard.push(failure.code) })
  await process.advance(5000)
  assert.equal(zhiji.diagnostics().sync.version, 1)
  zhiji.items.upsert(process.own(goods(0, 10)))
  return { phone, process, zhiji, heard, find: (options) => Array.from(zhiji.retrieve(options).ids) }
}

test('the catalogue gives its best, goods that the page has not loaded among them, and they can be ranked', async () => {
  const { process, zhiji, find } = await shopWith()
  assert.deepEqual(find(), [], 'nobody has done anything yet')
  zhiji.track('open', 'sku3')
  assert.deepEqual(find({ count: 5 }), ['sku13', 'sku23', 'sku33', 'sku0', 'sku1'])
  assert.deepEqual(find({ count: 2, seen: true }), ['sku3', 'sku13'])
  assert.deepEqual(find({ count: 2, except: process.own(['sku13', 'sku0']) }), ['sku23', 'sku33'])
  assert.deepEqual(find({ count: 2, except: process.own(['sku39', 'sku38']) }), ['sku13', 'sku23'])
  assert.equal(find().length, 39)
  assert.equal(find({ count: 3 }).length, 3)
  const slate = zhiji.rank(process.own(find({ count: 5 }).map((id) => goods(Number(id.slice(3)), 1)[0])), { surface: 'home', slots: 3 })
  assert.equal(slate.items[0].id, 'sku13')
})

test('what is blocked, turned down, sold out or taken out is not found', async () => {
  const { process, zhiji, find } = await shopWith()
  zhiji.track('open', 'sku3')
  zhiji.items.upsert(process.own(goods(13, 1)))
  zhiji.block('category', goods(13, 1)[0].category)
  assert.ok(!find().includes('sku13'))
  zhiji.unblock('category', goods(13, 1)[0].category)
  assert.equal(find()[0], 'sku13')
  zhiji.feedback('sku13')
  assert.equal(find()[0], 'sku23')
  zhiji.items.upsert(process.own([Object.assign(goods(23, 1)[0], { stock: 0 })]))
  assert.equal(find()[0], 'sku33')
  zhiji.items.upsert(process.own(goods(33, 1)))
  zhiji.items.remove('sku33')
  assert.deepEqual(find({ count: 2 }), ['sku0', 'sku1'])
  zhiji.items.upsert(process.own(goods(33, 1)))
  assert.equal(find()[0], 'sku33')
})

test('what the page gave before the engine worked is blocked too', async () => {
  const phone = new Phone()
  publish(phone, { version: 1, bytes: catalogueOf(ALL) })
  const first = phone.start()
  await openAgreed(first, { manifest, root })
  await first.advance(5000)
  first.kill()
  const process = phone.start()
  const zhiji = process.zhiji().open(process.own({ schema, policyVersion: '1', manifest, root }))
  zhiji.items.upsert(process.own(goods(10, 5)))
  assert.equal(JSON.stringify(zhiji.retrieve({ count: 3 })), '{"ids":[],"degraded":"NOT_READY"}')
  await process.advance(200)
  zhiji.block('category', goods(10, 1)[0].category)
  zhiji.track('open', 'sku13')
  const ids = Array.from(zhiji.retrieve({ seen: true }).ids)
  assert.deepEqual([ids[0], ids.length, ids.includes('sku10')], ['sku3', 39, false])
})

test('it fails open: no engine, no consent, no personalisation, a model without a catalogue', async () => {
  const none = await openShop(new Phone().start({ wasm: 'refuse' }))
  assert.equal(JSON.stringify(none.retrieve({ count: 3 })), '{"ids":[],"degraded":"NO_WASM"}')
  const starter = new Phone().start()
  const plain = await openAgreed(starter)
  plain.items.upsert(starter.own(goods(0, 5)))
  plain.track('open', 'sku1')
  assert.equal(JSON.stringify(plain.retrieve()), '{"ids":[],"degraded":""}')
  const { zhiji, find } = await shopWith()
  zhiji.track('open', 'sku3')
  assert.equal(find({ count: 3 }).length, 3)
  zhiji.personalisation(false)
  assert.deepEqual(find({ count: 3 }), [])
})

test('each task of the model is predicted, with the probability by which it ranks', async () => {
  const { process, zhiji, heard } = await shopWith()
  zhiji.track('open', 'sku3')
  zhiji.items.upsert(process.own(goods(13, 2)))
  const [like, other] = ['sku13', 'sku14'].map((id) => zhiji.predict(id))
  assert.deepEqual([like.length, like[0].label, other[0].label], [1, 'click', 'click'])
  assert.ok(like[0].probability > other[0].probability && other[0].probability > 0 && like[0].probability < 1)
  assert.deepEqual(Array.from(zhiji.predict('nothing')), [])
  assert.deepEqual(heard, [], 'nothing is known of it, and that is no failure')
})
