// The shop as a person uses it, in headless Chromium: asked, refused, agreed, killed, without wasm, on a full phone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BATCH, ids, part, stage } from './stage.mjs'

const CJK = /[\u3400-\u9fff]/
const WARM = 40

let scene
before(async () => { scene = await stage('shop') })
after(() => scene.close())

/**
 * A test on a phone of its own. Whatever happens on it, no page may fail, and the network may see shelves asked for in
 * their order and nothing else.
 */
function shopTest(name, query, work, options) {
  test(name, async () => {
    const shop = await scene.shop(query, options)
    await work(shop)
    assert.deepEqual(shop.complaints, [])
    const shelf = /^https:\/\/cdn\.example\.com\/shop\/catalogue\/(\d{3})\.json$/
    /** How often each shelf was asked for. @type {number[]} */
    const asked = []
    for (const { method, url, headers } of shop.server.requests) {
      assert.match(url, shelf)
      assert.deepEqual([method, headers['content-length']], ['GET', undefined])
      const number = Number(shelf.exec(url)[1])
      asked[number] = (asked[number] || 0) + 1
    }
    // Every start, and every pull, asks from the first shelf on; requests of one batch may arrive in any order.
    for (let number = 1; number < asked.length; number++) assert.ok(asked[number] <= asked[number - 1], `shelves asked for: ${asked}`)
    assert.ok(asked.length > 0)
  })
}

const server = (count, from = 0) => ids(scene.order.slice(from, from + count))
const shareOf = (list, category) => list.filter((item) => item.category === category).length

/** Sees forty goods and opens three of one category by taps; gives the category. */
async function fond(shop) {
  await shop.answer(true)
  const list = await shop.scroll(WARM)
  assert.deepEqual(ids(list), server(WARM), 'who only looked sees the order of the shop')
  const category = list.map((item) => item.category).find((name) => shareOf(list, name) >= 3)
  for (const item of list.filter((one) => one.category === category).slice(0, 3)) {
    await shop.open(item.id)
    await shop.back()
  }
  return category
}

/** A start that is killed before it writes anything, so that the next one finds the same record. */
const killedAtFirstAppend = () => { window.__mpFaults = [{ op: 'appendFile', mode: 'kill' }] }

shopTest('the first run asks, with two buttons of the same look and size', '', async (shop) => {
  await shop.until((data) => data.ask, 'the question')
  const look = (id) => shop.at(part(id)).evaluate((element) => {
    const { width, height, top } = element.getBoundingClientRect()
    const { color, backgroundColor, borderColor, borderWidth, fontSize, fontWeight, opacity, borderRadius } = getComputedStyle(element)
    return { width, height, top, color, backgroundColor, borderColor, borderWidth, fontSize, fontWeight, opacity, borderRadius }
  })
  const agree = await look('consent-agree')
  assert.deepEqual(await look('consent-refuse'), agree)
  assert.ok(agree.width > 120 && agree.height >= 44)
  assert.deepEqual(ids(await shop.list()), server(BATCH))
  // A tap beside the sheet decides nothing.
  await shop.page.touchscreen.tap(180, 60)
  assert.equal((await shop.host('data')).ask, true)
  assert.deepEqual(await shop.host('files.list'), {})
  // The sheet takes the movements of a finger for itself, and the list has them back afterwards.
  const up = [500, 460, 420, 380, 340, 300].map((y) => ({ x: 180, y }))
  await shop.finger(up)
  await shop.answer(false)
  await shop.finger(up)
  await shop.page.waitForFunction(() => window.__mpHost.scrollTop() > 0)
})

shopTest('refused: the whole shop works in its own order, and only the refusal is stored', '', async (shop) => {
  await shop.answer(false)
  assert.deepEqual(ids(await shop.scroll(20)), server(20))
  for (const id of server(3)) {
    await shop.open(id)
    await shop.tap('#cart')
    await shop.tap('#favourite')
    await shop.until((data) => data.favourite, 'the favourite')
    await shop.back()
  }
  assert.deepEqual(ids(await shop.scroll(40)), server(40))
  await shop.tab('mine', (data) => data.cart)
  const mine = await shop.host('data')
  assert.deepEqual([ids(mine.cart), ids(mine.favourites)], [server(3), server(3)])
  await shop.host('hide')
  await shop.host('show')
  await shop.written(/control-/)
  for (const name of Object.keys(await shop.host('files.list'))) assert.match(name, /^zhiji\/shop\/guest\/control-\d$/)
  assert.deepEqual(await shop.host('storage'), {})
  await shop.reopen()
  assert.deepEqual(ids(await shop.list()), server(BATCH))
  await shop.consent('未同意')
  await shop.tab('home', (data) => data.list)
  assert.equal((await shop.host('data')).ask, false, 'asked again')
})

