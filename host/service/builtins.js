// The built-in components, as thin as pages of this project need them. Their look is in view/builtins.css.
import { program, records } from './context.js'
import { routes } from './router.js'
import { resolveImage } from './wx/network.js'
import { originalOf } from './events.js'
import { hoverProperties, makeHoverable } from './hover.js'
import { share } from './share.js'

const inner = (caller, selector = '.inner') => caller._$.getShadowRoot().querySelector(selector).getBackendElement()

/** Registers every built-in and makes it usable everywhere. */
export function defineBuiltins(codeSpace) {
  const space = codeSpace.getComponentSpace()
  for (const name of program.data.builtins) {
    const unit = `builtin/${name}`
    codeSpace.addComponentStaticConfig(unit, { component: true })
    codeSpace.addCompiledTemplate(unit, { groupList: program.builtins, content: program.builtins[name] })
    reflecting(codeSpace, () => codeSpace.component(unit).definition(definitions[name]).register())
    space.setGlobalUsingComponent(name, space.getComponentByUrl(`/${unit}`, ''))
  }
}

// Properties of built-ins appear as DOM attributes, so that CSS can speak of `wx-button[type="primary"]`.
function reflecting(codeSpace, register) {
  const original = codeSpace.prepareComponentOptions
  codeSpace.prepareComponentOptions = function prepare(unit, given) {
    const prepared = original.call(this, unit, given)
    prepared[0].reflectToAttributes = true
    prepared[0].styleScope = undefined
    return prepared
  }
  try {
    register()
  } finally {
    codeSpace.prepareComponentOptions = original
  }
}

const onTap = (caller, handle) => caller._$.addListener('tap', handle)

// input and textarea differ in their element alone.
const textField = {
  properties: {
    value: String, placeholder: String, placeholderClass: String, placeholderStyle: String, type: String, password: Boolean,
    disabled: Boolean, maxlength: { type: Number, value: 140 }, focus: Boolean, confirmType: String, autoHeight: Boolean,
  },
  data: { _type: 'text' },
  observers: {
    value(value) { if (this.attached && inner(this).value !== value) inner(this).value = value },
    password(on) { this.setData({ _type: on ? 'password' : 'text' }) },
    disabled(on) { if (this.attached) inner(this).disabled = on },
    focus(on) { if (this.attached && on) inner(this).focus() },
  },
  lifetimes: {
    attached() {
      this.attached = true
      const field = inner(this)
      field.value = this.data.value
      field.disabled = this.data.disabled
      if (this.data.maxlength >= 0) field.maxLength = this.data.maxlength
    },
    ready() { if (this.data.focus) inner(this).focus() },
  },
  methods: {
    _input() {
      const { value, selectionStart } = inner(this)
      this.setData({ value })
      this.triggerEvent('input', { value, cursor: selectionStart, keyCode: 0 })
    },
    _key(event) { if (originalOf(event)?.key === 'Enter') this.triggerEvent('confirm', { value: inner(this).value }) },
    _focus() { this.triggerEvent('focus', { value: inner(this).value, height: 0 }) },
    _blur() { this.triggerEvent('blur', { value: inner(this).value, cursor: 0 }) },
  },
}

const toggle = (initial) => ({
  properties: { checked: Boolean, disabled: Boolean, color: String, type: String, value: String },
  lifetimes: {
    attached() {
      onTap(this, () => {
        if (this.data.disabled) return
        this.setData({ checked: !this.data.checked })
        initial(this)
      })
    },
  },
})

