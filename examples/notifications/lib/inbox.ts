/** A user's notifications and what changes them: the same code on the server and on the page. */
import type { Change, Notice } from './schema'

/** Newest first. */
export interface Inbox {
  readonly notices: readonly Notice[]
}

/** How many are kept for each user. */
export const KEPT = 50

export const unreadOf = ({ notices }: Inbox): number => notices.filter(({ read }) => !read).length

/**
 * The inbox after a change. Twice is the same as once: a state that the server computed may know already of a change that is published behind it.
 */
export function apply(inbox: Inbox, change: Change): Inbox {
  if (change.type === 'read') {
    const ids = new Set(change.ids)
    return { notices: inbox.notices.map((notice) => (ids.has(notice.id) ? { ...notice, read: true } : notice)) }
  }
  if (inbox.notices.some(({ id }) => id === change.notice.id)) return inbox
  return { notices: newest([...inbox.notices, change.notice]) }
}

export function newest(notices: readonly Notice[]): Notice[] {
  return [...notices].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, KEPT)
}
