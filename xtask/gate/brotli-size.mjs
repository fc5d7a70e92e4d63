// Prints the sum of the sizes that the FILEs have after brotli at the highest quality, each compressed alone.
import { readFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'

// As xtask/build/brotli.mjs compresses what is shipped.
const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGBLOCK]: 16 }
const sizes = process.argv.slice(2).map((file) => brotliCompressSync(readFileSync(file), { params }).length)
console.log(sizes.reduce((sum, size) => sum + size, 0))