const definitions = {
  view: {
    properties: { ...hoverProperties(50, 400), hidden: Boolean },
    lifetimes: { attached() { makeHoverable(this) } },
  },
  text: { properties: { selectable: Boolean, userSelect: Boolean, space: String, decode: Boolean, hidden: Boolean } },
  icon: { properties: { type: String, size: { type: Number, value: 23 }, color: String } },
  'page-meta': { properties: { backgroundColor: String, pageStyle: String, rootFontSize: String } },
  'swiper-item': { properties: { itemId: String } },
  button: {
    properties: { ...hoverProperties(20, 70), size: String, type: String, plain: Boolean, disabled: Boolean, loading: Boolean, formType: String,
      openType: String, hidden: Boolean },
    lifetimes: {
      attached() {
        makeHoverable(this)
        onTap(this, () => { if (this.data.openType === 'share') share({ from: 'button', target: this }) })
      },
    },
  },
  navigator: {
    properties: { ...hoverProperties(50, 600), url: String, openType: { type: String, value: 'navigate' }, delta: { type: Number, value: 1 } },
    lifetimes: {
      attached() {
        makeHoverable(this)
        onTap(this, () => {
          const { openType, url, delta } = this.data
          records.calls.push({ name: `navigator ${openType}`, args: [{ url, delta }], atMs: Date.now() })
          if (openType === 'navigateBack') routes.navigateBack(delta)
          else routes[{ navigate: 'navigateTo', redirect: 'redirectTo' }[openType] || openType](url)
        })
      },
    },
  },
  'scroll-view': {
    properties: { scrollX: Boolean, scrollY: Boolean, scrollTop: Number, scrollLeft: Number, scrollIntoView: String,
      scrollWithAnimation: Boolean, enableFlex: Boolean, showScrollbar: Boolean, enhanced: Boolean,
      upperThreshold: { type: Number, value: 50 }, lowerThreshold: { type: Number, value: 50 } },
    observers: {
      scrollTop(top) { if (this.shown) inner(this).scrollTop = top },
      scrollLeft(left) { if (this.shown) inner(this).scrollLeft = left },
      scrollIntoView(id) { if (this.shown && id) inner(this).querySelector(`[id$="${id}"]`)?.scrollIntoView({ block: 'start', inline: 'start' }) },
    },
    lifetimes: { ready() { this.shown = true } },
    methods: {
      _scroll() {
        const { scrollTop, scrollLeft, scrollHeight, scrollWidth, clientHeight, clientWidth } = inner(this)
        this.triggerEvent('scroll', { scrollTop, scrollLeft, scrollHeight, scrollWidth })
        const { scrollX, lowerThreshold, upperThreshold } = this.data
        const after = scrollX ? scrollWidth - clientWidth - scrollLeft : scrollHeight - clientHeight - scrollTop
        const before = scrollX ? scrollLeft : scrollTop
        if (after <= lowerThreshold && !this.atEnd) this.triggerEvent('scrolltolower', { direction: scrollX ? 'right' : 'bottom' })
        if (before <= upperThreshold && this.atStart === false) this.triggerEvent('scrolltoupper', { direction: scrollX ? 'left' : 'top' })
        this.atEnd = after <= lowerThreshold
        this.atStart = before <= upperThreshold
      },
    },
  },
  swiper: {
    properties: { indicatorDots: Boolean, indicatorColor: String, indicatorActiveColor: String, autoplay: Boolean,
      current: Number, interval: { type: Number, value: 5000 }, duration: { type: Number, value: 500 }, circular: Boolean, vertical: Boolean },
    data: { _dots: [], _current: 0 },
    observers: { current(at) { if (this.shown) this._show(at) } },
    lifetimes: {
      ready() {
        this.shown = true
        this.setData({ _dots: Array.from({ length: inner(this).children.length }, (_, at) => at) })
        if (this.data.current) this._show(this.data.current)
        if (this.data.autoplay) this.timer = setInterval(() => this._show((this.data._current + 1) % inner(this).children.length), this.data.interval)
      },
      detached() { clearInterval(this.timer) },
    },
    methods: {
      _show(at) { inner(this).scrollTo({ left: at * inner(this).clientWidth, behavior: 'smooth' }) },
      _scroll() {
        const { scrollLeft, clientWidth } = inner(this)
        const current = Math.round(scrollLeft / Math.max(clientWidth, 1))
        if (current === this.data._current) return
        this.setData({ _current: current })
        this.triggerEvent('change', { current, source: 'touch' })
      },
    },
  },
  input: textField,
  textarea: textField,
  switch: toggle((caller) => caller.triggerEvent('change', { value: caller.data.checked })),
  checkbox: toggle((caller) => caller.triggerEvent('_toggle', {}, { bubbles: true, composed: true })),
  'checkbox-group': {
    lifetimes: {
      attached() {
        this._$.addListener('_toggle', () => {
          const boxes = this._$.getBackendElement().querySelectorAll('wx-checkbox')
          const value = Array.from(boxes, (box) => box.__wxElement.data).filter((data) => data.checked).map((data) => data.value)
          this.triggerEvent('change', { value })
        })
      },
    },
  },
  image: {
    properties: { src: String, mode: String, lazyLoad: Boolean, webp: Boolean, showMenuByLongpress: Boolean, alt: String },
    data: { _src: '' },
    observers: {
      src(src) {
        const owner = this._$.ownerShadowRoot?.getHostNode().is || ''
        this.setData({ _src: resolveImage(src, owner.split('/').slice(0, -1).join('/')) })
      },
    },
    methods: {
      _load() {
        const { naturalWidth, naturalHeight } = inner(this)
        this.triggerEvent('load', { width: naturalWidth, height: naturalHeight })
      },
      _error() { this.triggerEvent('error', { errMsg: `GET ${this.data.src} failed` }) },
    },
  },
}
