// The built shop in headless Chromium, its shelves, and a person's hands. Every test gets a server and a phone of its own.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildMiniProgram } from '../../host/build.mjs'
import { host, launchChromium, newPhone, openScreen, reopen, until } from '../../host/drive.mjs'
import { serveHost } from '../../host/serve.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const CDN = 'https://cdn.example.com'
export const BATCH = 10

/** Writes the shop's shelves, unless newer ones than the program that makes them are there. */
function shelves(dir) {
  const written = path.join(dir, 'catalogue/index.json')
  const source = path.join(root, 'xtask/src')
  const sources = [path.join(source, 'catalogue.rs'), ...fs.readdirSync(path.join(source, 'catalogue')).map((file) => path.join(source, 'catalogue', file))]
  const newest = Math.max(...sources.map((file) => fs.statSync(file).mtimeMs))
  if (!fs.existsSync(written) || fs.statSync(written).mtimeMs < newest) {
    execFileSync(process.env.CARGO || 'cargo', ['run', '--quiet', '--package', 'xtask', '--', 'catalogue', dir], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  }
  return fs.readdirSync(path.join(dir, 'catalogue')).filter((file) => /^\d+\.json$/.test(file)).sort()
    .map((file) => JSON.parse(fs.readFileSync(path.join(dir, 'catalogue', file), 'utf8')))
}

/**
 * Builds the shop once for a test file.
 * @param {string} name of the test file: two of them run at the same time
 */
export async function stage(name) {
  const dir = path.join(root, 'target/e2e', name)
  const shards = shelves(path.join(dir, 'shelves'))
  await buildMiniProgram(path.join(root, 'miniprogram'), path.join(dir, 'site'))
  const browser = await launchChromium()
  const open = []
  return {
    /** Goods in the server's order, those that are sold out left out. */
    order: shards.flatMap((shard) => shard.items).filter((item) => item.stock > 0),
    /** @param {string} [query] @param {{settings?: object, prepare?: () => void}} [options] */
    async shop(query = '', { settings, prepare } = {}) {
      /** Items by id, as a later version of the shelves has them. */
      const changed = new Map()
      /** Items that a shelf has once more, by the number of the shelf. */
      const relisted = new Map()
      const shelf = ({ method, path: asked }) => {
        const match = /^\/shop\/catalogue\/(\d{3})\.json$/.exec(asked)
        const shard = method === 'GET' && match && shards[Number(match[1])]
        if (!shard) return { status: 404, body: 'no such file' }
        const items = shard.items.map((item) => Object.assign({}, item, changed.get(item.id))).concat(relisted.get(shard.shard) || [])
        return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...shard, items }) }
      }
      const server = await serveHost(path.join(dir, 'site'), { origins: { [CDN]: shelf } })
      open.push(server)
      const phone = await newPhone(browser, settings)
      const complaints = []
      phone.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()) })
      phone.on('weberror', (error) => complaints.push(String(error.error())))
      const start = async (more = query, script = prepare) => {
        const page = await openScreen(phone, server.url, more, script)
        return new Shop(page, { server, changed, relisted, complaints })
      }
      return Object.assign(await start(), { again: start, phone })
    },
    async close() {
      await browser.close()
      await Promise.all(open.map((server) => server.close()))
    },
  }
}

/** One run of the shop on a phone. */
class Shop {
  constructor(page, around) {
    Object.assign(this, { page }, around)
  }

  /** Waits until the shown page's data satisfies a test. */
  until(accept, what) {
    return until(this.page, accept, what)
  }

  host(name, ...args) {
    return host(this.page, name, ...args)
  }

  /** The first goods of the home page, once there are so many. */
  async list(count = BATCH) {
    const data = await this.until((now) => now.list && now.list.length >= count && now.status !== 'loading', `${count} goods`)
    return data.list.slice(0, count)
  }

  /** An element that is on the page on top. */
  at(selector) {
    return this.page.locator(selector).filter({ visible: true }).first()
  }

  tap(selector) {
    return this.at(selector).tap()
  }

  async answer(agree) {
    await this.until((data) => data.ask, 'the question')
    await this.tap(part(agree ? 'consent-agree' : 'consent-refuse'))
    await this.until((data) => !data.ask, 'the answer')
  }

  /** Scrolls to the end, as often as it takes to have so many goods. */
  async scroll(count) {
    await this.list()
    for (;;) {
      const have = (await this.host('data')).list.length
      if (have >= count) return this.list(count)
      await this.host('scrollToBottom')
      await this.list(have + 1)
    }
  }

  /** Pulls the list down: it begins anew. */
  async refresh() {
    await this.page.evaluate(() => window.__mpHost.page().onPullDownRefresh())
    return this.list()
  }

  /** A finger on the screen, moved or held still. @param {{x: number, y: number}[]} points @param {number} [holdMs] */
  async finger(points, holdMs = 0) {
    const cdp = await this.page.context().newCDPSession(this.page)
    const touch = (type, touchPoints) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints })
    await touch('touchStart', points.slice(0, 1))
    await this.page.waitForTimeout(holdMs)
    for (const point of points.slice(1)) await touch('touchMove', [point])
    await touch('touchEnd', [])
    await cdp.detach()
  }

  /** Presses an element for longer than a tap. */
  async press(locator) {
    const { x, y, width, height } = await locator.boundingBox()
    await this.finger([{ x: x + width / 2, y: y + height / 2 }], 500)
  }

  /** The events on record, as the privacy centre shows them. */
  async events() {
    await this.tab('privacy')
    await this.tap(part('zhiji-export'))
    const text = await this.at('[class*="--zhiji-privacy__json"]').innerText()
    await this.tap(part('zhiji-export'))
    await this.tab('home', (data) => data.list)
    return JSON.parse(text).events
  }

  card(id) {
    return this.at(`.sku-card--sku-card[data-id="${id}"]`)
  }

  /** Opens an item by a tap on its card, and comes back. */
  async open(id) {
    await this.card(id).tap()
    await this.until((data) => data.item && data.item.id === id, `the page of ${id}`)
  }

  async back() {
    const depth = (await this.host('pages')).length
    await this.host('routes.navigateBack')
    await this.page.waitForFunction((before) => window.__mpHost.pages().length < before, depth)
  }

  async tab(name, ready) {
    await this.host('routes.switchTab', `/pages/${name}/${name}`)
    await this.until(ready || ((data) => data.t), `the page ${name}`)
  }

  /** Waits until the files of the phone have one of such a name. */
  written(name) {
    return this.page.waitForFunction(([source]) => Object.keys(window.__mpHost.files.list()).some((file) => new RegExp(source).test(file)), [name.source])
  }

  /** Waits until the privacy page tells the state of the consent, which it can once the recommender has started. */
  async consent(words) {
    await this.tab('privacy')
    await this.at('.privacy--zhiji-privacy__status').filter({ hasText: words }).waitFor()
  }

  /** Kills the app and opens it again. */
  reopen() {
    return reopen(this.page)
  }
}

export const ids = (list) => list.map((item) => item.id)

/** The selector of an element by its id in a component, which the host prefixes. */
export const part = (id) => `[id$="--${id}"]`
