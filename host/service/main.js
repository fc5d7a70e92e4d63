// The entry of the logic realm. app-data.js and the wrapped modules follow as scripts, then boot.js starts the app.
import { network, ownCopy as copy, phone, program, records, report, view } from './context.js'
import { clock, stripRealm } from './realm.js'
import { define, provide } from './modules.js'
import { constructorsFor, startFramework } from './framework.js'
import { App, getApp, getCurrentPages, hideApp, routes, showApp, start, topPage } from './router.js'
import { WXWebAssembly } from './wasm.js'
import { wx } from './wx/index.js'
import { faults } from './wx/faults.js'
import { below, bytesOf, drop, kindOf, locate, putBytes } from './wx/disk.js'
import { storageEntries } from './wx/storage.js'
import { warnOfMemory } from './wx/device.js'
import { origins } from './wx/network.js'
import { share } from './share.js'

/** What tests drive and read, on the view window. */
const control = {
  pages: () => getCurrentPages().map(({ route, options: query }) => ({ route, options: { ...query } })),
  data: () => copy(topPage()?.caller.data),
  page: () => topPage()?.caller,
  app: () => getApp(),
  wx: () => wx,
  errors: () => copy(records.errors),
  warnings: () => copy(records.warnings),
  requests: () => copy(records.requests),
  wxCalls: () => copy(records.calls),
  images: () => copy(records.images),
  wasm: () => copy(records.wasm),
  leftGlobals: () => [...left],
  hide: hideApp,
  show: showApp,
  share: () => share({ from: 'menu' }),
  // What the router gives, the page with all that hangs from it, takes a driver seconds to carry over.
  routes: Object.fromEntries(Object.entries(routes).map(([name, go]) => [name, (...given) => { go(...given) }])),
  network,
  faults,
  clock: {
    advance: (ms) => { clock.offsetMs += ms },
    now: () => Date.now(),
  },
  memoryWarning: warnOfMemory,
  scrollTo: (top) => phone.scrollTo(topPage().surface, top, 0),
  scrollToBottom: () => phone.scrollTo(topPage().surface, topPage().surface.scroller.scrollHeight, 0),
  scrollTop: () => topPage().surface.scroller.scrollTop,
  files: {
    list: () => Object.fromEntries(below({ name: '' })
      .filter((name) => kindOf({ user: true, name }) === 'file')
      .map((name) => [name, bytesOf({ user: true, name }).length])),
    read: (path) => Array.from(bytesOf(locate(path))),
    write: (path, bytes) => putBytes(locate(path), Uint8Array.from(bytes)),
    remove: (path) => drop(locate(path)),
  },
  storage: () => copy(storageEntries()),
}

let left = []

self.addEventListener('error', (event) => report('error', event.error || event.message))
self.addEventListener('unhandledrejection', (event) => report('unhandled rejection', event.reason))

Object.assign(self, {
  define,
  __mp_data(data, templates, builtins) {
    Object.assign(program, { data, templates, builtins })
  },
  __mp_boot() {
    try {
      origins.mapped = view.__mpOrigins
      phone.start(program.data, { switchTab: (url) => routes.switchTab(url), navigateBack: () => routes.navigateBack(), share: control.share })
      startFramework()
      provide({ App, getApp, getCurrentPages, wx, WXWebAssembly, constructors: constructorsFor })
      left = stripRealm()
      view.__mpHost = control
      start()
      phone.ready()
    } catch (error) {
      report('boot', error)
      phone.failed()
    }
  },
})
