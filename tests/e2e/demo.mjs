// The demo, driven: a person opens the shop in headless Chromium, taps, and a transcript tells what was shown.
//
//   node tests/e2e/demo.mjs --demo target/demo --zhiji target/lab/release/zhiji
//
// Writes screenshots beside the demo. Exits with 1 as soon as a step does not show what it should.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { serveHost } from '../../host/serve.mjs'

const { values } = parseArgs({ options: { demo: { type: 'string' }, zhiji: { type: 'string' } } })
const demo = path.resolve(values.demo)
const cdn = path.join(demo, 'cdn')
// The host writes a component's own ids and classes with a prefix, so that no page's style or query reaches into it.
const CARD = '[class$="--sku-card"]'
const own = (id) => `[id$="--${id}"]`
const part = (name) => `[class*="--${name}"]`
const SLATE = 10
const HOUR_MS = 3600 * 1000

const say = (line = '') => console.log(line)
const heading = (title) => say(`\n── ${title} ${'─'.repeat(Math.max(2, 76 - title.length))}`)

/** The shop's goods in the order of its shelves, which is the server's. */
const shelves = fs.readdirSync(path.join(cdn, 'shop/catalogue')).filter((name) => /^\d+\.json$/.test(name)).sort()
  .flatMap((name) => JSON.parse(fs.readFileSync(path.join(cdn, 'shop/catalogue', name), 'utf8')).items)
const goods = new Map(shelves.map((item) => [item.id, item]))
const serverOrder = shelves.filter((item) => item.stock > 0).slice(0, SLATE).map((item) => item.id)

const server = await serveHost(path.join(demo, 'site'), { origins: { 'https://cdn.example.com': cdn } })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--disable-dev-shm-usage'],
})
const phone = await browser.newContext({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, locale: 'zh-CN' })
/** Everything any page of the browser asks for. */
const network = []
phone.on('request', (request) => network.push(request.url()))

/** Starts the shop, as after a tap on its icon. */
async function start() {
  const page = await phone.newPage()
  page.setDefaultTimeout(15000)
  await page.goto(`${server.url}/?frame=0`)
  await page.waitForSelector('html[data-mp-ready]', { state: 'attached' })
  await page.locator(`#home-feed ${CARD}`).nth(SLATE - 1).waitFor()
  return page
}

/** A function of the host: what a finger cannot do, such as letting hours pass. */
const host = (page, name, ...given) => page.evaluate(([name, given]) => {
  const keys = name.split('.')
  const owner = keys.slice(0, -1).reduce((object, key) => object[key], window.__mpHost)
  return owner[keys.at(-1)](...given)
}, [name, given])

let shots = 0
async function picture(page, name) {
  shots++
  const file = path.join(demo, `${String(shots).padStart(2, '0')}-${name}.png`)
  await page.waitForTimeout(250)
  await page.screenshot({ path: file })
  say(`   picture: ${path.relative(process.cwd(), file)}`)
}

/** The ids of the first cards as a person reads them. */
async function slate(page, count = SLATE) {
  const cards = await page.locator(`#home-feed ${CARD}`).evaluateAll((elements) => elements.map(({ dataset }) => [Number(dataset.index), dataset.id]))
  return cards.sort((a, b) => a[0] - b[0]).slice(0, count).map(([, id]) => id)
}

