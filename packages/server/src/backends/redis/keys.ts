/** Names of every Redis key and pub/sub channel of the broker; the broker and its scripts take them from here only. */

/** The keys of one partition. All carry the same hash tag, so that one script may touch them together, also on a Cluster. */
export interface PartitionKeys {
  /** Hash: the partition's clock, epoch and the identity of the Redis that they belong to. */
  readonly clock: string
  /** Stream: the publications of a channel. */
  log(channel: string): string
  /** String: the newest id of a channel. */
  last(channel: string): string
  /** String: the id that a `messageId` was stored under. */
  dedupe(channel: string, messageId: string): string
  /** Pub/sub channel of a channel's publications and live messages. */
  announce(channel: string): string
  /** String: a text that whoever asks first takes. */
  kept(key: string): string
  /** Sorted set: `client member` of a channel's seats, by the time at which they expire. */
  seats(channel: string): string
  /** Hash: owner and state of each seat of a channel. */
  states(channel: string): string
  /** Hash: clients and state of each member of a channel. */
  members(channel: string): string
  /** String: the id of the newest change among a channel's members. */
  rev(channel: string): string
  /** Sorted set: channels by the time before which none of their seats expires. */
  readonly due: string
  /** Hash: when a node last said that it is there, and until when nobody is swept. */
  readonly pulse: string
  /** Sorted set: identities by the time until which they count as connected. */
  readonly online: string
  /** Pub/sub channel of changes among a channel's members. */
  notices(channel: string): string
  /** Pub/sub channel on which a node hears itself. */
  probe(node: string): string
}

export interface Keys {
  readonly partitions: readonly PartitionKeys[]
  /** The partition of a channel: a hash of its name, the same on every node. */
  partition(channel: string): number
  /** Which partition and channel a pub/sub channel name stands for; null when it is none of ours. */
  parse(
    name: string,
  ): { readonly partition: number; readonly kind: 'channel' | 'notices'; readonly channel: string } | null
}

const PREFIX = /^[A-Za-z0-9_.:/-]{1,64}$/
const MOST_PARTITIONS = 1024

/** Throws TypeError for a prefix or a number of partitions that cannot be. */
export function createKeys(prefix: string, partitions: number): Keys {
  if (!PREFIX.test(prefix)) throw new TypeError('`prefix` must be 1 to 64 of the characters A–Z a–z 0–9 _ . : / -')
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS) {
    throw new TypeError(`\`partitions\` must be a whole number from 1 to ${MOST_PARTITIONS}.`)
  }
  const bases = tags(prefix, partitions).map((tag) => `{${prefix}:${tag}}`)
  const numbers = new Map(bases.map((base, partition) => [base, partition]))
  return {
    partitions: bases.map(partitionKeys),
    partition: (channel) => (partitions === 1 ? 0 : fnv1a(channel) % partitions),
    parse(name) {
      const end = name.indexOf('}') + 1
      const partition = numbers.get(name.slice(0, end))
      if (partition === undefined) return null
      const kind = name.startsWith(':ch:', end) ? 'channel' : name.startsWith(':pr:', end) ? 'notices' : null
      return kind === null ? null : { partition, kind, channel: name.slice(end + 4) }
    },
  }
}

// Names of channels may hold ":" but stand last, and a messageId may not, so no two names meet in one key.
function partitionKeys(base: string): PartitionKeys {
  return {
    clock: `${base}:clock`,
    log: (channel) => `${base}:log:${channel}`,
    last: (channel) => `${base}:last:${channel}`,
    dedupe: (channel, messageId) => `${base}:id:${messageId}:${channel}`,
    announce: (channel) => `${base}:ch:${channel}`,
    kept: (key) => `${base}:kept:${key}`,
    seats: (channel) => `${base}:seats:${channel}`,
    states: (channel) => `${base}:states:${channel}`,
    members: (channel) => `${base}:members:${channel}`,
    rev: (channel) => `${base}:rev:${channel}`,
    due: `${base}:due`,
    pulse: `${base}:pulse`,
    online: `${base}:online`,
    notices: (channel) => `${base}:pr:${channel}`,
    probe: (node) => `${base}:probe:${node}`,
  }
}

const SLOTS = 16384
const utf8 = new TextEncoder()

/**
 * One hash tag for each partition: partition i gets the smallest number whose slot lies in the i-th of P equal ranges of slots,
 * so that masters which hold equal ranges hold equally many partitions.
 */
function tags(prefix: string, partitions: number): number[] {
  const found = new Array<number | undefined>(partitions).fill(undefined)
  for (let tag = 0, missing = partitions; missing > 0; tag++) {
    const partition = Math.floor((slot(`${prefix}:${tag}`) * partitions) / SLOTS)
    if (found[partition] === undefined) {
      found[partition] = tag
      missing--
    }
  }
  return found as number[]
}

/** The Cluster slot of a hash tag: CRC16 (XMODEM) modulo 16384. */
export function slot(tag: string): number {
  let crc = 0
  for (const byte of utf8.encode(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc % SLOTS
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
