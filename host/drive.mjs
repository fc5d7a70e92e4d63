// Drives a served mini-program in headless Chromium, for tests and demonstrations.
import { chromium } from 'playwright-core'

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

/** The Chromium of this machine, or the one that the variable CHROMIUM names. */
export const launchChromium = () => chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS })

/** A phone of its own: storage and files are empty, and stay for further pages of the same phone. */
export const newPhone = (browser, settings = {}) => browser.newContext({ hasTouch: true, viewport: { width: 375, height: 667 }, ...settings })

/**
 * Opens the bare screen of a served mini-program and waits until its first page runs.
 *
 * @param {import('playwright-core').BrowserContext} phone
 * @param {string} url of the server
 * @param {string} [query] more of the host's parameters, as `&wasm=refuse`
 * @param {() => void} [prepare] runs in the screen's window before anything else
 * @throws what the mini-program reported, when it does not start
 */
export async function openScreen(phone, url, query = '', prepare) {
  const page = await phone.newPage()
  page.setDefaultTimeout(15000)
  if (prepare) await page.addInitScript(prepare)
  await page.goto(`${url}/?frame=0${query}`)
  await started(page)
  return page
}

/** Waits until the mini-program runs, after a page load. */
export async function started(page) {
  await page.waitForSelector('html[data-mp-ready], html[data-mp-failed]', { state: 'attached', timeout: 30000 })
  const failed = await page.evaluate(() => document.documentElement.hasAttribute('data-mp-failed') && document.querySelector('#errors').textContent)
  if (failed) throw new Error(`the mini-program does not start: ${failed}`)
}

/** Kills the app and opens it again: what was not written is gone. */
export async function reopen(page) {
  await page.reload()
  await started(page)
}

/** Calls a function of `__mpHost` in the page, as `host(page, 'files.list')`. */
export const host = (page, name, ...args) => page.evaluate(([path, given]) => {
  const keys = path.split('.')
  const owner = keys.slice(0, -1).reduce((object, key) => object[key], window.__mpHost)
  return owner[keys.at(-1)](...given)
}, [name, args])

/** Waits until the shown page's data satisfies a test, and gives that data. */
export async function until(page, accept, what) {
  const deadline = Date.now() + 15000
  for (;;) {
    const data = await host(page, 'data')
    if (accept(data)) return data
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what || accept}: ${JSON.stringify(data)}`)
    await page.waitForTimeout(20)
  }
}
