// The fixture as a person uses it: lifecycles, components, gestures, scrolling, tabs, dialogs.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { host, reopen, stage, until } from './stage.mjs'

let scene
before(async () => { scene = await stage() })
after(() => scene.close())

const trail = (page) => page.evaluate(() => window.__mpTrail())
const withTrail = async (query, options) => {
  const page = await scene.open(query, options)
  await page.evaluate(() => {
    const app = window.__mpHost.app()
    window.__mpTrail = () => [...app.globalData.trail]
  })
  return page
}

/** After the browser has drawn, and told what came into sight. */
const drawn = (page) => page.evaluate(async () => {
  for (let frame = 0; frame < 3; frame++) await new Promise((done) => requestAnimationFrame(done))
  await new Promise((done) => setTimeout(done, 0))
})

/** Holds a finger on an element for a while. */
async function hold(page, selector, ms) {
  const box = await page.locator(selector).boundingBox()
  const cdp = await page.context().newCDPSession(page)
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [at] })
  await page.waitForTimeout(ms)
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
}

test('a list draws the card that the page names as a generic, with wxs, templates, slots, behaviours and external classes', async () => {
  const page = await scene.open()
  assert.equal(await page.locator('wx-card').count(), 10)
  const first = page.locator('[data-id="sku0"]')
  assert.match(await first.innerText(), /海盐焦糖 1 号/)
  assert.match(await first.innerText(), /¥9\.90/)
  assert.equal(await page.locator('.banner').innerText(), '今日上新')
  assert.equal(await page.locator('.foot').innerText(), '共 10 件')
  assert.equal(await page.locator('#head').innerText(), '为你推荐')
  const colour = (selector) => page.locator(selector).first().evaluate((element) => getComputedStyle(element).color)
  assert.equal(await colour('.accent'), 'rgb(212, 71, 47)')
  assert.equal(await colour('.slotted--head'), 'rgb(34, 34, 34)', "a page's .head does not reach into the component")
  assert.equal(await colour('[data-id="sku0"] wx-price-tag wx-text'), 'rgb(212, 71, 47)', 'the external class does')
  assert.deepEqual(await host(page, 'errors'), [])
})

test('lifecycles come in the order of the phone', async () => {
  const page = await withTrail()
  await page.locator('[data-id="sku1"] wx-view').first().tap()
  await until(page, (data) => data.from === 'home', 'the event of the opener')
  assert.deepEqual((await host(page, 'pages')).map(({ route, options }) => [route, options.id]), [['pages/home/home', undefined], ['pages/detail/detail', 'sku1']])
  await page.locator('#sku').tap()
  await until(page, (data) => data.bought === 'sku1', 'the event of the opened page')
  await host(page, 'hide')
  await host(page, 'show')
  assert.deepEqual(await trail(page), ['launch 1001', 'app show', 'home load', 'home show', 'list show', 'home ready', 'home hide', 'list hide',
    'home show', 'list show', 'home hide', 'list hide', 'app hide', 'app show', 'home show', 'list show'])
  assert.deepEqual(await host(page, 'errors'), [])
})

test('a long press is one event and no tap; a short one is a tap', async () => {
  const page = await scene.open()
  await hold(page, '[data-id="sku2"]', 450)
  const data = await until(page, ({ held }) => held === 'sku2', 'longpress')
  assert.equal(data.chosen, '')
  assert.equal((await host(page, 'pages')).length, 1)
  await hold(page, '[data-id="sku3"]', 0)
  await until(page, ({ id }) => id === 'sku3', 'tap')
})

test('a finger moves the page, but not from an element that catches its movement; opened again, the same', async () => {
  const page = await scene.open()
  const complaints = []
  page.on('console', (message) => { if (/preventDefault|cancel/.test(message.text())) complaints.push(message.text()) })
  /** Moves a finger upwards from an element, with the pauses of a hand. */
  const drag = async (selector) => {
    const box = await page.locator(selector).boundingBox()
    const cdp = await page.context().newCDPSession(page)
    const at = (up) => [{ x: box.x + box.width / 2, y: box.y + box.height / 2 - up }]
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0) })
    for (let up = 10; up <= 100; up += 10) {
      await cdp.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(up) })
      await page.waitForTimeout(20)
    }
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
    await page.waitForTimeout(200)
    return host(page, 'scrollTop')
  }
  for (const start of ['first', 'second']) {
    if (start === 'second') await reopen(page)
    assert.equal(await drag('#still'), 0, `${start} start`)
    assert.ok(await drag('[data-id="sku2"]') >= 50, `${start} start`)
  }
  assert.deepEqual(complaints, [])
})

test('an element wears its hover-class while it is touched', async () => {
  const page = await scene.open('&start=pages/detail/detail%3Fid%3Dsku3')
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: 100, y: 70 }] })
  await page.waitForFunction(() => getComputedStyle(document.querySelector('#sku')).backgroundColor === 'rgb(230, 230, 230)')
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchCancel', touchPoints: [] })
  await page.waitForFunction(() => getComputedStyle(document.querySelector('#sku')).backgroundColor !== 'rgb(230, 230, 230)')
})

test('reaching the bottom loads more, and exposure tells each card once, with its dataset', async () => {
  const page = await scene.open()
  const before = await until(page, ({ seen }) => seen.length >= 4, 'exposures')
  assert.equal(before.seen[0], 'sku0')
  assert.equal(before.seen.includes('sku9'), false, 'a card below the edge was not seen')
  await host(page, 'scrollToBottom')
  const after = await until(page, ({ list, seen }) => list.length === 20 && seen.includes('sku9'), 'more cards')
  assert.equal(new Set(after.seen).size, after.seen.length)
  await host(page, 'scrollToBottom')
  await until(page, ({ list }) => list.length === 30, 'still more cards')
  assert.deepEqual(await host(page, 'errors'), [])
})

