// The wx functions that move between pages.
import { EventChannel } from '../channel.js'
import { routes } from '../router.js'
import { asynchronous } from './api.js'

const simple = (name) => asynchronous(name, ({ url }) => {
  routes[name](url)
})

export const navigation = {
  navigateTo: asynchronous('navigateTo', ({ url, events = {} }) => {
    // Each side listens to what the other emits.
    const [here, there] = [new EventChannel(), new EventChannel()]
    for (const [name, listener] of Object.entries(events)) here.on(name, listener)
    routes.navigateTo(url, joined(there, here))
    return { eventChannel: joined(here, there) }
  }),
  redirectTo: simple('redirectTo'),
  reLaunch: simple('reLaunch'),
  switchTab: simple('switchTab'),
  navigateBack: asynchronous('navigateBack', ({ delta }) => {
    routes.navigateBack(delta)
  }),
}

const joined = (listensTo, emitsTo) => ({
  on: (name, listener) => listensTo.on(name, listener),
  once: (name, listener) => listensTo.once(name, listener),
  off: (name, listener) => listensTo.off(name, listener),
  emit: (name, ...args) => emitsTo.emit(name, ...args),
})
