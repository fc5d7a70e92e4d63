// The personal head comes back in slices that leave the page its frames.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { goods, openAgreed, openShop } from './harness/shop.mjs'

const SLICE_MS = 8

/** Every call of the engine's `adapt`: how long it took, and whether the head was whole after it. */
function slicesOf(process) {
  const slices = []
  const { clock } = process.phone
  process.onEngine = (Engine) => {
    const { adapt } = Engine.prototype
    Engine.prototype.adapt = function timed(events) {
      const before = clock.nowMs
      const whole = adapt.call(this, events)
      slices.push({ events, tookMs: clock.nowMs - before, whole })
      return whole
    }
  }
  return slices
}

test('after a start without a snapshot the head is made in slices of at most half a frame', async () => {
  const phone = new Phone()
  const first = phone.start()
  const zhiji = await openAgreed(first)
  zhiji.items.upsert(first.own(goods(0, 40)))
  for (let at = 0; at < 1200; at++) {
    zhiji.track(at % 3 === 2 ? 'open' : 'impression', `sku${at % 40}`)
    await first.advance(5000)
  }
  zhiji.flush()
  await first.advance(200)
  first.kill()
  for (const name of phone.disk.names()) if (/snapshot/.test(name)) phone.disk.remove(name)

  const later = phone.start({ msPerEvent: 0.2 })
  const slices = slicesOf(later)
  await openShop(later)
  await later.advance(2000)
  const work = slices.filter((slice) => slice.tookMs > 0)
  assert.ok(slices[slices.length - 1].whole, 'the head is whole in the end')
  assert.ok(slices.slice(0, work.length - 1).every((slice) => !slice.whole), 'and was not before')
  // The first slice finds out how fast this phone is; times are read in whole milliseconds.
  assert.ok(work.length > 10 && work.slice(1).every((slice) => slice.tookMs <= SLICE_MS + 1), JSON.stringify(work))
  assert.ok(later.engines.some((engine) => engine.report().learned >= 256))
})
