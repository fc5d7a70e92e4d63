// Forwarding: the page says what to share, the host shows and records it.
import { guarded, phone, records } from './context.js'
import { topPage } from './router.js'

/** Asks the page for its share card, as 转发 does. Gives the card, or undefined when the page does not share. */
export function share({ from, target }) {
  const page = topPage()
  if (typeof page.caller.onShareAppMessage !== 'function') return undefined
  const described = target && { id: target.id, dataset: { ...target.dataset } }
  const card = guarded('onShareAppMessage', () => page.caller.onShareAppMessage({ from, target: described })) || {}
  const shared = { title: card.title || '', path: card.path || `/${page.route}`, imageUrl: card.imageUrl || '' }
  records.calls.push({ name: 'share', args: [shared], atMs: Date.now() })
  phone.toast({ title: '已转发', durationMs: 1500 })
  return shared
}
