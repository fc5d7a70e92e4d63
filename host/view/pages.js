// Page surfaces: one scrolling area a page, stacked, of which the top one shows. The others keep their place and layout.
const stage = document.querySelector('#stage')

const area = (node) => (node.closest ? node : node.parentElement).closest('.page')

export const pages = {
  /** A surface for a page: { element, scroller, mount, placeholder, settings }. */
  addPage(route, settings, { isTab }) {
    const element = document.createElement('div')
    element.className = 'page'
    element.setAttribute('mp-page', route)
    const scroller = document.createElement('div')
    scroller.className = 'scroller'
    const placeholder = document.createElement('span')
    scroller.append(placeholder)
    element.append(scroller)
    element.style.background = settings.backgroundColorContent || settings.backgroundColor || '#fff'
    stage.append(element)
    return { element, scroller, mount: scroller, placeholder, settings: { ...settings }, isTab }
  },

  removePage({ element }) {
    element.remove()
  },

  raise({ element }) {
    for (const other of stage.children) other.classList.toggle('covered', other !== element)
  },

  /** Tells the page area's height to the styles, which know it as `vh`. */
  measure() {
    stage.style.setProperty('--mp-vh', `${stage.clientHeight / 100}px`)
  },

  onScroll({ scroller }, listener) {
    scroller.addEventListener('scroll', () => {
      const { scrollTop, scrollHeight, clientHeight } = scroller
      listener({ top: scrollTop, height: scrollHeight, fromBottom: scrollHeight - clientHeight - scrollTop })
    }, { passive: true })
  },

  scrollTo({ scroller }, top, durationMs) {
    scroller.scrollTo({ top, behavior: durationMs ? 'smooth' : 'instant' })
  },

  setPageStyle({ scroller }, style) {
    Object.assign(scroller.style, style)
  },

  afterRender(callback) {
    requestAnimationFrame(() => callback())
  },

  scrollerOf(node) {
    return area(node).querySelector('.scroller')
  },

  /** Where the page area of an element begins in the window. */
  originOf(node) {
    const { left, top } = (area(node) || stage).getBoundingClientRect()
    return { left, top }
  },

  rectInPage(node) {
    const origin = this.originOf(node)
    const { left, top, width, height } = node.getBoundingClientRect()
    const [x, y] = [left - origin.left, top - origin.top]
    return { left: x, top: y, right: x + width, bottom: y + height, width, height }
  },

  computedStyle(node, names) {
    const style = getComputedStyle(node)
    return Object.fromEntries(names.map((name) => [name, style[name]]))
  },

  /** A point of the window, seen from the page area that is on top. */
  toPage(x, y) {
    const top = stage.querySelector('.page:not(.covered)')
    const origin = stage.getBoundingClientRect()
    return { x: x - origin.left, y: y - origin.top, scrollTop: top ? top.querySelector('.scroller').scrollTop : 0 }
  },
}
