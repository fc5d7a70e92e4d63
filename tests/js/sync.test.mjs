import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { bundleOf, deltaOf, manifest, NEXT_KEY, publish, putRoot, renew, root, rotate } from './harness/publisher.mjs'
import { goods, openAgreed, openShop } from './harness/shop.mjs'

const requests = (process) => process.outbound.filter((call) => call.name === 'wx.request')
/** What was asked for, and how long after the first: `[['2.root.json', 0], …]`. */
const asked = (process) => requests(process).map((call) => [JSON.parse(call.args).url.replace('https://cdn.example.com/shop/', ''), call.atMs - requests(process)[0].atMs])
const names = (process) => asked(process).map(([name]) => name.replace(/^bundles.*/, 'bundle'))

test('a new model goes live without a reload, and is there again after a restart', async () => {
  const phone = new Phone()
  publish(phone, { version: 3 })
  const process = phone.start()
  const zhiji = await openAgreed(process, { manifest, root })
  assert.equal(zhiji.diagnostics().sync.version, 0)
  await process.advance(5000)
  assert.equal(zhiji.diagnostics().sync.version, 3)
  assert.deepEqual(asked(process).map(([, afterMs]) => afterMs), [0, 0, 2000])
  assert.deepEqual(names(process), ['2.root.json', 'manifest.json', 'bundle'])
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
  assert.deepEqual(names(again), ['2.root.json', 'manifest.json'])
  again.kill()
  publish(phone, { version: 4, bias: 0.25 })
  const newer = phone.start()
  const zhiji = await openShop(newer, { manifest, root })
  await newer.advance(5000)
  assert.equal(zhiji.diagnostics().sync.version, 4)
})

const DELTAS = [
  ['that makes the bundle is all that is fetched', {}, [['delta', 2000]]],
  ['that is not there costs a request', { delta: 404 }, [['delta', 2000], ['bundle', 4000]]],
  ['that makes something else costs a request', { delta: deltaOf(bundleOf(0.5), bundleOf(0.75)) }, [['delta', 2000], ['bundle', 4000]]],
  ['that is cut off costs a request', { delta: deltaOf(bundleOf(0.5), bundleOf(0.25)).subarray(0, 9) }, [['delta', 2000], ['bundle', 4000]]],
  ['from a bundle that this phone never had is passed over', { from: 0.125 }, [['bundle', 2000]]],
]
for (const [name, how, fetched] of DELTAS) {
  test(`a delta ${name}`, async () => {
    const phone = new Phone()
    publish(phone, { version: 3 })
    const first = phone.start()
    await openAgreed(first, { manifest, root })
    await first.advance(5000)
    first.kill()
    publish(phone, { version: 4, bias: 0.25, from: 0.5, ...how })
    const heard = []
    const process = phone.start()
    const zhiji = await openShop(process, { manifest, root, onError: (failure) => heard.push(failure.code) })
    await process.advance(7000)
    assert.equal(zhiji.diagnostics().sync.version, 4)
    assert.deepEqual(asked(process).slice(2).map(([name, afterMs]) => [name.replace(/s\/.*/, ''), afterMs]), fetched)
    assert.deepEqual(heard, [])
    process.kill()
    phone.network.clear()
    assert.equal((await openShop(phone.start(), { manifest, root })).diagnostics().sync.version, 4)
  })
}

