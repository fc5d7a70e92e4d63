// Toasts, dialogs, bars, the clipboard, scrolling.
import { guarded, phone } from '../context.js'
import { topPage } from '../router.js'
import { ApiError, asynchronous } from './api.js'
import { SelectorQuery } from './query.js'
import { IntersectionObserver } from './intersection.js'

let clipboard = ''

const text = (value, name) => {
  if (typeof value !== 'string') throw new ApiError(`parameter error: parameter.${name} should be String`)
  return value
}

export const userInterface = {
  showToast: asynchronous('showToast', ({ title, icon = 'success', duration = 1500, mask }) => {
    phone.toast({ title: text(title, 'title'), icon, durationMs: duration, mask })
  }),
  hideToast: asynchronous('hideToast', () => phone.toast(undefined)),
  showLoading: asynchronous('showLoading', ({ title, mask }) => phone.toast({ title: text(title, 'title'), icon: 'loading', mask })),
  hideLoading: asynchronous('hideLoading', () => phone.toast(undefined)),
  showModal: asynchronous('showModal', (given) => phone.modal(given)),
  showActionSheet: asynchronous('showActionSheet', async ({ itemList, itemColor, alertText }) => {
    if (!Array.isArray(itemList) || itemList.length === 0 || itemList.length > 6) {
      throw new ApiError('parameter error: itemList should have 1 to 6 items')
    }
    const tapIndex = await phone.actionSheet({ itemList, itemColor, alertText })
    if (tapIndex < 0) throw new ApiError('cancel')
    return { tapIndex }
  }),
  setNavigationBarTitle: asynchronous('setNavigationBarTitle', ({ title }) => {
    phone.restyle(topPage().surface, { navigationBarTitleText: text(title, 'title') })
  }),
  setNavigationBarColor: asynchronous('setNavigationBarColor', ({ frontColor, backgroundColor }) => {
    const navigationBarTextStyle = frontColor === '#ffffff' ? 'white' : 'black'
    phone.restyle(topPage().surface, { navigationBarTextStyle, navigationBarBackgroundColor: backgroundColor })
  }),
  setTabBarItem: asynchronous('setTabBarItem', (given) => phone.setTab(given.index, given)),
  setTabBarBadge: asynchronous('setTabBarBadge', ({ index, text: badge }) => phone.setTab(index, { badge })),
  removeTabBarBadge: asynchronous('removeTabBarBadge', ({ index }) => phone.setTab(index, { badge: '' })),
  showTabBar: asynchronous('showTabBar', () => phone.toggleTabBar(true)),
  hideTabBar: asynchronous('hideTabBar', () => phone.toggleTabBar(false)),
  setPageStyle: asynchronous('setPageStyle', ({ style = {} }) => phone.setPageStyle(topPage().surface, style)),
  setClipboardData: asynchronous('setClipboardData', ({ data }) => {
    clipboard = text(data, 'data')
    phone.toast({ title: '内容已复制', icon: 'success', durationMs: 1500 })
  }),
  getClipboardData: asynchronous('getClipboardData', () => ({ data: clipboard })),
  pageScrollTo: asynchronous('pageScrollTo', ({ scrollTop, selector, offsetTop = 0, duration = 300 }) => {
    const { surface, caller } = topPage()
    if (scrollTop !== undefined) return phone.scrollTo(surface, scrollTop, duration)
    const element = caller._$.getShadowRoot().querySelector(selector)
    if (!element) throw new ApiError(`selector "${selector}" is not found`)
    const { top } = phone.rectInPage(element.getBackendElement())
    return phone.scrollTo(surface, surface.scroller.scrollTop + top + offsetTop, duration)
  }),
  startPullDownRefresh: asynchronous('startPullDownRefresh', () => {
    const { caller } = topPage()
    if (typeof caller.onPullDownRefresh === 'function') guarded('onPullDownRefresh', () => caller.onPullDownRefresh())
  }),
  stopPullDownRefresh: asynchronous('stopPullDownRefresh', () => undefined),
  vibrateShort: asynchronous('vibrateShort', () => undefined),
  vibrateLong: asynchronous('vibrateLong', () => undefined),
  showShareMenu: asynchronous('showShareMenu', () => undefined),
  hideShareMenu: asynchronous('hideShareMenu', () => undefined),
  nextTick: (callback) => {
    Promise.resolve().then(() => guarded('nextTick', callback))
  },
  createSelectorQuery: () => new SelectorQuery(topPage().caller),
  createIntersectionObserver: (caller, settings) => new IntersectionObserver(caller || topPage().caller, settings),
}
