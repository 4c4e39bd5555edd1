/** The app's own data: everybody's notifications, in Redis when REDIS_URL is set, otherwise in memory and gone with the process. */
import { Redis } from 'ioredis'
import { apply, type Inbox, KEPT, newest } from './inbox'
import { once } from './once'
import type { Change, Notice } from './schema'

export interface Store {
  read(user: string): Promise<Inbox>
  change(user: string, change: Change): Promise<void>
}

export const store = once('notifications.store', () =>
  process.env['REDIS_URL'] ? inRedis(process.env['REDIS_URL']) : inMemory(),
)

function inMemory(): Store {
  const inboxes = new Map<string, Inbox>()
  const read = (user: string) => inboxes.get(user) ?? { notices: [] }
  return {
    read: async (user) => read(user),
    change: async (user, change) => void inboxes.set(user, apply(read(user), change)),
  }
}

/** A hash for each user, its fields the notifications: two nodes may change two of them at once. */
function inRedis(url: string): Store {
  const redis = new Redis(url, { lazyConnect: true })
  redis.on('error', (error) => console.error(`Notifications in Redis: ${error.message}`))
  const keyOf = (user: string) => `notifications:inbox:${user}`
  const read = async (key: string) => (await redis.hvals(key)).map((json) => JSON.parse(json) as Notice)
  const write = (key: string, notice: Notice) => redis.hset(key, notice.id, JSON.stringify(notice))
  return {
    read: async (user) => ({ notices: newest(await read(keyOf(user))) }),
    async change(user, change) {
      const key = keyOf(user)
      if (change.type === 'added') await write(key, change.notice)
      const notices = await read(key)
      if (change.type === 'read') {
        for (const notice of notices) if (change.ids.includes(notice.id)) await write(key, { ...notice, read: true })
      } else if (notices.length > KEPT) {
        const kept = new Set(newest(notices).map(({ id }) => id))
        await redis.hdel(key, ...notices.map(({ id }) => id).filter((id) => !kept.has(id)))
      }
    },
  }
}
