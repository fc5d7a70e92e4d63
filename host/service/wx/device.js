// The phone, the base library and the app's own circumstances.
import { options, ownCopy, phone, program, view } from '../context.js'
import { appListeners, launchOptions } from '../router.js'
import { ApiError, asynchronous } from './api.js'
import { fileSystemManager } from './files.js'
import { USER_DATA_PATH } from './disk.js'
import { randomBytes } from './network.js'

const SDK_VERSION = '3.8.0'
const memoryListeners = new Set()

const device = () => ({ brand: 'Zhiji', model: 'browser host', system: 'Linux', platform: 'devtools', abi: '', benchmarkLevel: 30, memorySize: '4096' })
const base = () => ({ SDKVersion: SDK_VERSION, version: '8.0.50', language: options.language, theme: 'light', enableDebug: false, host: { env: 'WeChat' } })
const entry = () => {
  const { enter, ...launch } = launchOptions()
  return { launch, enter: enter || launch }
}

/** Tells pages that memory is short, as the phone does. */
export function warnOfMemory(level = 10) {
  for (const listener of [...memoryListeners]) listener({ level })
}

export const deviceInfo = {
  env: Object.freeze({ USER_DATA_PATH }),
  getFileSystemManager: () => fileSystemManager,
  getWindowInfo: () => ownCopy(phone.windowInfo()),
  getSystemInfoSync: () => ({ ...device(), ...base(), ...ownCopy(phone.windowInfo()), fontSizeSetting: 16 }),
  getDeviceInfo: device,
  getAppBaseInfo: base,
  getSystemSetting: () => ({ bluetoothEnabled: false, locationEnabled: false, wifiEnabled: true, deviceOrientation: 'portrait' }),
  getAccountInfoSync: () => ({ miniProgram: { appId: program.data.appid, envVersion: options.envVersion, version: options.envVersion === 'release' ? '1.0.0' : '' } }),
  getLaunchOptionsSync: () => entry().launch,
  getEnterOptionsSync: () => entry().enter,
  getMenuButtonBoundingClientRect: () => ownCopy(phone.capsuleRect()),
  getPerformance: () => ({ now: () => view.performance.now() * 1000 }),
  getRandomValues: asynchronous('getRandomValues', ({ length }) => {
    if (options.random === 'off') throw new ApiError('internal error: randomness is off in this run')
    if (!Number.isInteger(length) || length < 1 || length > 1048576) throw new ApiError('parameter error: length')
    return { randomValues: randomBytes(length).buffer }
  }),
  onAppShow: (listener) => { appListeners.appShow.add(listener) },
  offAppShow: (listener) => { listener ? appListeners.appShow.delete(listener) : appListeners.appShow.clear() },
  onAppHide: (listener) => { appListeners.appHide.add(listener) },
  offAppHide: (listener) => { listener ? appListeners.appHide.delete(listener) : appListeners.appHide.clear() },
  onMemoryWarning: (listener) => { memoryListeners.add(listener) },
  offMemoryWarning: (listener) => { listener ? memoryListeners.delete(listener) : memoryListeners.clear() },
}
