// How what is shipped as text is compressed where its size is told. Modules are shipped compressed, see xtask/src/brotli.rs.
import { readFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'

/**
 * A file after brotli at the highest quality.
 * @param {string} file
 */
export function compressed(file) {
  const bytes = readFileSync(file)
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    // Statistics that are taken anew more often fit the parts of a module better.
    [constants.BROTLI_PARAM_LGBLOCK]: 16,
  }
  return brotliCompressSync(bytes, { params })
}