shopTest('agreed and three goods of one category opened: the next batch has more of it, and says so', '', async (shop) => {
  const category = await fond(shop)
  const next = (await shop.scroll(WARM + BATCH)).slice(WARM)
  const before = shareOf(scene.order.slice(WARM, WARM + BATCH), category)
  assert.ok(shareOf(next, category) >= before + 2, `${shareOf(next, category)} of ${category}, ${before} in the order of the shop`)
  const first = next.find((item) => item.category === category)
  assert.match(await shop.card(first.id).innerText(), /合你心意/)
  assert.match(await shop.at('#home-mode').innerText(), /个性化已开启/)
})

shopTest('killed and opened again, the order is kept', '', async (shop) => {
  const category = await fond(shop)
  await shop.host('hide')
  await shop.written(/log-/)
  await shop.page.close()
  // The draws of the exploration come from the client's random numbers.
  const now = `&random=7&now=${Date.now() + 60000}`
  const killed = await shop.again(now, killedAtFirstAppend)
  const order = ids(await killed.list())
  await killed.page.close()
  const next = await shop.again(now)
  assert.deepEqual(ids(await next.list()), order)
  assert.ok(shareOf(await next.list(), category) > shareOf(scene.order.slice(0, BATCH), category))
  await next.page.close()
})

shopTest('the reasons name the interest; that interest deleted, the first order returns exactly', '', async (shop) => {
  const category = await fond(shop)
  const next = (await shop.scroll(WARM + BATCH)).slice(WARM)
  await shop.open(next.find((item) => item.category === category).id)
  await shop.tap('#why')
  const named = shop.page.locator('.why-sheet--why-reason').filter({ visible: true, hasText: `你最近对分类「${category}」感兴趣` })
  await named.locator('.why-sheet--why-forget').tap()
  await shop.until((data) => !data.why, 'the sheet to close')
  await shop.back()
  assert.deepEqual(ids(await shop.list()), server(BATCH))
  assert.deepEqual(ids(await shop.scroll(20)), server(20))
  await shop.consent('已同意')
  assert.equal(await shop.page.locator('.privacy--zhiji-privacy__interest').filter({ hasText: category }).count(), 0)
})

shopTest('an interest deleted in the privacy centre is gone from the list too', '', async (shop) => {
  const category = await fond(shop)
  await shop.tab('privacy')
  const interest = shop.page.locator('.privacy--zhiji-privacy__interest').filter({ hasText: new RegExp(`^\\s*${category}\\s*分类`) })
  await interest.waitFor()
  await interest.getByText('删除').tap()
  await interest.waitFor({ state: 'detached' })
  await shop.tab('home', (data) => data.list)
  assert.deepEqual(ids(await shop.list()), server(BATCH))
})

shopTest('the switch turned off: the order of the shop, at once; on again: the interests are back', '', async (shop) => {
  const category = await fond(shop)
  await shop.tab('mine', (data) => data.personal)
  await shop.tap('#personal')
  await shop.until((data) => !data.personal, 'the switch')
  await shop.tab('home', (data) => data.list)
  assert.deepEqual(ids(await shop.list()), server(BATCH))
  assert.match(await shop.at('#home-mode').innerText(), /默认顺序/)
  await shop.tab('mine', (data) => data.cart)
  await shop.tap('#personal')
  await shop.until((data) => data.personal, 'the switch')
  await shop.tab('home', (data) => data.list && data.personal)
  assert.ok(shareOf(await shop.list(), category) > shareOf(scene.order.slice(0, BATCH), category))
})

