// The bars around a page: status, navigation with WeChat's capsule, tabs.
const find = (selector) => document.querySelector(selector)

let tabBar
let shown
let actions
let tabsHidden = false

function clockText() {
  return new Date().toLocaleTimeString('zh-CN', { hour: '2-digit', minute: '2-digit', hour12: false })
}

function drawTabs(route) {
  const bar = find('#tabs')
  const on = tabBar?.list.some((tab) => tab.pagePath === route)
  bar.hidden = !on || tabsHidden
  if (!on) return
  bar.style.background = tabBar.backgroundColor || '#fff'
  bar.style.borderTopColor = tabBar.borderStyle === 'white' ? 'transparent' : '#0000001a'
  bar.replaceChildren(...tabBar.list.map((tab) => {
    const selected = tab.pagePath === route
    const button = document.createElement('button')
    button.className = selected ? 'tab selected' : 'tab'
    button.dataset.path = tab.pagePath
    button.style.color = (selected ? tabBar.selectedColor : tabBar.color) || (selected ? '#07c160' : '#7f8389')
    const icon = (selected && tab.selectedIconPath) || tab.iconPath
    if (icon) {
      const image = document.createElement('img')
      image.src = `pkg/${icon.replace(/^\//, '')}`
      image.alt = ''
      button.append(image)
    }
    const label = document.createElement('span')
    label.textContent = tab.text
    button.append(label)
    if (tab.badge) {
      const badge = document.createElement('i')
      badge.textContent = tab.badge
      button.append(badge)
    }
    button.addEventListener('click', () => actions.switchTab(`/${tab.pagePath}`))
    return button
  }))
}

export const bars = {
  begin(program, given) {
    tabBar = program.tabBar && { ...program.tabBar, list: program.tabBar.list.map((tab) => ({ ...tab })) }
    actions = given
    find('#nav-back').addEventListener('click', () => actions.navigateBack())
    find('#capsule-menu').addEventListener('click', async () => {
      const chosen = await window.__mpPhone.actionSheet({ itemList: ['转发给朋友'] })
      if (chosen === 0) actions.share()
    })
    find('#status-time').textContent = clockText()
    setInterval(() => { find('#status-time').textContent = clockText() }, 10000)
  },

  dress(surface, { canGoBack, route }) {
    shown = { surface, canGoBack, route }
    bars.refresh()
  },

  refresh() {
    const { surface: { settings }, canGoBack, route } = shown
    const custom = settings.navigationStyle === 'custom'
    const background = settings.navigationBarBackgroundColor || '#ededed'
    const top = find('#top')
    top.classList.toggle('custom', custom)
    top.classList.toggle('light', settings.navigationBarTextStyle === 'white')
    top.style.background = custom ? 'transparent' : background
    document.body.style.background = background
    find('#nav-title').textContent = custom ? '' : settings.navigationBarTitleText || ''
    document.title = settings.navigationBarTitleText || 'mini-program'
    find('#nav-back').hidden = !canGoBack || custom
    drawTabs(route)
  },

  setTab(index, { text, badge, iconPath, selectedIconPath }) {
    const given = { text, badge, iconPath, selectedIconPath }
    for (const [name, value] of Object.entries(given)) if (value !== undefined) tabBar.list[index][name] = value
    drawTabs(shown.route)
  },

  setTabsHidden(hidden) {
    tabsHidden = hidden
    drawTabs(shown.route)
  },

  capsuleRect() {
    const { left, top, right, bottom, width, height } = find('#capsule').getBoundingClientRect()
    return { left, top, right, bottom, width, height }
  },
}
