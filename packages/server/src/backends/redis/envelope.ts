/** What travels over Redis pub/sub: one header line, then the body; printed by publish.lua and the broker, parsed on arrival. */
import { type Id, isId } from '@rt/protocol'

export type Envelope =
  | { readonly kind: 'publication'; readonly id: Id; readonly prev: Id; readonly epoch: Id; readonly body: string }
  | { readonly kind: 'notice'; readonly id: Id; readonly prev: Id; readonly epoch: Id; readonly changes: string }
  | { readonly kind: 'live'; readonly node: string; readonly body: string }

const NODE = /^[A-Za-z0-9_-]{1,64}$/
// Three ids of at most 33 characters, three spaces, the kind.
const LONGEST_HEADER = 128

/** `l <node>\n<body>` */
export function printLive(node: string, body: string): string {
  return `l ${node}\n${body}`
}

/** Null for anything that is no envelope: others may publish on the same Redis. */
export function parseEnvelope(text: string): Envelope | null {
  const end = text.indexOf('\n')
  if (end < 0 || end > LONGEST_HEADER || end === text.length - 1) return null
  const header = text.slice(0, end).split(' ')
  const body = text.slice(end + 1)
  if (header[0] === 'p' && header.length === 4) {
    const [, id, prev, epoch] = header
    return isId(id) && isId(prev) && isId(epoch) ? { kind: 'publication', id, prev, epoch, body } : null
  }
  if (header[0] === 'm' && header.length === 4) {
    const [, id, prev, epoch] = header
    return isId(id) && isId(prev) && isId(epoch) ? { kind: 'notice', id, prev, epoch, changes: body } : null
  }
  if (header[0] === 'l' && header.length === 2) {
    const node = header[1] as string
    return NODE.test(node) ? { kind: 'live', node, body } : null
  }
  return null
}
