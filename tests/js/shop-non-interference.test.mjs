// Nothing leaves the demo shop: its own pages run twice with the same lifecycle and different behaviour, and what is asked of
// the client must be the same, byte for byte and at the same time. Leaks are then planted in the shop, and each must be caught.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Phone } from './harness/phone.mjs'

const SHOP = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../miniprogram')
const file = (name) => path.join(SHOP, name)
const SHARDS = 14
const CATEGORIES = ['女装', '男鞋', '数码', '零食', '图书']
/** What the client does on its own screen: a page comes up, a title changes. None of it is told to anyone. */
const ON_SCREEN = new Set(['navigateTo', 'switchTab', 'setNavigationBarTitle', 'setTabBarItem', 'showToast', 'pageScrollTo', 'stopPullDownRefresh', 'canIUse',
  'nextTick'].map((name) => `wx.${name}`))

function shard(number) {
  const items = Array.from({ length: 20 }, (_, at) => {
    const n = number * 20 + at
    return {
      id: `sku${n}`, spu: `spu${n}`, category: CATEGORIES[n % 5], categoryEn: `c${n % 5}`, brand: `牌${n % 7}`, brandEn: `b${n % 7}`,
      creator: `店${n % 11}`, creatorEn: `s${n % 11}`, tags: [`签${n % 3}`], tagsEn: [`t${n % 3}`], price: 10 + n, stock: n % 4 + 1, prior: 0.3,
      title: `商品 ${n}`, titleEn: `Goods ${n}`, emoji: '🎁', tile: ['#fff', '#eee'], rating: 4.5, reviews: n, sold: n,
    }
  })
  return new TextEncoder().encode(JSON.stringify({ version: 1, shard: number, items }))
}

/** Opens an item's page above the home page, does something there, and goes back. */
async function visit({ process, home, feed, wait }, at, act) {
  const id = home.data.list[at].id
  feed.call('onTap', process.own({ index: at }))
  feed.pageHide()
  const item = process.pageIn(file('pages/item/item.js'))
  item.onLoad(process.own({ id }))
  item.onShow()
  await wait(40)
  act(item)
  item.onUnload()
  home.onShow()
  feed.pageShow()
}

/** What the user does after each batch, within a second; anything but the lifecycle. */
const BEHAVIOURS = {
  async nothing() {},
  async reader(given) {
    const { home, feed } = given
    home.data.list.forEach((_, at) => feed.visible(at, 1))
    for (let at = 0; at < home.data.list.length; at++) if (home.data.list[at].category === '图书') await visit(given, at, () => {})
  },
  async buyer(given) {
    for (const at of [0, 1, 0]) {
      await visit(given, given.step + at, (item) => {
        item.onFavourite()
        item.onCart()
        for (let left = 0; left < 4; left++) item.onBuy()
        item.onWhy()
        item.onWhyClose()
      })
    }
  },
  async grumbler(given) {
    const { process, home, feed, step } = given
    feed.visible(0, 1)
    feed.call('onLongPress', process.own({ index: step }))
    feed.call('onDislike', process.own({ id: home.data.list[step].id, code: 1 }))
    if (step === 1) await visit(given, 3, (item) => item.onForget(process.own({ detail: { field: 'category', value: '男鞋' } })))
    // In the end everything is blocked, and nothing is left to show.
    if (step === 2) {
      await visit(given, 4, (item) => CATEGORIES.forEach((value) => item.onBlock(process.own({ detail: { field: 'category', value } }))))
    }
  },
  async keeper(given) {
    const { process, home, feed, step, wait } = given
    for (let at = 0; at < 6; at++) feed.call('onTap', process.own({ index: at }))
    const privacy = process.pageIn(file('pages/privacy/privacy.js'))
    const centre = process.centre || (process.centre = process.component('components/privacy/index.js', {}))
    privacy.onShow()
    const change = () => centre.events.splice(0).forEach(({ detail }) => privacy.onChange(process.own({ detail })))
    if (step === 1) centre.call('onForget', process.own({ field: 'category', value: '女装' }))
    if (step === 2 || step === 3) centre.call('onSwitch', process.own({}), process.own({ value: step === 3 }))
    change()
    await wait(20)
    const mine = process.pageIn(file('pages/mine/mine.js'))
    mine.onShow()
    home.onShow()
  },
}

