/** The checksum by which a checker knows a publication again. */
import { createHash } from 'node:crypto'

export const hashOf = (publisher: string, sequence: number, text: string): string =>
  createHash('sha256').update(`${publisher}\n${sequence}\n${text}`).digest('hex').slice(0, 16)
