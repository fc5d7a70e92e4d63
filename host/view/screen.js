// The view window: assembles the phone that the logic realm drives as `__mpPhone`, then loads that realm in a hidden frame.
import { bars } from './bars.js'
import { dialogs } from './dialogs.js'
import { pages } from './pages.js'

const find = (selector) => document.querySelector(selector)
const framed = new URLSearchParams(location.search).has('framed')
document.documentElement.classList.toggle('framed', framed)

window.__mpPhone = {
  ...pages,
  ...dialogs,
  ...bars,
  start(program, actions) {
    bars.begin(program, actions)
  },
  showPage(surface, { canGoBack, route }) {
    pages.raise(surface)
    bars.dress(surface, { canGoBack, route })
    pages.measure()
  },
  restyle(surface, settings) {
    Object.assign(surface.settings, settings)
    bars.refresh()
  },
  toggleTabBar(shown) {
    bars.setTabsHidden(!shown)
    pages.measure()
  },
  windowInfo() {
    const stage = find('#stage').getBoundingClientRect()
    const statusBarHeight = find('#status').offsetHeight
    const [width, height] = [innerWidth, innerHeight]
    return {
      pixelRatio: devicePixelRatio,
      screenWidth: width,
      screenHeight: height,
      windowWidth: width,
      windowHeight: Math.round(stage.height),
      statusBarHeight,
      screenTop: Math.round(stage.top),
      safeArea: { left: 0, right: width, top: statusBarHeight, bottom: height, width, height: height - statusBarHeight },
    }
  },
  showError(message) {
    const list = find('#errors')
    list.hidden = false
    list.textContent += `${message}\n`
  },
  failed() {
    document.documentElement.setAttribute('data-mp-failed', '')
  },
  ready() {
    document.documentElement.setAttribute('data-mp-ready', '')
  },
}

addEventListener('resize', () => pages.measure())

// The service frame starts when the server has said which origins it answers for.
const answer = await fetch('__origins')
window.__mpOrigins = answer.ok ? await answer.json() : []
const frame = document.createElement('iframe')
frame.hidden = true
frame.title = 'logic'
frame.src = 'service.html'
document.body.append(frame)
