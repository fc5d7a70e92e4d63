// Prints the sum of the sizes that the FILEs have after brotli at the highest quality, each compressed alone.
import { compressed } from '../../js/brotli.mjs'

const sizes = process.argv.slice(2).map((file) => compressed(file).length)
console.log(sizes.reduce((sum, size) => sum + size, 0))
