/** Names of channels: the alphabet that is safe in URLs, headers, SSE lines and Redis keys. */
import { limits } from './limits'

const NAME = /^[A-Za-z0-9_.:/@+=~%!-]+$/

/** True for 1 to 255 characters of `A–Z a–z 0–9 _ . : / @ + = ~ % ! -`. */
export function isChannelName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= limits.channelLength && NAME.test(value)
}
