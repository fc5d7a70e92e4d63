// Events as handlers see them on the phone: plain targets without live elements, touches, tap and longpress.
import { phone, program, view } from './context.js'

const LONGPRESS_MS = 350
const LONGPRESS_SLOP_PX = 10

let longpressHandled = false

const originals = new WeakMap()

/** The DOM event behind an event, for the built-in components. Pages must not see it: it leads to the view window. */
export const originalOf = (event) => originals.get(event)

const plain = (target) => {
  const element = target._$ || target
  const backendElement = element.getBackendElement?.()
  return {
    id: target.id || '',
    dataset: { ...target.dataset },
    offsetLeft: backendElement?.offsetLeft || 0,
    offsetTop: backendElement?.offsetTop || 0,
  }
}

function touchesOf(list) {
  return Array.from(list, (touch) => {
    const { x, y, scrollTop } = phone.toPage(touch.clientX, touch.clientY)
    return { identifier: touch.identifier || 0, clientX: x, clientY: y, pageX: x, pageY: y + scrollTop, force: 1 }
  })
}

/** Teaches the framework's events the shape that WeChat documents. */
export function prepareEvents(glassEasel) {
  glassEasel.Event.prototype.wrapShadowedEvent = function wrapShadowedEvent(target, mark, currentTarget) {
    if (this.type === 'longpress') longpressHandled = true
    const original = this.getOriginalEvent()
    const event = Object.create(this)
    event.type = this.type
    event.timeStamp = this.timeStamp
    event.mark = mark
    event.target = plain(target)
    event.currentTarget = plain(currentTarget)
    event.detail = this.detail
    event.getOriginalEvent = undefined
    if (!original) return event
    originals.set(event, original)
    const changed = original.changedTouches || [original]
    event.touches = touchesOf(original.touches || (this.type === 'mouseup' ? [] : [original]))
    event.changedTouches = touchesOf(changed)
    if (this.type === 'tap' || this.type === 'longpress') {
      const { x, y, scrollTop } = phone.toPage(this.detail.x, this.detail.y)
      event.detail = { x, y: y + scrollTop }
    } else event.detail = {}
    return event
  }
}

/** Delivers the view window's events to the elements of the pages. */
export function installEvents(glassEasel, backend) {
  const dispatch = (target, type, detail, given) => {
    const event = new glassEasel.Event(type, detail, given)
    event.dispatch(target)
    return event.getEventBubbleStatus()
  }
  let suppressTap = false
  backend.onEvent((target, type, detail, given) => {
    if (type === 'tap') {
      if (suppressTap || isDisabled(glassEasel, target)) return undefined
    }
    return dispatch(target, type, detail, given)
  })
  watchLongpress((point, original) => {
    let node = original.target
    while (node && !node.__wxElement) node = node.parentNode
    if (!node) return
    longpressHandled = false
    dispatch(node.__wxElement, 'longpress', point, { originalEvent: original, bubbles: true, composed: true, capturePhase: true })
    // Where a handler took the long press, lifting the finger is no tap.
    suppressTap = longpressHandled
  }, () => {
    suppressTap = false
  })
}

function watchLongpress(fire, begin) {
  const { document } = view
  let timer
  let from
  let touched = false
  const down = (event) => {
    if (event.type === 'touchstart') touched = true
    else if (touched) return
    begin()
    const point = event.touches ? event.touches[0] : event
    from = { x: point.clientX, y: point.clientY }
    view.clearTimeout(timer)
    timer = view.setTimeout(() => fire(from, event), LONGPRESS_MS)
  }
  const move = (event) => {
    if (!from) return
    const point = event.touches ? event.touches[0] : event
    if (Math.hypot(point.clientX - from.x, point.clientY - from.y) > LONGPRESS_SLOP_PX) up()
  }
  const up = () => {
    from = undefined
    view.clearTimeout(timer)
  }
  const listen = (names, listener) => names.forEach((name) => document.addEventListener(name, listener, { capture: true, passive: true }))
  listen(['touchstart', 'mousedown'], down)
  listen(['touchmove', 'mousemove'], move)
  listen(['touchend', 'touchcancel', 'mouseup'], up)
  document.addEventListener('contextmenu', (event) => event.preventDefault())
}

function isDisabled(glassEasel, target) {
  for (let node = target; node; node = node.parentNode || node.ownerShadowRoot?.getHostNode() || null) {
    if (glassEasel.ShadowRoot.isShadowRoot(node)) node = node.getHostNode()
    if (program.data.builtins.some((name) => node.is === `builtin/${name}`) && node.data.disabled === true) return true
  }
  return false
}
