// The App and its pages: the stack, the tabs, and every lifecycle call.
import { errorListeners, guarded, normalize, options, phone, program } from './context.js'
import { isRegistered, load } from './modules.js'
import { createPageRoot } from './framework.js'
import { EventChannel } from './channel.js'

const DEEPEST = 10

let app
let launch
/** Pages from the bottom to the top one, which is shown. */
const stack = []
/** Tab pages stay alive when another tab is shown. */
const tabs = new Map()
let visible = true
const listeners = { appShow: new Set(), appHide: new Set() }

export function App(definition) {
  if (app) throw new Error('App() is called twice')
  app = definition
  let telling = false
  errorListeners.push((message) => {
    // An error inside onError itself is reported, but not told to it again.
    if (telling) return
    telling = true
    call(app, 'onError', message)
    telling = false
  })
}

export function getApp() {
  if (!app) app = {}
  return app
}

export const getCurrentPages = () => stack.map((page) => page.caller)
export const topPage = () => stack[stack.length - 1]
export const launchOptions = () => launch
export const appListeners = listeners

const isTab = (route) => (program.data.tabBar?.list || []).some((tab) => tab.pagePath === route)

const call = (target, name, ...args) => {
  if (typeof target[name] !== 'function') return undefined
  return guarded(name, () => target[name](...args))
}

/** `../item/item?id=3`, seen from the top page → route and query. */
export function parseUrl(url) {
  const [file, search = ''] = String(url).split('?')
  const base = topPage() ? topPage().route.split('/').slice(0, -1).join('/') : ''
  const route = normalize(file.startsWith('/') ? file : `${base}/${file}`)
  const query = {}
  for (const pair of search.split('&').filter(Boolean)) {
    const at = pair.indexOf('=')
    query[at < 0 ? pair : pair.slice(0, at)] = at < 0 ? '' : pair.slice(at + 1)
  }
  return { route, query }
}

function known(url) {
  const target = parseUrl(url)
  if (program.data.units[target.route]?.kind !== 'page') throw new Error(`page "${target.route}" is not found`)
  return target
}

function create({ route, query }, channel) {
  load(`${route}.js`)
  if (!isRegistered(route)) throw new Error(`${route}.js does not call Page() or Component()`)
  const settings = { ...program.data.window, ...program.data.units[route].config }
  const surface = phone.addPage(route, settings, { isTab: isTab(route) })
  const { root, caller } = createPageRoot(route)
  const page = { route, query, root, caller, surface, settings, channel }
  Object.assign(caller, { route, options: query, getOpenerEventChannel: () => channel || new EventChannel() })
  root.attach(surface.mount, surface.placeholder)
  phone.onScroll(surface, (scroll) => scrolled(page, scroll))
  return page
}

function open(target, channel) {
  const page = create(target, channel)
  stack.push(page)
  if (isTab(target.route)) tabs.set(target.route, page)
  phone.showPage(page.surface, chrome())
  call(page.caller, 'onLoad', { ...target.query })
  show(page)
  phone.afterRender(() => {
    if (stack.includes(page) || tabs.get(page.route) === page) call(page.caller, 'onReady')
  })
  return page
}

const chrome = () => ({ canGoBack: stack.length > 1, route: topPage().route })

function show(page) {
  call(page.caller, 'onShow')
  page.root.getComponent().triggerPageLifetime('show', [])
}

function hide(page) {
  call(page.caller, 'onHide')
  page.root.getComponent().triggerPageLifetime('hide', [])
}

function close(page) {
  call(page.caller, 'onUnload')
  page.root.release()
  phone.removePage(page.surface)
  tabs.delete(page.route)
}

function scrolled(page, { top, height, fromBottom }) {
  if (page !== topPage()) return
  if (typeof page.caller.onPageScroll === 'function') call(page.caller, 'onPageScroll', { scrollTop: top })
  const near = fromBottom <= (page.settings.onReachBottomDistance ?? 50)
  // Once for each time the bottom comes near, and again when the page has grown meanwhile.
  const reached = near && page.reachedHeight !== height
  page.reachedHeight = near ? height : undefined
  if (reached) call(page.caller, 'onReachBottom')
}

export const routes = {
  navigateTo(url, channel) {
    const target = known(url)
    if (isTab(target.route)) throw new Error('can not navigateTo a tabbar page')
    if (stack.length >= DEEPEST) throw new Error(`webview count limit exceed: at most ${DEEPEST} pages`)
    hide(topPage())
    return open(target, channel)
  },
  redirectTo(url) {
    const target = known(url)
    if (isTab(target.route)) throw new Error('can not redirectTo a tabbar page')
    close(stack.pop())
    return open(target)
  },
  reLaunch(url) {
    const target = known(url)
    for (const page of new Set([...stack.reverse(), ...tabs.values()])) close(page)
    stack.length = 0
    return open(target)
  },
  switchTab(url) {
    const target = known(url)
    if (!isTab(target.route)) throw new Error('can not switchTab to a page that is no tab')
    const before = topPage()
    while (stack.length && !isTab(topPage().route)) close(stack.pop())
    const under = stack.pop()
    if (under && under.route === target.route) {
      stack.push(under)
      phone.showPage(under.surface, chrome())
      if (under !== before) show(under)
      return under
    }
    if (under && under === before) hide(under)
    const kept = tabs.get(target.route)
    if (!kept) return open({ route: target.route, query: {} })
    stack.push(kept)
    phone.showPage(kept.surface, chrome())
    show(kept)
    return kept
  },
  navigateBack(delta = 1) {
    if (stack.length < 2) throw new Error('cannot navigate back at first page')
    for (let n = 0; n < delta && stack.length > 1; n++) close(stack.pop())
    phone.showPage(topPage().surface, chrome())
    show(topPage())
    return topPage()
  },
}

/** Starts the App and its first page. */
export function start() {
  const first = known(`/${options.start || program.data.pages[0]}`)
  launch = { path: first.route, query: first.query, scene: options.scene, referrerInfo: {}, apiCategory: 'default' }
  load('app.js')
  call(getApp(), 'onLaunch', { ...launch })
  call(getApp(), 'onShow', { ...launch })
  for (const [unit, { kind }] of Object.entries(program.data.units)) if (kind === 'component') load(`${unit}.js`)
  open(first)
}

/** The user presses the home button. */
export function hideApp() {
  if (!visible) return
  visible = false
  hide(topPage())
  call(getApp(), 'onHide')
  for (const listener of [...listeners.appHide]) guarded('onAppHide', () => listener({}))
}

/** The user comes back, perhaps by another entry. */
export function showApp(entry = {}) {
  if (visible) return
  visible = true
  const enter = { ...launch, path: topPage().route, query: topPage().query, ...entry }
  launch.enter = enter
  call(getApp(), 'onShow', enter)
  for (const listener of [...listeners.appShow]) guarded('onAppShow', () => listener(enter))
  show(topPage())
}