/**
 * Two starts of the shop with the same lifecycle: the first asks and is agreed to.
 * @param {(given: any) => Promise<void>} behave
 * @param {Record<string, [string, string]>} leak by file, what is replaced by what
 */
async function outboundOf(behave, leak = {}) {
  const phone = new Phone()
  for (let number = 0; number < SHARDS; number++) {
    phone.network.set(`https://cdn.example.com/shop/catalogue/${String(number).padStart(3, '0')}.json`, shard(number))
  }
  const planted = new Set()
  const patch = (source, name) => {
    const [from, to] = Object.entries(leak).filter(([end]) => name.endsWith(end)).map(([, change]) => change)[0] || []
    if (!from) return source
    assert.ok(source.includes(from), `${name} has no place for the leak`)
    planted.add(name)
    return source.replace(from, () => to)
  }
  const calls = []
  let scriptMs = phone.clock.nowMs
  // The user acts at the times of the script, however long the phone computes in between.
  const until = (ms) => {
    assert.ok(ms >= phone.clock.nowMs, 'behaviour takes longer than the script waits')
    return phone.clock.advance(ms - phone.clock.nowMs)
  }
  const wait = (ms) => until(scriptMs += ms)
  for (const start of [1, 2]) {
    const process = phone.start({ patch, json: true })
    process.require(file('app.js'), undefined, { App: (app) => app.onLaunch() })
    const home = process.pageIn(file('pages/home/home.js'))
    process.pageIn(file('pages/item/item.js'))
    home.onLoad()
    home.onShow()
    await wait(1000)
    if (start === 1) home.onAgree()
    await wait(1000)
    const feed = process.component('components/feed/index.js', { surface: 'home', list: [] })
    const scroll = async (depth, aside) => {
      for (let tries = 0; tries < 10 && home.depth < depth; tries++) {
        home.onReachBottom()
        await aside(60)
      }
      feed.set({ list: home.data.list })
    }
    for (let step = 0; step < 6; step++) {
      home.onReachBottom()
      await wait(500)
      feed.set({ list: home.data.list })
      await wait(300)
      const aside = (ms) => phone.clock.advance(ms)
      if (home.data.list.length) await behave({ process, home, feed, step, wait: aside })
      // A list that began anew is scrolled to where it was.
      await scroll(step + 2, aside)
      await wait(6000)
    }
    home.onPullDownRefresh()
    await wait(1000)
    if (home.onShareAppMessage) process.record('share', home.onShareAppMessage())
    process.hide()
    await wait(3000)
    process.show()
    await wait(3000)
    home.onUnload()
    feed.detach()
    process.hide()
    await wait(3000)
    process.kill()
    // Without it the next start folds the whole record, which takes its time.
    phone.disk.remove('snapshot')
    calls.push(...process.outbound.filter((call) => !ON_SCREEN.has(call.name)))
  }
  for (const end of Object.keys(leak)) assert.ok(Array.from(planted).some((name) => name.endsWith(end)), `no leak in ${end}`)
  return calls.map((call) => JSON.stringify(call))
}

