// A phone that is slow ranks by a lighter tier of the model, and by the fuller one again once it can.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { manifest, publish, root } from './harness/publisher.mjs'
import { goods, openAgreed, shopFor } from './harness/shop.mjs'

const ids = (items) => Array.from(items, (item) => item.id)

/**
 * A shop under a bundle of so many tiers, on a phone whose rankings take the given times by tier; the times may be changed later.
 * @param {number[]} times @param {any} [more]
 */
async function shopOn(times, more) {
  const phone = new Phone()
  publish(phone, { version: 1, tiers: times.length })
  const process = phone.start({ rankMs: (tier) => times[tier] })
  const zhiji = await openAgreed(process, Object.assign({ manifest, root }, more))
  await process.advance(5000)
  const items = process.own(goods(0, 20))
  zhiji.items.upsert(items)
  shopFor(zhiji, '图书', items)
  const candidates = process.own(goods(20, 20))
  const rank = () => zhiji.rank(candidates, { surface: 'home', slots: 4 })
  /** The tiers of the next so many slates. */
  const tiers = (count) => Array.from({ length: count }, () => rank().tier).join('')
  return { phone, process, zhiji, times, tiers, rank }
}

test('a fast phone stays on the fullest tier', async () => {
  const { zhiji, tiers } = await shopOn([8, 2, 1])
  assert.equal(tiers(40), '0'.repeat(40))
  const { report, budgetMs } = zhiji.diagnostics()
  assert.deepEqual([report.tier, report.tiers, budgetMs], [0, 3, 8])
})

test('one slow ranking is an accident; two in a row, or one beyond all measure, step down', async () => {
  const { times, tiers } = await shopOn([9, 1, 1])
  assert.equal(tiers(1), '0')
  times[0] = 5
  assert.equal(tiers(1), '0')
  times[0] = 9
  assert.equal(tiers(3), '001')
  const hopeless = await shopOn([40, 40, 1])
  assert.equal(hopeless.tiers(3), '012')
})

test('the last tier ranks however slow it is', async () => {
  const { tiers, zhiji } = await shopOn([90, 60, 50])
  assert.equal(tiers(30), '01' + '2'.repeat(28))
  assert.equal(zhiji.diagnostics().report.tier, 2)
})

test('a model of one tier keeps it', async () => {
  const { tiers } = await shopOn([500])
  assert.equal(tiers(30), '0'.repeat(30))
})

test('after enough fast rankings the fuller tier is tried, kept where it is fast enough, and left at once where not', async () => {
  const { times, tiers } = await shopOn([20, 3, 1])
  // Two slow ones, four fast ones, a trial of one, then eight fast ones.
  assert.equal(tiers(16), '00' + '1111' + '0' + '11111111' + '0')
  times[0] = 7
  assert.equal(tiers(60), '1'.repeat(16) + '0'.repeat(44))
})

test('times between half the budget and the whole keep a tier where it is', async () => {
  const { tiers } = await shopOn([20, 6, 1])
  assert.equal(tiers(40), '00' + '1'.repeat(38))
})

test('a phone on which the fuller tier never fits does not go to and fro', async () => {
  const { tiers } = await shopOn([20, 2, 1])
  const sequence = tiers(1000)
  assert.ok(sequence.split('0').length - 1 <= 10, sequence)
  assert.ok(!sequence.slice(500).includes('00'), 'a trial is one slate')
})

test('a slate is of one tier, and what a feed has handed out stays as it is', async () => {
  const { process, zhiji } = await shopOn([40, 40, 1])
  const feed = zhiji.feed('home')
  feed.push(process.own(goods(20, 40)))
  const first = feed.next(5)
  const before = JSON.stringify(first)
  const all = ids(first)
  for (let batch = 0; batch < 4; batch++) all.push(...ids(feed.next(5)))
  assert.equal(zhiji.diagnostics().report.tier, 2)
  assert.equal(JSON.stringify(first), before)
  assert.equal(new Set(all).size, 25)
})

test('the budget is the page\'s to say', async () => {
  const generous = await shopOn([20, 2, 1], { frameBudgetMs: 30 })
  assert.equal(generous.tiers(20), '0'.repeat(20))
  const strict = await shopOn([5, 1, 1], { frameBudgetMs: 4 })
  assert.equal(strict.tiers(4), '0011')
  const senseless = await shopOn([9, 1, 1], { frameBudgetMs: NaN })
  assert.equal(senseless.zhiji.diagnostics().budgetMs, 8)
})

test('a new model begins with its fullest tier, and so does a start', async () => {
  const { phone, process, zhiji, times, tiers } = await shopOn([40, 40, 1])
  assert.equal(tiers(3), '012')
  times.splice(0, 3, 2, 1, 1)
  publish(phone, { version: 2, bias: 0.25, tiers: 3 })
  process.hide()
  await process.advance(7 * 3600 * 1000)
  process.show()
  await process.advance(10000)
  assert.equal(zhiji.diagnostics().sync.version, 2)
  assert.equal(tiers(3), '000')
  times.splice(0, 3, 40, 40, 1)
  assert.equal(tiers(3), '012')
  process.kill()
  const again = phone.start({ rankMs: () => 1 })
  const later = await openAgreed(again, { manifest, root })
  assert.equal(later.rank(again.own(goods(20, 20)), { surface: 'home', slots: 4 }).tier, 0)
})

test('the page\'s own order is of no tier and says nothing about the phone', async () => {
  const { process, tiers, zhiji, rank } = await shopOn([20, 2, 1])
  assert.equal(tiers(3), '001')
  zhiji.personalisation(false)
  assert.ok(Array.from({ length: 50 }, () => rank().tier).every((tier) => tier === -1))
  zhiji.personalisation(true)
  await process.advance(500)
  // Fifty rankings that cost nothing were no reason to step up; four of the model are, the first of which was before.
  assert.equal(tiers(4), '1110')
})