test('a delta whose base the client took away: the bundle is fetched whole', async () => {
  const phone = new Phone()
  publish(phone, { version: 3 })
  const first = phone.start()
  await openAgreed(first, { manifest, root })
  await first.advance(5000)
  first.hide()
  await first.advance(7 * 3600 * 1000)
  publish(phone, { version: 4, bias: 0.25, from: 0.5 })
  phone.disk.remove('bundle-')
  first.show()
  await first.advance(7000)
  assert.deepEqual(names(first).slice(4).map((name) => name.replace(/s\/.*/, '')), ['manifest.json', 'delta', 'bundle'])
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

test('a root signed by the old and the new key is followed, kept, and what the new key has signed is taken', async () => {
  const phone = new Phone()
  rotate(phone)
  publish(phone, { version: 3, key: NEXT_KEY })
  const first = phone.start()
  const heard = []
  const onError = (failure) => heard.push(failure.code)
  const zhiji = await openAgreed(first, { manifest, root, onError })
  await first.advance(7000)
  assert.deepEqual(asked(first).map(([, afterMs]) => afterMs), [0, 0, 2000, 4000])
  assert.deepEqual(names(first), ['2.root.json', 'manifest.json', '3.root.json', 'bundle'])
  assert.deepEqual({ ...zhiji.diagnostics().sync, arm: 0 }, { version: 3, root: 2, arm: 0, stale: false })
  // The same process knows where it is.
  first.hide()
  await first.advance(7 * 3600 * 1000)
  first.show()
  await first.advance(5000)
  assert.deepEqual(names(first).slice(4), ['3.root.json', 'manifest.json'])
  first.kill()

  // Whoever holds the second root back brings the first key not back into force.
  phone.network.clear()
  publish(phone, { version: 4, bias: 0.25 })
  const withheld = phone.start()
  const later = await openShop(withheld, { manifest, root, onError })
  assert.equal(later.diagnostics().sync.root, 2)
  await withheld.advance(5000)
  assert.deepEqual(heard, ['SIGNATURE'])
  assert.equal(later.diagnostics().sync.version, 3)
  withheld.kill()

  // A start asks for the root after the embedded one before it has read anything, and goes on from the one it has.
  rotate(phone)
  publish(phone, { version: 5, bias: 0.125, key: NEXT_KEY })
  const third = phone.start()
  const newest = await openShop(third, { manifest, root, onError })
  await third.advance(7000)
  assert.deepEqual(names(third), ['2.root.json', 'manifest.json', '3.root.json', 'bundle'])
  assert.equal(newest.diagnostics().sync.version, 5)
  assert.deepEqual(heard, ['SIGNATURE'])
})

test('a forged root is refused, and the trusted one goes on: its manifest is taken, the forger\'s is not', async () => {
  const phone = new Phone()
  rotate(phone, { forged: true })
  publish(phone, { version: 3 })
  const heard = []
  const first = phone.start()
  const zhiji = await openAgreed(first, { manifest, root, onError: (failure) => heard.push(failure.code) })
  await first.advance(5000)
  assert.deepEqual(heard, ['SIGNATURE'])
  assert.deepEqual(names(first), ['2.root.json', 'manifest.json', 'bundle'])
  assert.deepEqual([zhiji.diagnostics().sync.version, zhiji.diagnostics().sync.root], [3, 1])
  first.kill()
  assert.deepEqual(phone.disk.names('/root'), [])
  publish(phone, { version: 4, bias: 0.25, key: NEXT_KEY })
  const second = phone.start()
  const again = await openShop(second, { manifest, root, onError: (failure) => heard.push(failure.code) })
  await second.advance(5000)
  assert.deepEqual(heard, ['SIGNATURE', 'SIGNATURE', 'SIGNATURE'])
  assert.deepEqual([again.diagnostics().sync.version, again.diagnostics().sync.root], [3, 1])
})

test('a server that answers whatever it is asked: the page that it sends for a root is refused once in a round', async () => {
  const phone = new Phone()
  publish(phone)
  for (let version = 2; version < 40; version++) putRoot(phone, version, '<html>')
  const heard = []
  const process = phone.start()
  const zhiji = await openAgreed(process, { manifest, root, onError: (failure) => heard.push(failure.code) })
  await process.advance(5000)
  assert.deepEqual(heard, ['MANIFEST_MALFORMED'])
  assert.deepEqual(names(process), ['2.root.json', 'manifest.json', 'bundle'])
  assert.equal(zhiji.diagnostics().sync.version, 1)
})

test('at most sixteen roots are followed in one round; the next round goes on, and so does a restart', async () => {
  const phone = new Phone()
  publish(phone)
  renew(phone, 20)
  const process = phone.start()
  const zhiji = await openAgreed(process, { manifest, root })
  await process.advance(60000)
  assert.deepEqual([zhiji.diagnostics().sync.root, zhiji.diagnostics().sync.version], [17, 1])
  assert.equal(names(process).filter((name) => name.endsWith('root.json')).length, 17)
  await process.advance(7 * 3600 * 1000)
  process.show()
  await process.advance(60000)
  assert.equal(zhiji.diagnostics().sync.root, 20)
  assert.ok(asked(process).slice(0, 18).every(([, afterMs]) => afterMs % 2000 === 0), 'a root was asked for off the grid')
  process.kill()
  const later = phone.start()
  await openShop(later, { manifest, root })
  await later.advance(5000)
  assert.deepEqual(names(later), ['2.root.json', 'manifest.json', '21.root.json'])
})

test('a bundle refused for its contents is not fetched again, nor after a restart; the next one is', async () => {
  const phone = new Phone()
  publish(phone, { version: 3, space: 'courses' })
  const heard = []
  const onError = (failure) => heard.push(failure.code)
  const first = phone.start()
  await openAgreed(first, { manifest, root, onError })
  await first.advance(5000)
  assert.deepEqual(heard, ['WRONG_SPACE'])
  assert.equal(names(first).filter((name) => name === 'bundle').length, 1)
  first.kill()
  publish(phone, { version: 4, space: 'courses' })
  const second = phone.start()
  await openShop(second, { manifest, root, onError })
  await second.advance(5000)
  assert.deepEqual(names(second), ['2.root.json', 'manifest.json'])
  assert.deepEqual(heard, ['WRONG_SPACE'])
  second.kill()
  publish(phone, { version: 5 })
  const third = phone.start()
  const zhiji = await openShop(third, { manifest, root, onError })
  await third.advance(5000)
  assert.equal(zhiji.diagnostics().sync.version, 5)
})

test('no network, and a status that is not 200: NETWORK after a few tries, and the page goes on', async () => {
  for (const answer of [undefined, 404, 304]) {
    const phone = new Phone()
    if (answer) phone.network.set(manifest, answer)
    const heard = []
    const process = phone.start()
    const zhiji = await openAgreed(process, { manifest, root, onError: (failure) => heard.push(failure.code) })
    await process.advance(120000)
    assert.deepEqual(heard, ['NETWORK'])
    assert.deepEqual(names(process), ['2.root.json', ...Array(4).fill('manifest.json')])
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
    assert.match(url, /^https:\/\/cdn\.example\.com\/shop\/(2\.root\.json|manifest\.json|bundles\/[0-9a-f]{64}\.safetensors)$/)
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
