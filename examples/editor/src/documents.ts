/** The documents: of each a snapshot, in Redis when REDIS_URL is set, otherwise in memory, and behind it the newest updates, which rt has. Used by realtime.ts and server.ts. */
import { Redis } from 'ioredis'
import * as Y from 'yjs'
import { rt } from './realtime'

/** A document up to the publication `id`, null for none. */
interface Snapshot {
  readonly id: string | null
  readonly update: Uint8Array
}

interface Store {
  read(channel: string): Promise<Snapshot | null>
  /** Does nothing when the stored one is not `before` any more: another node was faster, and the next change tries again. */
  write(channel: string, snapshot: Snapshot, before: string | null): Promise<void>
}

/** What is read behind a snapshot; the most that a history gives at once. */
const BEHIND = 1000
/** Milliseconds until a change is in the snapshot. Far fewer than BEHIND updates come in that time: a page sends 20 a second at most. */
const KEEP_AFTER = 1000

const store = process.env.REDIS_URL ? inRedis(process.env.REDIS_URL) : inMemory()
const keeping = new Map<string, NodeJS.Timeout>()

/** The document as one update of Yjs: all that was published until now. */
export async function read(channel: string): Promise<Uint8Array> {
  return (await merged(channel)).now.update
}

/** Something is about to be published there: it is in the snapshot a second later. */
export function changed(channel: string): void {
  if (!keeping.has(channel))
    keeping.set(
      channel,
      setTimeout(() => void keep(channel), KEEP_AFTER),
    )
}

/** At the end of the process: what waits is kept now. */
export async function keepAll(): Promise<void> {
  await Promise.all([...keeping.keys()].map(keep))
}

async function keep(channel: string): Promise<void> {
  clearTimeout(keeping.get(channel))
  keeping.delete(channel)
  try {
    const { now, before } = await merged(channel)
    if (now.id !== before) await store.write(channel, now, before)
  } catch (error) {
    console.error(`${channel} is not kept yet: ${error instanceof Error ? error.message : error}`)
    changed(channel)
  }
}

async function merged(channel: string): Promise<{ readonly now: Snapshot; readonly before: string | null }> {
  const snapshot = await store.read(channel)
  const updates = await rt.history(`doc:${channel.slice('doc:'.length)}`, { last: BEHIND })
  const before = snapshot?.id ?? null
  // Should never be; a hole must not pass for a document.
  if (updates.length === BEHIND && !updates.some(({ id }) => id === before)) {
    throw new Error(`${channel} has more than ${BEHIND} updates that are in no snapshot.`)
  }
  const doc = new Y.Doc()
  if (snapshot !== null) Y.applyUpdate(doc, snapshot.update)
  for (const { data, id } of updates) {
    try {
      Y.applyUpdate(doc, data)
    } catch {
      console.error(`${channel}: ${id} is no update.`)
    }
  }
  return { now: { id: updates.at(-1)?.id ?? before, update: Y.encodeStateAsUpdate(doc) }, before }
}

function inMemory(): Store {
  const kept = new Map<string, Snapshot>()
  return {
    read: async (channel) => kept.get(channel) ?? null,
    async write(channel, snapshot, before) {
      if ((kept.get(channel)?.id ?? null) === before) kept.set(channel, snapshot)
    },
  }
}

function inRedis(url: string): Store {
  const redis = new Redis(url, { lazyConnect: true })
  redis.on('error', (error) => console.error(`Documents in Redis: ${error.message}`))
  const keyOf = (channel: string) => `editor:snapshot:${channel}`
  // Two nodes keep one document: the second must have read what the first wrote.
  const write = `
    if (redis.call('HGET', KEYS[1], 'id') or '') == ARGV[1] then
      redis.call('HSET', KEYS[1], 'id', ARGV[2], 'update', ARGV[3])
    end`
  return {
    async read(channel) {
      const { id, update } = await redis.hgetallBuffer(keyOf(channel))
      return id === undefined || update === undefined ? null : { id: id.toString() || null, update }
    },
    async write(channel, { id, update }, before) {
      await redis.eval(write, 1, keyOf(channel), before ?? '', id ?? '', Buffer.from(update))
    },
  }
}