/** Each a line or two that a careless or a curious shop might have. */
const LEAKS = {
  'a request for the item that is opened': { 'item.js': ["this.present(item)\n    //", "wx.request({ url: 'https://cdn.example.com/shop/items/' + item.id })\n    this.present(item)\n    //"] },
  'a picture for each card, in the order of interest': { 'home.js': ['const batch = feed.next(BATCH)', "const batch = feed.next(BATCH)\n    batch.forEach((item) => { item.image = 'https://img.example.com/' + item.id })"] },
  'the picture of an item fetched ahead': { 'item.js': ['this.id = ', "wx.getImageInfo({ src: 'https://img.example.com/' + query.id })\n    this.id = "] },
  'an item in the path of a share': { 'home.js': ['onUnload() {', "onShareAppMessage() { return { path: '/pages/item/item?id=' + (this.data.list[0] || {}).id } },\n  onUnload() {"] },
  'an event of the client\'s analytics': { 'item.js': ['basket.add(this.id)', "basket.add(this.id)\n    wx.reportEvent('cart', { sku: this.id })"] },
  'shelves asked for in an order that tells': { 'catalogue.js': ['for (let n = 0; n < Math.min(count, SHARDS); n++) {', "const order = Array.from({ length: Math.min(count, SHARDS) }, (_, n) => n)\n  if (Array.from(items.values()).some((item) => item.stock === 0)) order.reverse()\n  for (const n of order) {"] },
  'shelves asked for when something tells': { 'home.js': ['const arrived = catalogue.firstShards(', "const arrived = new Promise((go) => setTimeout(go, require('../../services/basket').lines().length * 7)).then(() => catalogue.firstShards("], },
  'shelves asked for once the record was read': { 'home.js': ['const arrived = catalogue.firstShards(', 'const arrived = zhiji.ready().then(() => catalogue.firstShards('] },
  'the length of a request': { 'catalogue.js': ["+ '.json',", "+ '.json', data: 'x'.repeat(require('./basket').lines().length),"] },
  'one shelf more after an item was opened': { 'item.js': ['this.present(item)\n    //', 'catalogue.firstShards(catalogue.loaded().length / 20 + 1).catch(() => {})\n    this.present(item)\n    //'] },
  'a header': { 'catalogue.js': ["+ '.json',", "+ '.json', header: { 'x-seen': String(require('./basket').favourites().length) },"] },
  'shelves counted by what a filter left': { 'home.js': ['const shown = this.depth * BATCH', 'const shown = this.data.list.length'] },
  'no more shelves where everything is blocked': { 'home.js': ["if (status !== 'loading' && status !== 'failed' &&", "if (status === 'more' &&"] },
  'the basket in the shared storage': { 'basket.js': ['exports.add = function (id) {', "exports.add = function (id) { wx.setStorageSync('basket', id);"] },
  'an item handed to another mini-program': { 'item.js': ['const favourite = basket', "wx.navigateToMiniProgram({ appId: 'wx0', path: '?id=' + this.id })\n    const favourite = basket"] },
}
// Both put a call around the call; this closes it.
for (const name of ['shelves asked for when something tells', 'shelves asked for once the record was read']) {
  const [from, to] = LEAKS[name]['home.js']
  LEAKS[name]['home.js'] = [`${from}catalogue.shardsFor(shown, POOL))`, `${to}catalogue.shardsFor(shown, POOL)))`]
}

test('whatever the user does in the shop, what is asked of the client is the same', async () => {
  const calls = await outboundOf(BEHAVIOURS.nothing)
  for (const [name, behave] of Object.entries(BEHAVIOURS)) {
    const theirs = await outboundOf(behave)
    calls.forEach((call, at) => assert.equal(theirs[at], call, `${name}, call ${at}`))
    assert.equal(theirs.length, calls.length, name)
  }
  // The lifecycle did what it should: shelves by depth, and once more after the pull, in both starts.
  const shelves = calls.filter((call) => call.includes('/catalogue/'))
  assert.equal(shelves.length, 2 * (6 + 3))
  assert.deepEqual(Array.from(new Set(calls.map((call) => JSON.parse(call).name))).filter((name) => !/^wx\.(on|get)/.test(name)), ['wx.request'])
})

test('what the behaviours do is really learnt from, and really changes the list', async () => {
  const seen = []
  for (const behave of [BEHAVIOURS.nothing, BEHAVIOURS.reader, BEHAVIOURS.grumbler]) {
    let list
    await outboundOf(async (given) => {
      await behave(given)
      list = given.home.data.list.map((item) => item.id).join()
    })
    seen.push(list)
  }
  assert.equal(new Set(seen).size, 3)
})

for (const [name, leak] of Object.entries(LEAKS)) {
  test(`caught: ${name}`, async () => {
    const reference = (await outboundOf(BEHAVIOURS.nothing, leak)).join('\n')
    let caught = false
    for (const behave of [BEHAVIOURS.reader, BEHAVIOURS.buyer, BEHAVIOURS.grumbler]) {
      caught = caught || (await outboundOf(behave, leak)).join('\n') !== reference
    }
    assert.ok(caught, 'the outbound calls do not differ')
  })
}

test('no template of the shop loads or opens anything from elsewhere', () => {
  const templates = fs.readdirSync(SHOP, { recursive: true }).map(String).filter((name) => name.endsWith('.wxml') && !name.includes('miniprogram_npm'))
  assert.ok(templates.length >= 8)
  for (const name of templates) assert.doesNotMatch(fs.readFileSync(file(name), 'utf8'), /<(image|web-view|ad|video|navigator|official-account)\b|open-type|https?:/, name)
})