shopTest('every build gives the same slate from the same record', '', async (shop) => {
  await fond(shop)
  await shop.host('hide')
  await shop.written(/log-/)
  await shop.page.close()
  // The draws of the exploration come from the client's random numbers.
  const now = `&random=7&now=${Date.now() + 60000}`
  const slates = []
  for (const [query, build] of [['', /simd/], ['&wasm=instance', /simd/], ['&simd=refuse', /mvp/], ['&wasm=refuse', undefined]]) {
    // From another page, so that the list is made when the engine has started, however long that takes.
    const run = await shop.again(`&start=pages/privacy/privacy${now}${query}`, killedAtFirstAppend)
    await run.consent('已同意')
    await run.tab('home', (data) => data.list)
    const list = await run.list()
    const started = (await run.host('wasm')).filter((one) => one.outcome === 'ok').map((one) => one.path)
    assert.equal(started.length, build ? 1 : 0, query)
    if (build) assert.match(started[0], build)
    slates.push(list.map((item) => [item.id, item.__zhiji.reason, item.__zhiji.propensity]))
    await run.page.close()
  }
  for (const slate of slates.slice(1)) assert.deepEqual(slate, slates[0])
  assert.notDeepEqual(slates[0].map(([id]) => id), server(BATCH))
})

shopTest('wasm that never answers: first paint in the order of the shop, and the page is of use', '&wasm=never', async (shop) => {
  assert.deepEqual(ids(await shop.list()), server(BATCH))
  assert.equal((await shop.host('wasm'))[0].outcome, 'pending')
  assert.deepEqual(ids(await shop.scroll(30)), server(30))
  const [id] = server(1, 29)
  await shop.open(id)
  assert.equal(await shop.at('#item').getAttribute('data-id'), id)
  await shop.tap('#why')
  await shop.until((data) => data.why && data.reasons[0].code === 'PAGE_ORDER', 'the reasons')
  await shop.tap(part('why-close'))
  await shop.until((data) => !data.why, 'the sheet to close')
  await shop.back()
  assert.deepEqual(ids(await shop.list(30)), server(30))
})

shopTest('a card that is shown never moves, and nothing comes twice', '', async (shop) => {
  await shop.answer(true)
  const drawn = () => shop.page.evaluate(() => Array.from(document.querySelectorAll('[data-index][data-category]'))
    .map((element) => ({ id: element.dataset.id, index: Number(element.dataset.index), left: element.offsetLeft, top: element.getBoundingClientRect().top + window.__mpHost.scrollTop() })))
  let shown = []
  let places = new Map()
  for (let count = BATCH; count <= 6 * BATCH; count += BATCH) {
    const list = ids(await shop.scroll(count))
    assert.deepEqual(list.slice(0, shown.length), shown)
    assert.equal(new Set(list).size, list.length)
    await shop.page.waitForFunction((wanted) => document.querySelectorAll('[data-index][data-category]').length === wanted, list.length)
    for (const card of await drawn()) {
      const { index, left, top } = card
      assert.equal(list[index], card.id)
      if (places.has(card.id)) assert.deepEqual({ index, left, top }, places.get(card.id))
      places.set(card.id, { index, left, top })
    }
    shown = list
    await shop.open(list[count - 3])
    await shop.back()
  }
  assert.notDeepEqual(shown, server(shown.length), 'the later batches were in a personal order')
})

shopTest('what a later shelf calls sold out is gone from the next batch', '', async (shop) => {
  await shop.answer(true)
  assert.deepEqual(ids(await shop.scroll(30)), server(30))
  // The fourth batch brings the fifth shelf, which has the latest word on four goods that wait in the pool.
  const gone = server(4, 33)
  shop.relisted.set(4, scene.order.slice(33, 37).map((item) => ({ ...item, stock: 0 })))
  assert.deepEqual(ids(await shop.scroll(40)).slice(30), [...server(3, 30), ...server(7, 37)])
  const all = ids(await shop.scroll(70))
  for (const id of gone) assert.ok(!all.includes(id))
})

shopTest('sold out since, an item is gone after a pull, also where it would come first', '', async (shop) => {
  const category = await fond(shop)
  const favourites = (await shop.refresh()).filter((item) => item.category === category)
  assert.ok(favourites.length >= 2)
  for (const { id } of favourites) shop.changed.set(id, { stock: 0 })
  const next = ids(await shop.refresh())
  for (const { id } of favourites) assert.ok(!next.includes(id), id)
  assert.equal(next.length, BATCH)
})

