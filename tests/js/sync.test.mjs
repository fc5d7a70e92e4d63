import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { manifest, publish, root } from './harness/publisher.mjs'
import { goods, openAgreed, openShop } from './harness/shop.mjs'

const requests = (process) => process.outbound.filter((call) => call.name === 'wx.request')

test('a new model goes live without a reload, and is there again after a restart', async () => {
  const phone = new Phone()
  publish(phone, { version: 3 })
  const process = phone.start()
  const zhiji = await openAgreed(process, { manifest, root })
  assert.equal(zhiji.diagnostics().sync.version, 0)
  await process.advance(5000)
  assert.equal(zhiji.diagnostics().sync.version, 3)
  assert.deepEqual(requests(process).map((call) => call.atMs - requests(process)[0].atMs), [0, 2000])
  process.kill()
  phone.network.clear()
  const later = await openShop(phone.start(), { manifest, root })
  assert.equal(later.diagnostics().sync.version, 3)
})

test('a newer version replaces it; the same one is not fetched again', async () => {
  const phone = new Phone()
  publish(phone, { version: 3 })
  const first = phone.start()
  await openAgreed(first, { manifest, root })
  await first.advance(5000)
  first.kill()
  const again = phone.start()
  await openShop(again, { manifest, root })
  await again.advance(5000)
  assert.equal(requests(again).length, 1)
  again.kill()
  publish(phone, { version: 4, bias: 0.25 })
  const newer = phone.start()
  const zhiji = await openShop(newer, { manifest, root })
  await newer.advance(5000)
  assert.equal(zhiji.diagnostics().sync.version, 4)
})

const REFUSED = [
  ['forged', { forged: true }, 'SIGNATURE'],
  ['older', { version: 2 }, 'ROLLBACK'],
  ['expired', { manifest: { expiresMs: 1700000000000 } }, 'EXPIRED'],
  ['of another space', { manifest: { space: 'courses' } }, 'WRONG_SPACE'],
  ['for a newer engine', { manifest: { minEngine: '99.0.0' } }, 'ENGINE_TOO_OLD'],
  ['with another bundle', { bundle: Uint8Array.of(1, 2, 3) }, 'BUNDLE_LENGTH'],
]
for (const [name, how, code] of REFUSED) {
  test(`an update that is ${name}: ${code}, and the last good model stays`, async () => {
    const phone = new Phone()
    publish(phone, { version: 3 })
    const first = phone.start()
    await openAgreed(first, { manifest, root })
    await first.advance(5000)
    first.kill()
    publish(phone, Object.assign({ version: 5, bias: 0.25 }, how))
    const heard = []
    const process = phone.start()
    const zhiji = await openShop(process, { manifest, root, onError: (failure) => heard.push(failure.code) })
    await process.advance(5000)
    assert.deepEqual(heard, [code])
    assert.equal(zhiji.diagnostics().sync.version, 3)
    assert.equal(zhiji.rank(process.own(goods(0, 5))).degraded, '')
  })
}

test('no network, and a status that is not 200: NETWORK after a few tries, and the page goes on', async () => {
  for (const answer of [undefined, 404, 304]) {
    const phone = new Phone()
    if (answer) phone.network.set(manifest, answer)
    const heard = []
    const process = phone.start()
    const zhiji = await openAgreed(process, { manifest, root, onError: (failure) => heard.push(failure.code) })
    await process.advance(120000)
    assert.deepEqual(heard, ['NETWORK'])
    assert.equal(requests(process).length, 4)
    assert.equal(zhiji.diagnostics().degraded, '')
    const first = requests(process)[0].atMs
    assert.ok(requests(process).every((call) => (call.atMs - first) % 2000 === 0), 'a retry left off the grid')
  }
})

test('requests are plain: GET, an address, nothing else', async () => {
  const phone = new Phone()
  publish(phone)
  const process = phone.start()
  await openAgreed(process, { manifest, root })
  await process.advance(5000)
  for (const call of requests(process)) {
    const { url, ...rest } = JSON.parse(call.args)
    assert.deepEqual(rest, { method: 'GET', responseType: 'arraybuffer', timeout: 15000 })
    assert.match(url, /^https:\/\/cdn\.example\.com\/shop\/(manifest\.json|bundles\/[0-9a-f]{64}\.safetensors)$/)
  }
})

test('no random numbers: told by name, everything else works', async () => {
  const heard = []
  const process = new Phone().start({ random: false })
  const zhiji = await openAgreed(process, { onError: (failure) => heard.push(failure.code) })
  assert.deepEqual(heard, ['NO_RANDOM'])
  zhiji.items.upsert(process.own(goods(0, 3)))
  assert.equal(zhiji.track('open', 'sku1'), true)
})
