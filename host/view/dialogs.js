// What WeChat draws over a page: toast, modal, action sheet.
const find = (selector) => document.querySelector(selector)

let toastTimer
let sheetDone

export const dialogs = {
  /** Shows a toast; without an argument, takes it away. */
  toast(given) {
    const toast = find('#toast')
    clearTimeout(toastTimer)
    toast.hidden = !given
    if (!given) return
    toast.dataset.icon = given.icon || 'none'
    toast.querySelector('span').textContent = given.title
    if (given.durationMs) {
      toastTimer = setTimeout(() => { toast.hidden = true }, given.durationMs)
    }
  },

  /** Resolves to { confirm, cancel }. */
  modal({ title = '', content = '', showCancel = true, cancelText = '取消', confirmText = '确定', cancelColor, confirmColor }) {
    const modal = find('#modal')
    const [cancel, confirm] = [modal.querySelector('.cancel'), modal.querySelector('.confirm')]
    modal.querySelector('.title').textContent = title
    modal.querySelector('.content').textContent = content
    cancel.textContent = cancelText
    cancel.hidden = !showCancel
    cancel.style.color = cancelColor || ''
    confirm.textContent = confirmText
    confirm.style.color = confirmColor || ''
    modal.hidden = false
    return new Promise((settle) => {
      const answer = (confirmed) => () => {
        modal.hidden = true
        settle({ confirm: confirmed, cancel: !confirmed })
      }
      cancel.onclick = answer(false)
      confirm.onclick = answer(true)
    })
  },

  /** Resolves to the index of the chosen item, or -1. */
  actionSheet({ itemList, itemColor = '', alertText }) {
    sheetDone?.(-1)
    const sheet = find('#sheet')
    const items = itemList.map((text, index) => {
      const button = document.createElement('button')
      button.textContent = text
      button.style.color = itemColor
      button.onclick = () => sheetDone(index)
      return button
    })
    if (alertText) {
      const alert = document.createElement('p')
      alert.textContent = alertText
      items.unshift(alert)
    }
    sheet.querySelector('.items').replaceChildren(...items)
    sheet.hidden = false
    return new Promise((settle) => {
      sheetDone = (index) => {
        sheet.hidden = true
        sheetDone = undefined
        settle(index)
      }
      sheet.querySelector('.cancel').onclick = () => sheetDone(-1)
      sheet.onclick = (event) => { if (event.target === sheet) sheetDone(-1) }
    })
  },
}