async function until(what, test, limitMs = 15000) {
  const end = Date.now() + limitMs
  for (;;) {
    const value = await test()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** Pulls the list down: it begins anew. The host has no gesture for it, so the page is told as the phone would tell it. */
async function refresh(page) {
  await page.evaluate(() => {
    window.__before = window.__mpHost.page().feed
    window.__mpHost.wx().startPullDownRefresh({})
  })
  await until('the list to begin anew', () => page.evaluate(() => {
    const { feed, data } = window.__mpHost.page()
    return feed !== window.__before && data.status === 'more'
  }))
  await until('ten cards', async () => (await slate(page)).length >= SLATE)
}

const tab = (page, text) => page.locator('.tab', { hasText: text }).tap()
const back = async (page) => {
  await page.locator('#nav-back').tap()
  await page.locator('#item').waitFor({ state: 'detached' })
}

function show(title, ids, category) {
  say(`   ${title}`)
  ids.forEach((id, place) => {
    const item = goods.get(id)
    say(`   ${String(place + 1).padStart(4)}. ${item.category === category ? '●' : ' '} ${item.category} · ${item.title}`)
  })
}

const ofCategory = (ids, category) => ids.filter((id) => goods.get(id).category === category).length

/** Opens cards of a category, scrolling as far as it takes, and looks at each for a moment. */
async function openThree(page, category) {
  const opened = new Set()
  for (let scrolls = 0; opened.size < 3; scrolls++) {
    assert.ok(scrolls < 30, `three goods of ${category} should be within reach`)
    const wanted = (await slate(page, 1000)).find((id) => goods.get(id).category === category && !opened.has(id))
    if (!wanted) {
      await host(page, 'scrollToBottom')
      await page.waitForTimeout(300)
      continue
    }
    const card = page.locator(`#home-feed ${CARD}[data-id="${wanted}"]`)
    await card.scrollIntoViewIfNeeded()
    await page.waitForTimeout(1200)
    await card.tap()
    await page.locator('#item-title').waitFor()
    opened.add(wanted)
    say(`   opens: ${goods.get(wanted).title}`)
    await page.waitForTimeout(1500)
    await back(page)
  }
  return [...opened]
}

/** The page that any tester with a phone can run: its rows and its result. */
async function phoneCheck(page, look = async () => {}) {
  await tab(page, '我的')
  await page.locator('#to-selftest').tap()
  await page.locator('#selftest-run').tap()
  const data = await until('the result of the phone check', () => page.evaluate(() => window.__mpHost.data().result && window.__mpHost.data()))
  await look()
  await page.locator('#nav-back').tap()
  await page.locator('#selftest-run').waitFor({ state: 'detached' })
  await tab(page, '首页')
  return { rows: data.rows, ...JSON.parse(data.result) }
}

try {
  heading('A first visit')
  let page = await start()
  const first = await slate(page)
  show('the first ten cards', first)
  assert.deepEqual(first, serverOrder, 'the first slate is the server\'s own order')
  say('   ✓ they stand in the server\'s own order')
  await page.locator(own('consent-sheet')).waitFor()
  await picture(page, 'consent')
  const [refuse, agree] = await Promise.all(['consent-refuse', 'consent-agree'].map(own).map((name) => page.locator(name).boundingBox()))
  assert.ok(Math.abs(refuse.width - agree.width) < 1 && Math.abs(refuse.height - agree.height) < 1, 'both answers are buttons of one size')
  await page.locator(own('consent-agree')).tap()
  await page.locator(own('consent-sheet')).waitFor({ state: 'detached' })
  assert.deepEqual(await slate(page), first, 'agreeing moves no card that is shown')
  say('   ✓ asked with two equal buttons; agreed; no card has moved')
  await picture(page, 'home')

  const category = goods.get(first[4]).category
  heading(`Three opens in one category: ${category}`)
  await openThree(page, category)
  await refresh(page)
  const learned = await slate(page)
  show('the list, pulled down', learned, category)
  assert.ok(ofCategory(learned, category) > ofCategory(first, category), `more of ${category} than before`)
  assert.notDeepEqual(learned, first)
  say(`   ✓ ${category}: ${ofCategory(first, category)} of ten before, ${ofCategory(learned, category)} of ten now`)
  await picture(page, 'after-three-opens')

  heading('Killed and reopened')
  await page.waitForTimeout(1500) // longer than the second after which what was tracked is written
  await page.close({ runBeforeUnload: false })
  page = await start()
  assert.equal(await page.locator(own('consent-sheet')).count(), 0, 'nobody asks twice')
  await until('the engine', () => page.evaluate(() => window.__mpHost.data().personal))
  // A phone that is slow to start the engine shows the shop's own order first, and the personal one when the list is pulled.
  if (JSON.stringify(await slate(page)) === JSON.stringify(serverOrder)) await refresh(page)
  const reopened = await slate(page)
  show('the first list after the start', reopened, category)
  assert.ok(ofCategory(reopened, category) > ofCategory(first, category), 'what was learnt is still known')
  say(`   ✓ ${category}: still ${ofCategory(reopened, category)} of ten`)
  await picture(page, 'reopened')

  heading('Why am I seeing this?')
  const chosen = reopened.find((id) => goods.get(id).category === category)
  await page.locator(`#home-feed ${CARD}[data-id="${chosen}"]`).tap()
  await page.locator('#why').tap()
  await page.locator(part('why-reason')).first().waitFor()
  const reasons = await page.locator(`${part('why-reason')} ${part('words')}`).allInnerTexts()
  say(`   ${goods.get(chosen).title}`)
  for (const reason of reasons) say(`   · ${reason}`)
  assert.ok(reasons.some((reason) => reason.includes(category)), `a reason names ${category}`)
  say('   ✓ the reason names what was looked at')
  await picture(page, 'why')
  await page.locator(own('why-close')).tap()
  await back(page)

  heading('That interest, deleted')
  await tab(page, '隐私')
  const rows = page.locator(part('zhiji-privacy__interest'))
  await rows.first().waitFor()
  say(`   interests: ${(await rows.locator(part('zhiji-privacy__label')).allInnerTexts()).map((text) => text.replace(/\s+/g, ' ')).join(' · ')}`)
  await picture(page, 'privacy')
  await page.locator(`${part('zhiji-privacy__chip--strong')}[data-field="category"][data-value="${category}"]`).tap()
  await until('the interest to go', async () => (await page.locator(`${part('zhiji-privacy__chip--strong')}[data-value="${category}"]`).count()) === 0)
  await tab(page, '首页')
  await until('the first order', async () => JSON.stringify(await slate(page)) === JSON.stringify(first), 8000).catch(async () => {
    show('what stands there instead', await slate(page), category)
    throw new Error('the first order should return exactly')
  })
  say('   ✓ the first order has returned, card for card')
  await picture(page, 'interest-deleted')

  heading('Personalisation off, and on again')
  const other = goods.get(first[1]).category
  await openThree(page, other)
  await refresh(page)
  const personal = await slate(page)
  assert.ok(ofCategory(personal, other) > ofCategory(first, other), `${other} was learnt`)
  say(`   ${other}: ${ofCategory(personal, other)} of ten`)
  await tab(page, '我的')
  await page.locator('#personal').tap()
  await page.locator('#personal[data-on="false"]').waitFor()
  await tab(page, '首页')
  await until('the server\'s order', async () => JSON.stringify(await slate(page)) === JSON.stringify(serverOrder))
  say('   ✓ off: the server\'s own order at once')
  await picture(page, 'personalisation-off')
  await tab(page, '我的')
  await page.locator('#personal').tap()
  await page.locator('#personal[data-on="true"]').waitFor()
  await tab(page, '首页')
  await until('the personal order', async () => ofCategory(await slate(page), other) > ofCategory(first, other))
  say(`   ✓ on: ${other} is back, nothing was lost`)

  heading('A new model')
  const before = await phoneCheck(page)
  say(`   in use: version ${before.model}`)
  assert.equal(before.model, 1)
  const documents = network.filter((url) => url.startsWith(`${server.url}/?frame`)).length
  const published = execFileSync(values.zhiji, ['publish', '--bundle', path.join(demo, 'model-2.safetensors'), '--space', 'shop',
    '--keys', path.join(demo, 'keys'), '--out', path.join(cdn, 'shop')], { encoding: 'utf8' })
  say(`   the operator publishes: ${published.trim().replace(demo, 'target/demo')}`)
  const asked = () => server.requests.filter(({ url }) => url.endsWith('.delta')).length
  const askedBefore = asked()
  await host(page, 'hide')
  await host(page, 'clock.advance', 7 * HOUR_MS)
  await host(page, 'show')
  say('   the phone is put away for seven hours and taken up again')
  await until('the request for what is new of the model', () => asked() > askedBefore, 30000)
  await page.waitForTimeout(500)
  await refresh(page)
  const renewed = await slate(page)
  const after = await phoneCheck(page, () => picture(page, 'phone-check'))
  assert.equal(after.model, 2, 'the new model is in use')
  assert.equal(network.filter((url) => url.startsWith(`${server.url}/?frame`)).length, documents, 'nothing was reloaded')
  assert.equal(new Set(renewed).size, SLATE)
  assert.ok(ofCategory(renewed, other) > 0, 'what was learnt holds under the new model')
  show(`the list under version ${after.model}`, renewed, other)
  await picture(page, 'new-model')
  say(`   ✓ version ${after.model} is in use, and the page was not reloaded`)

  heading('Phone check')
  for (const { verdict, name, value } of after.rows) {
    say(`   ${verdict === 'pass' ? '✓' : verdict === 'skip' ? '·' : '✗'} ${name}: ${value || verdict}`)
    assert.notEqual(verdict, 'fail', name)
  }

  heading('Network panel')
  const kinds = [['next root', /^\/shop\/2\.root\.json$/], ['manifest', /^\/shop\/manifest\.json$/], ['bundle', /^\/shop\/bundles\/[0-9a-f]{64}\.safetensors$/], ['delta', /^\/shop\/deltas\/[0-9a-f]{64}-[0-9a-f]{64}\.delta$/], ['catalogue shard', /^\/shop\/catalogue\/\d{3}\.json$/]]
  const counted = new Map(kinds.map(([kind]) => [kind, 0]))
  for (const { method, url, status } of server.requests) {
    const kind = kinds.find(([, pattern]) => pattern.test(url.replace('https://cdn.example.com', '')))
    assert.ok(kind && method === 'GET' && url.startsWith('https://cdn.example.com/'), `an unexpected request: ${method} ${url}`)
    // The keys have not been changed, so there is no next root.
    assert.equal(status, kind[0] === 'next root' ? 404 : 200, url)
    counted.set(kind[0], counted.get(kind[0]) + 1)
  }
  for (const [kind, count] of counted) {
    say(`   GET ${kind}: ${count}`)
    assert.ok(count > 0, `${kind} was asked for`)
  }
  const strangers = network.filter((url) => !url.startsWith(`${server.url}/`) && !/^(data|blob|about):/.test(url))
  assert.deepEqual(strangers, [], 'the browser asked nobody else')
  say(`   ✓ ${server.requests.length} requests: nothing but the root, the manifest, bundles and catalogue shards`)
  assert.deepEqual(await host(page, 'errors'), [], 'no page reported an error')
  say('\nEverything was as it should be.')
} catch (problem) {
  say(`\n✗ ${problem.message}`)
  for (const page of phone.pages()) {
    await page.screenshot({ path: path.join(demo, 'failed.png') }).catch(() => {})
    say(`   errors of the pages: ${JSON.stringify(await host(page, 'errors').catch(() => 'none read'))}`)
  }
  if (process.env.DEBUG) console.error(problem)
  process.exitCode = 1
} finally {
  await browser.close()
  await server.close()
}
