// The package's components as they are drawn in the shop, under a finger, in headless Chromium.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BATCH, ids, stage } from './stage.mjs'

let scene
before(async () => { scene = await stage('components') })
after(() => scene.close())

/** A test on a phone of its own, whose owner has agreed. No page may fail on it. */
function agreedTest(name, work) {
  test(name, async () => {
    const shop = await scene.shop()
    await shop.answer(true)
    await shop.list()
    await work(shop)
    assert.deepEqual(shop.complaints, [])
    assert.deepEqual(await shop.host('errors'), [])
  })
}

const server = (count) => ids(scene.order.slice(0, count))
const named = (name) => `[class*="--zhiji-feed__${name}"]`
const of = (events, action) => events.filter((event) => event.action === action)

/** Longer than a card must be in view to count. */
const GLANCE_MS = 500
/** How long a busy machine may take to count it. */
const PATIENCE_MS = 20_000

/** Stays on the list until so many impressions are on record, of one item or of all, and gives them. */
async function impressions(shop, count, item) {
  const patient = Date.now() + PATIENCE_MS
  for (;;) {
    await shop.page.waitForTimeout(GLANCE_MS)
    const seen = of(await shop.events(), 'impression').filter(({ id }) => item === undefined || id === item)
    if (seen.length >= count || Date.now() > patient) return seen
  }
}

/** Holds a finger on a card and takes the first of what is offered. */
async function dislike(shop, id) {
  await shop.press(shop.card(id))
  await shop.page.locator(named('choice')).filter({ hasText: '不感兴趣' }).tap()
  await shop.at(named('gone')).filter({ hasText: '已减少这类推荐' }).waitFor()
}

/** Where a card begins in the list, how high it is, and how high the page's area is. */
const placeOf = (shop, id) => shop.card(id).evaluate((card) => {
  const cell = card.closest('[class*="--zhiji-feed__cell"]')
  const scroller = card.closest('.scroller')
  const { top, height } = cell.getBoundingClientRect()
  return { top: top - scroller.getBoundingClientRect().top + scroller.scrollTop, height, area: scroller.clientHeight }
})

/** Scrolls until so much of a card stands above the lower edge. */
async function reveal(shop, id, share) {
  const { top, height, area } = await placeOf(shop, id)
  await shop.host('scrollTo', top + share * height - area)
}

agreedTest('a long press, 不感兴趣: the card keeps its place, says so, and its goods never come again', async (shop) => {
  const unwanted = server(BATCH)[3]
  await dislike(shop, unwanted)
  assert.deepEqual(ids(await shop.list()), server(BATCH), 'a card has moved')
  // Neither the press nor a tap beside the words on what is gone opens the item.
  await shop.card(unwanted).tap({ force: true, position: { x: 8, y: 8 } })
  assert.equal((await shop.host('pages')).length, 1)
  assert.deepEqual(of(await shop.events(), 'hide').map(({ id, reason }) => [id, reason]), [[unwanted, 1]])
  assert.ok(!ids(await shop.refresh()).includes(unwanted))
  assert.ok(!ids(await shop.scroll(6 * BATCH)).includes(unwanted))
  await shop.host('hide')
  await shop.written(/log-/)
  await shop.reopen()
  await shop.consent('已同意')
  await shop.tab('home', (data) => data.list)
  assert.ok(!ids(await shop.refresh()).includes(unwanted), 'after a restart')
})

agreedTest('undone, it was never said: no event is left, and the first order returns exactly', async (shop) => {
  const card = server(BATCH)[3]
  await dislike(shop, card)
  await shop.at(named('undo')).tap()
  await shop.page.locator(named('gone')).waitFor({ state: 'detached' })
  assert.deepEqual(of(await shop.events(), 'hide'), [])
  assert.deepEqual(ids(await shop.refresh()), server(BATCH))
  await shop.open(card)
})

agreedTest('a card is one impression, however often it comes and goes', async (shop) => {
  await shop.scroll(2 * BATCH)
  const ends = [server(8)[7], server(8)[0]]
  for (const id of ends) {
    await reveal(shop, id, 1)
    assert.equal((await impressions(shop, 1, id)).length, 1)
  }
  for (const id of [...ends, ...ends]) {
    await reveal(shop, id, 1)
    await shop.page.waitForTimeout(GLANCE_MS)
  }
  const seen = (await impressions(shop, 8)).map(({ id, slate }) => `${slate} ${id}`)
  assert.ok(seen.length >= 8, `${seen.length} impressions`)
  assert.deepEqual(seen.slice().sort(), Array.from(new Set(seen)).sort())
  // On the list that begins anew it is shown anew.
  await shop.refresh()
  assert.equal((await impressions(shop, 2, server(1)[0])).length, 2)
})

agreedTest('less than half a card is no impression, half of it is', async (shop) => {
  await shop.scroll(2 * BATCH)
  const id = server(12)[11]
  await reveal(shop, id, 0.4)
  assert.deepEqual(await impressions(shop, 0, id), [])
  await reveal(shop, id, 0.6)
  assert.equal((await impressions(shop, 1, id)).length, 1)
})

agreedTest('a card that flies past is no impression', async (shop) => {
  const list = ids(await shop.scroll(6 * BATCH))
  await shop.host('scrollTo', 0)
  await shop.page.waitForTimeout(500)
  /** Cards of the last rows. A machine that was busy meanwhile has shown one for longer than a glance: then the next is tried. */
  for (const id of list.slice(-8).reverse()) {
    const { top } = await placeOf(shop, id)
    const shownMs = await shop.page.evaluate(async (to) => {
      const frames = async () => { for (let frame = 0; frame < 3; frame++) await new Promise((done) => requestAnimationFrame(done)) }
      const began = performance.now()
      window.__mpHost.scrollTo(to)
      await frames()
      window.__mpHost.scrollTo(0)
      await frames()
      return performance.now() - began
    }, top - 100)
    await shop.page.waitForTimeout(500)
    if (shownMs > 250) continue
    assert.ok(!of(await shop.events(), 'impression').some((event) => event.id === id))
    await shop.host('scrollTo', top - 100)
    assert.equal((await impressions(shop, 1, id)).length, 1, 'the same card, looked at')
    return
  }
  assert.fail('the machine was too busy for a glance')
})

agreedTest('time on an item\'s page is recorded when it is left, and stands still while the shop is put away', async (shop) => {
  const [id] = server(1)
  await shop.open(id)
  assert.deepEqual(await shop.page.evaluate(() => window.__mpHost.pages().length), 2)
  await shop.host('clock.advance', 20000)
  await shop.host('hide')
  await shop.host('clock.advance', 3600000)
  await shop.host('show')
  await shop.host('clock.advance', 10000)
  await shop.back()
  const dwells = of(await shop.events(), 'dwell')
  assert.deepEqual(dwells.map((event) => event.id), [id])
  // What the machine itself took is a few seconds at most, an hour is another matter.
  assert.ok(dwells[0].dwellMs >= 30000 && dwells[0].dwellMs < 120000, String(dwells[0].dwellMs))
})
