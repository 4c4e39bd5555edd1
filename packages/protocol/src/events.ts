/** What an event must have for a client to take it in, by its type; the codec checks with it whatever says that it comes from a server. */
import { isBase64 } from './bytes'
import type { HistoryItem, Member, PollBody, ServerEvent } from './frames'
import { isId } from './ids'

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
/** What is sent back as it is, in a query too. */
const isOpaque: Check = (value) => typeof value === 'string' && /^[!-~]{0,4096}$/.test(value)
const isFlag: Check = (value) => typeof value === 'boolean'
const isNumber: Check = Number.isFinite
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((each) => check(each))

/** The same name means the same in each event. */
const members = new Map<string, Check>([
  ...['channel', 'identity', 'messageId', 'from', 'source', 'reason'].map((name) => [name, isText] as const),
  ...['life', 'seq', 'after', 'expires', 'ref', 'retryAfter'].map((name) => [name, isNumber] as const),
  ['heartbeat', (value) => isNumber(value) && (value as number) > 0],
  ['cursor', isOpaque],
  ['at', isOpaque],
  ['id', isId],
  ['epoch', isId],
  ['known', isFlag],
  ['bytes', isBase64],
  ['error', isRecord],
  ['history', isHistory],
  ['updates', isHistory],
  ['members', listOf(isMember)],
  ['changes', listOf((value) => isRecord(value) && isText(value['member']))],
])

/** What must not be missing. */
const needed = new Map(
  Object.entries({
    hello: ['heartbeat'],
    expires: [],
    cursor: ['cursor'],
    subscribed: ['channel'],
    unsubscribed: ['channel'],
    message: ['channel', 'id', 'messageId'],
    live: ['channel', 'source', 'seq'],
    gap: ['channel', 'reason'],
    members: ['channel', 'id', 'at', 'known'],
    presence: ['channel', 'id', 'at', 'changes'],
    unwatched: ['channel'],
    absent: ['channel'],
    status: [],
    result: ['ref'],
    error: ['error'],
    beat: [],
    bye: ['error'],
  } satisfies Record<ServerEvent['type'], readonly string[]>),
)

function isSound(value: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  for (const name of names) if (value[name] === undefined) return false
  for (const name of Object.keys(value)) if (members.get(name)?.(value[name]) === false) return false
  return true
}

/** False for what no server of this protocol says. Types and members that are not known pass: later ones may say them. */
export function isServerEvent(value: unknown): value is ServerEvent {
  if (!isRecord(value) || !isText(value['type'])) return false
  const names = needed.get(value['type'] as string)
  if (names === undefined) return true
  if (!isSound(value, names)) return false
  switch (value['type']) {
    case 'message':
    case 'live':
      return hasPayload(value)
    // Of a logged channel both.
    case 'subscribed':
      return 'id' in value === 'epoch' in value
    case 'result':
      return 'value' in value !== 'error' in value
    default:
      return true
  }
}

export function isPollBody(value: unknown): value is PollBody {
  return (
    isRecord(value) &&
    isSound(value, ['cursor']) &&
    listOf(isServerEvent)(value['events']) &&
    isNumber(value['next']) &&
    (value['next'] as number) >= 0
  )
}

/** The answer to `history`. */
export function isHistory(value: unknown): value is readonly HistoryItem[] {
  return listOf((item) => isRecord(item) && isSound(item, ['id', 'messageId']) && hasPayload(item))(value)
}

/** The answer to `list`. */
export function isMemberList(
  value: unknown,
): value is { readonly members: readonly Member[]; readonly known: boolean } {
  return isRecord(value) && isSound(value, ['members', 'known'])
}

function isMember(value: unknown): boolean {
  return isRecord(value) && isText(value['id']) && 'state' in value
}

function hasPayload(value: object): boolean {
  return 'data' in value !== 'bytes' in value
}