test('an intersection observer tells crossings of its thresholds, within its margins, and nothing else', async () => {
  const page = await scene.open()
  const ratios = (action) => page.evaluate(action)
  await ratios(() => {
    window.told = []
    window.observer = window.__mpHost.page().createIntersectionObserver({ thresholds: [0, 0.5, 1] })
    window.observer.relativeToViewport({ top: -20 }).observe('.banner', ({ intersectionRatio }) => window.told.push(intersectionRatio))
  })
  const rect = await page.evaluate(() => new Promise((done) => {
    window.__mpHost.wx().createSelectorQuery().select('.banner').boundingClientRect(done).exec()
  }))
  assert.equal(rect.top, 12, 'positions count from the top of the page area')
  // The upper margin takes 20 px off the page area, so this much of the banner is left after scrolling by `top`.
  const share = (top) => (rect.top + rect.height - top - 20) / rect.height
  const seen = []
  for (const top of [0, 5, 20, 30, 45, 50, 200, 0]) {
    await host(page, 'scrollTo', top)
    await drawn(page)
    seen.push(await page.evaluate(() => window.told.splice(0).map((ratio) => Math.round(ratio * 100))))
  }
  const crossed = (before, after) => [0, 0.5, 1].some((limit) => (limit ? (before >= limit) !== (after >= limit) : (before > 0) !== (after > 0)))
  const clamp = (ratio) => Math.min(1, Math.max(0, ratio))
  let before = 0
  const expected = [0, 5, 20, 30, 45, 50, 200, 0].map((top) => {
    const now = clamp(share(top))
    const told = crossed(before, now) ? [Math.round(now * 100)] : []
    before = now
    return told
  })
  assert.deepEqual(seen, expected)
  assert.equal(expected.filter((told) => told.length).length >= 4, true)
  await ratios(() => {
    window.observer.disconnect()
    const watch = (selector, settings) => window.__mpHost.page().createIntersectionObserver(settings).relativeToViewport()
      .observe(selector, ({ id }) => window.told.push(`${selector} ${id}`))
    watch('#head', { thresholds: [0.5], initialRatio: 1 })
    watch('.foot', { thresholds: [0.5] })
  })
  await drawn(page)
  assert.deepEqual(await ratios(() => window.told), [], 'what is as the page said it was at first is not told')
  await host(page, 'scrollTo', 130)
  await drawn(page)
  assert.deepEqual(await ratios(() => window.told.splice(0)), ['#head head'])
  await host(page, 'scrollTo', 0)
  await drawn(page)
  assert.deepEqual(await ratios(() => window.told.splice(0)), ['#head head'])
})

test('tabs keep their pages; a tab page is no target of navigateTo', async () => {
  const page = await withTrail()
  await page.locator('.tab', { hasText: '我的' }).tap()
  await page.locator('#save').waitFor()
  assert.deepEqual((await host(page, 'pages')).map(({ route }) => route), ['pages/mine/mine'])
  await page.locator('.tab', { hasText: '货架' }).tap()
  await page.locator('[data-id="sku0"]').waitFor()
  assert.deepEqual((await trail(page)).filter((entry) => /home (load|unload|hide|show)/.test(entry)), ['home load', 'home show', 'home hide', 'home show'])
})

test('input, switch, swiper, scroll-view, image and modal answer as on the phone', async () => {
  const page = await scene.open('&start=pages/mine/mine')
  await page.locator('#note input').fill('早')
  await until(page, ({ note }) => note === '早', 'model:value')
  await page.locator('wx-switch').tap()
  await until(page, ({ on }) => on === true, 'switch')
  await page.locator('#strip > .inner').evaluate((element) => element.scrollTo(0, 1000))
  await until(page, ({ lower, picture }) => lower === 1 && picture === 20, 'scrolltolower and load')
  await page.locator('#ask').tap()
  await page.locator('#modal .confirm').tap()
  await until(page, ({ answer }) => answer === 'yes', 'modal')
  assert.deepEqual(await host(page, 'errors'), [])
})

test('the page area ends above the tab bar, and vh and fixed elements belong to it', async () => {
  const page = await scene.open()
  const heights = await page.evaluate(() => ({ stage: document.querySelector('#stage').clientHeight, window: innerHeight }))
  assert.equal(heights.stage, heights.window - 44 - 50)
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('#stage')).getPropertyValue('--mp-vh')), `${heights.stage / 100}px`)
})

test('a subpackage page runs; the frame shows the same app and passes its controls on', async () => {
  const page = await scene.open('&start=extra/pages/extra/extra')
  assert.equal((await host(page, 'data')).sum, 5)
  await page.goto(`${scene.server.url}/`)
  await page.frameLocator('#screen').locator('[data-id="sku0"]').waitFor()
  assert.equal((await host(page, 'pages'))[0].route, 'pages/home/home')
})

test('a mini-program that does not start says why', async () => {
  await assert.rejects(() => scene.open('&start=pages/nowhere'), /page "pages\/nowhere" is not found/)
})

test('an error in page code is shown and recorded with its place', async () => {
  const page = await withTrail('&start=pages/mine/mine')
  assert.equal(await page.locator('#errors').isVisible(), false)
  await page.locator('#boom').tap()
  await page.locator('#errors').waitFor()
  const [error] = await host(page, 'errors')
  assert.match(error.message, /boom/)
  assert.match(error.stack, /pages\/mine\/mine\.js:\d+/)
  assert.equal((await trail(page)).at(-1), 'error boom')
})
