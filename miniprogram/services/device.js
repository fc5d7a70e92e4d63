// @ts-check
// What the self-test says about the phone: makes and versions, nothing that names the person.

exports.describe = function () {
  const device = wx.getDeviceInfo()
  const app = wx.getAppBaseInfo()
  return {
    platform: device.platform,
    brand: device.brand,
    model: device.model,
    system: device.system,
    wechat: app.version,
    library: app.SDKVersion,
  }
}