shopTest('storage that takes nothing: the shop is of use, learns for as long as it is open, and asks again', '', async (shop) => {
  const category = await fond(shop)
  const next = (await shop.scroll(WARM + BATCH)).slice(WARM)
  assert.ok(shareOf(next, category) > shareOf(scene.order.slice(WARM, WARM + BATCH), category))
  await shop.host('hide')
  await shop.host('show')
  assert.deepEqual(await shop.host('files.list'), {})
  await shop.page.close()
  const next2 = await shop.again('')
  await next2.until((data) => data.ask, 'the question')
  assert.deepEqual(ids(await next2.list()), server(BATCH))
}, { prepare: () => { window.__mpFaults = [{ mode: 'fail' }] } })

shopTest('a phone that fills up while shopping, writes that tear and a kill in the middle: never an error, never a lost shop', '', async (shop) => {
  await shop.answer(true)
  await shop.written(/log-/)
  await shop.page.evaluate(() => window.__mpHost.faults.set({ op: 'appendFile', mode: 'tear', bytes: 5, times: 1 }, { mode: 'fail', after: 2, times: 3 }))
  for (const id of server(4)) {
    await shop.open(id)
    await shop.back()
  }
  assert.equal(new Set(ids(await shop.scroll(30))).size, 30)
  await shop.page.evaluate(() => window.__mpHost.faults.set({ mode: 'kill', bytes: 7 }))
  await shop.host('hide')
  await shop.reopen()
  assert.equal((await shop.list()).length, BATCH)
  await shop.consent('已同意')
  await shop.tab('home', (data) => data.list)
  await shop.open((await shop.list())[1].id)
  await shop.back()
  assert.equal(new Set(ids(await shop.scroll(20))).size, 20)
})

for (const [query, build] of [['', 'simd'], ['&simd=refuse', 'mvp'], ['&wasm=refuse', 'js']]) {
  test(`the self-test names the build ${build}, and its numbers are the right ones`, async () => {
    const shop = await scene.shop(query)
    await shop.until((data) => data.ask, 'the question, which waits for the engine')
    await shop.host('routes.navigateTo', '/pages/selftest/selftest')
    await shop.until((data) => data.rows, 'the self-test')
    await shop.tap('#selftest-run')
    const data = await shop.until((now) => now.rows.length && !now.running, 'the self-test')
    const rows = new Map(data.rows.map((row) => [row.key, row]))
    assert.equal(JSON.parse(data.result).build, build)
    assert.match(rows.get('build').value, new RegExp(`^${build} · \\d`))
    for (const key of ['build', 'golden', 'start', 'storage']) assert.equal(rows.get(key).verdict, 'pass', key)
    assert.deepEqual(await shop.host('errors'), [])
  })
}

shopTest('in English, no page has a Chinese word left', '', async (shop) => {
  const category = await fond(shop)
  await shop.tab('mine', (data) => data.cart)
  await shop.tap('#language-en')
  await shop.until((data) => data.language === 'en', 'the language')
  const chinese = async (where) => {
    const left = (source) => document.body.innerText.split('\n').filter((line) => new RegExp(source).test(line) && line !== '中文')
    // What is on the screen follows the data by a moment.
    // A function, as a text would be evaluated again at each look, which the host's content policy forbids.
    const gone = (source) => document.body.innerText.split('\n').every((line) => !new RegExp(source).test(line) || line === '中文')
    await shop.page.waitForFunction(gone, CJK.source, { timeout: 3000 }).catch(() => {})
    assert.deepEqual(await shop.page.evaluate(left, CJK.source), [], where)
  }
  await chinese('mine')
  await shop.tab('home', (data) => data.language === 'en' && data.list)
  const list = await shop.list()
  assert.match(await shop.card(list[0].id).innerText(), new RegExp(list[0].titleEn.slice(0, 8)))
  await chinese('home')
  const liked = list.find((item) => item.category === category)
  await shop.open(liked.id)
  await shop.tap('#why')
  await shop.until((data) => data.why, 'the reasons')
  await chinese('item')
  await shop.tap(part('why-close'))
  await shop.until((data) => !data.why, 'the sheet to close')
  await shop.back()
  await shop.tab('privacy', (data) => data.language === 'en')
  await shop.page.locator('.privacy--zhiji-privacy__interest').filter({ hasText: liked.categoryEn }).first().waitFor()
  await chinese('privacy')
  await shop.tab('mine', (data) => data.cart)
  await shop.tap('#to-selftest')
  await shop.until((data) => data.rows, 'the self-test')
  await chinese('self-test')
  await shop.reopen()
  await shop.until((data) => data.language === 'en', 'the language after a restart')
})
